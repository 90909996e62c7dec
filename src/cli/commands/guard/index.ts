import type { Command } from 'commander';
import { addCalibrate } from './calibrate.js';
import { addShow } from './show.js';

export function addGuard(program: Command): void {
  const guard = program.command('guard').description('Clean profiles: what is ordinary for a model, so that the guard can tell what is not.');
  for (const add of [addCalibrate, addShow]) add(guard);
}
