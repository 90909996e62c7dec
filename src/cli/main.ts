#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { AppError, systemErrorCode, toAppError } from '../core/errors.js';
import { outputError } from '../sinks/text-output.js';
import { dim, red, say } from './terminal.js';
import { VERSION } from './version.js';

/** In the order of the help. Loaded when they are asked for: a command starts without the libraries of the others. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  run: async () => (await import('./commands/run.js')).addRun,
  eval: async () => (await import('./commands/eval.js')).addEval,
  attack: async () => (await import('./commands/attack.js')).addAttack,
  bench: async () => (await import('./commands/bench.js')).addBench,
  study: async () => (await import('./commands/study.js')).addStudy,
  'render-stereo': async () => (await import('./commands/render-stereo.js')).addRenderStereo,
  guard: async () => (await import('./commands/guard/index.js')).addGuard,
  models: async () => (await import('./commands/models/index.js')).addModels,
  graph: async () => (await import('./commands/graph.js')).addGraph,
  schema: async () => (await import('./commands/schema.js')).addSchema,
  doctor: async () => (await import('./commands/doctor.js')).addDoctor,
};

const program = new Command('lynceus')
  .description('Real-time video detection that can be trusted: cameras, files and datasets in, detections with a timing ledger out over WebSocket.')
  .version(VERSION)
  .showHelpAfterError('(add --help for the options)')
  .configureHelp({ sortSubcommands: false })
  .exitOverride();

// Who reads may have seen enough (`lynceus --help | head`): that is no failure. A sink that writes there listens itself, and tells what it lost.
process.stdout.on('error', (error) => {
  const hasSink = process.stdout.listenerCount('error') > 1;
  if (!hasSink && systemErrorCode(error) !== 'EPIPE') process.exitCode = explain(outputError(error, 'standard output'));
});

for (const add of await commandsFor(process.argv[2])) add(program);
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

/** The named command alone, or all where none is named (for the help). */
function commandsFor(name: string | undefined): Promise<((program: Command) => void)[]> {
  const named = name === undefined ? undefined : COMMANDS[name];
  return Promise.all((named ? [named] : Object.values(COMMANDS)).map((load) => load()));
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
