import { toAppError } from '../../core/errors.js';
import type { PlannedRun } from '../../study/design.js';
import { type Injection, parseInjection } from '../../study/injection.js';
import { levelsText } from '../../study/level-labels.js';
import type { StudyRecord } from '../../study/records.js';
import { startLinkRelay } from './link-relay.js';
import type { RunRequest } from './run-request.js';
import { spawnRun } from './spawn-run.js';
import { modelOfStages, type Setup } from './setup.js';

export interface StudyOptions {
  readonly usual: Setup;
  /** The usual setup with the levels of a run that isn't of an injection. */
  readonly setupOf: (usual: Setup, run: PlannedRun) => Setup;
  /** Id of the stage that the first detector is. */
  readonly detector: string;
  readonly plan: readonly PlannedRun[];
  readonly frames: number;
  readonly warmupFrames: number;
  readonly limitMs: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Called with the records of each run, in their order. */
  readonly onRecords: (records: readonly StudyRecord[]) => Promise<void> | void;
  /** Before each run. */
  readonly onRun?: (index: number, run: PlannedRun) => void;
}

/**
 * Carries out an experiment, run by run, each in a process of its own. A configuration that can't be run is noted and not tried again.
 *
 * @throws AppError of the first run where it can't be done: then none can
 */
export async function runStudy(options: StudyOptions): Promise<void> {
  const broken = new Set<string>();
  let done = 0;
  for (const [index, run] of options.plan.entries()) {
    const key = JSON.stringify([run.perspective, run.levels]);
    if (options.signal.aborted) return;
    if (broken.has(key)) continue;
    options.onRun?.(index, run);
    try {
      const setup = setupOf(run, options);
      const records = await performPlanned(index, run, setup, options);
      if (!records) return;
      await options.onRecords([{ type: 'run', run: index, perspective: run.perspective, levels: { ...run.levels }, block: run.block, model: modelOfStages(setup.definition.stages) }, ...records]);
      done += 1;
    } catch (thrown) {
      const error = toAppError(thrown);
      if (done === 0 || run.perspective === 'injection') throw error;
      broken.add(key);
      await options.onRecords([{ type: 'note', text: `${run.perspective}, ${levelsText(run.levels)}: ${error.code}: ${error.message}` }]);
    }
  }
}

async function performPlanned(index: number, run: PlannedRun, setup: Setup, options: StudyOptions): Promise<StudyRecord[] | undefined> {
  const link = setup.injections.find((injection) => injection.kind === 'link');
  const relay = setup.overHttp ? await startLinkRelay(setup.definition.source, link?.lossShare ?? 0, options.seed) : undefined;
  try {
    const definition = relay ? { ...setup.definition, source: relay.source } : setup.definition;
    const { name } = definition;
    const definitions = Array.from({ length: setup.streams }, (_, i) => (i === 0 ? definition : { ...definition, name: `${name}-${i + 1}` }));
    const { detector, frames, warmupFrames, limitMs, seed, signal } = options;
    // Each block has disturbances of its own: the same for a configuration's partner, others in the next block.
    const request: RunRequest = {
      run: index,
      definitions,
      detector,
      frames,
      warmupFrames,
      limitMs,
      injections: setup.injections,
      seed: seed + run.block,
      subscribers: setup.subscribers,
      ...(setup.patch && { patch: setup.patch }),
    };
    return await spawnRun(request, { signal, surroundings: setup.surroundings });
  } finally {
    await relay?.close();
  }
}

function setupOf(run: PlannedRun, { usual, plan, setupOf: setupOfLevels }: StudyOptions): Setup {
  const { perspective, levels } = run;
  if (perspective !== 'injection') return setupOfLevels(usual, run);
  const injections = (text: string | undefined): Injection[] => (text === undefined || text === 'none' ? [] : text.split(' ').map(parseInjection));
  // Where a link is disturbed, the runs without the disturbance have the same link.
  const overHttp = plan.some((run) => injections(run.levels['injection']).some(({ kind }) => kind === 'link'));
  return { ...usual, injections: injections(levels['injection']), overHttp };
}
