import type { Command } from 'commander';

export function addCompare(study: Command): void {
  study.command('compare').description('Compare two recordings.');
}
