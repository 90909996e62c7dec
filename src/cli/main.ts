#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { AppError, toAppError } from '../core/errors.js';
import { addBench } from './commands/bench.js';
import { addDoctor } from './commands/doctor.js';
import { addEval } from './commands/eval.js';
import { addGraph } from './commands/graph.js';
import { addModels } from './commands/models.js';
import { addRun } from './commands/run.js';
import { addSchema } from './commands/schema.js';
import { dim, red, say } from './terminal.js';
import { VERSION } from './version.js';

const program = new Command('lynceus')
  .description('Real-time video detection that can be trusted: cameras, files and datasets in, detections with a timing ledger out over WebSocket.')
  .version(VERSION)
  .showHelpAfterError('(add --help for the options)')
  .configureHelp({ sortSubcommands: false })
  .exitOverride();

addRun(program);
addEval(program);
addBench(program);
addModels(program);
addGraph(program);
addSchema(program);
addDoctor(program);
program.addHelpText(
  'after',
  `
Examples:
  $ lynceus run demo                                 the shipped clip, live in the viewer
  $ lynceus run rtsp://user:pass@camera/stream       a camera; reconnects for ever
  $ lynceus run video.mp4 --once --out results.ndjson
  $ lynceus eval ./coco --model centernet-coco --json
  $ lynceus doctor                                   what is installed, what is missing

Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted.`,
);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}

/** Says what went wrong and what to do, and gives the exit status. */
function explain(thrown: unknown): number {
  // Commander has already said it.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
  const error = toAppError(thrown);
  say(`${red('error')} ${error.code}: ${error.message}`);
  if (error.fix) say(`${dim('fix')}   ${error.fix}`);
  if (!(thrown instanceof AppError) && thrown instanceof Error) say(dim(thrown.stack ?? ''));
  return error.exitStatus;
}
