import { setTimeout as wait } from 'node:timers/promises';
import { assert, assertNever } from '../../core/assert.js';
import { monotonicMs } from '../../core/clock.js';
import { AppError } from '../../core/errors.js';
import type { Sink } from '../../core/sink.js';
import type { Source } from '../../core/source.js';
import type { Stage } from '../../core/stage.js';
import { contentChanger } from '../../study/content-change.js';
import { delaysOf } from '../../study/delays.js';
import { startGcStorm } from '../../study/gc-storm.js';
import { delayedSink, delayedStage } from '../../study/inject-stage.js';
import type { EndRecord, StudyRecord, ThreadShares } from '../../study/records.js';
import { RuntimeWatch, type Watched } from '../../study/runtime-watch.js';
import { threadIds } from '../../study/thread-times.js';
import { createLog } from '../log.js';
import { openStore } from '../models.js';
import { Pipeline } from '../pipeline.js';
import { deliveryOf } from '../sources.js';
import { frameRecord, FrameRecorder } from './frame-recorder.js';
import { changedSource, delayedSource } from './inject-source.js';
import { patchOf, patchPaster } from './paste-patch.js';
import type { RunRequest } from './run-request.js';
import { Subscribers } from './subscribers.js';

/** A source that has given no frame by then never will. */
const FIRST_FRAME_MS = 30_000;

/**
 * Runs one configuration through the real pipeline and gives what was recorded, without the line of the run itself.
 *
 * @param started called when the warm-up is over. @throws AppError of the configuration, a model or the source
 */
export async function performRun(request: RunRequest, started: () => void): Promise<StudyRecord[]> {
  // Before anything is loaded.
  const helpers = threadIds();
  const log = createLog('warn');
  const recorders = new Map(request.definitions.map(({ name }) => [name, new FrameRecorder(request.warmupFrames, request.frames)]));
  const patch = request.patch && (await patchOf(request.patch, request.seed));
  const wrappers = new Disturbances(request);
  let subscribers: Subscribers | undefined;
  const pipeline = await Pipeline.prepare(request.definitions, {
    store: openStore(),
    log,
    around: { source: (source) => wrappers.source(patch ? changedSource(source, patchPaster(patch)) : source), stage: (stage, id) => wrappers.stage(stage, id) },
    sinksFor: (stream) => {
      const recorder = recorders.get(stream);
      assert(recorder, 'every stream has a recorder');
      const sinks: Sink[] = [recorder, ...(subscribers ? [subscribers.sink] : [])];
      return sinks.map((sink) => wrappers.sink(sink));
    },
  });
  try {
    if (request.subscribers > 0) subscribers = await Subscribers.start(request.subscribers, pipeline, log);
    const watch = new RuntimeWatch(helpers);
    const zeroMs = monotonicMs();
    await pipeline.start();
    wrappers.start();
    await collect(pipeline, [...recorders.values()], request, started);
    const watched = await watch.stop();
    await waitForLast(recorders, subscribers);
    return [...frameRecords(request, recorders, zeroMs, subscribers), ...watchRecords(request.run, watched, zeroMs), endRecord(request, pipeline, watched)];
  } finally {
    wrappers.stop();
    await pipeline.stop();
    await subscribers?.close();
    await pipeline.close();
  }
}

/** Until every stream has its frames, the time is over, or the input is at its end. */
async function collect(pipeline: Pipeline, recorders: readonly FrameRecorder[], { limitMs, definitions }: RunRequest, started: () => void): Promise<void> {
  const ended = Promise.all(pipeline.streams.map(({ done }) => done));
  const timeout = new AbortController();
  try {
    await Promise.race([Promise.all(recorders.map(({ warm }) => warm)), ended, wait(FIRST_FRAME_MS, undefined, { signal: timeout.signal })]);
    if (recorders.some(({ kept }) => kept.length === 0)) {
      const names = definitions.map(({ name }) => name).join(', ');
      throw new AppError('ERR_SOURCE_ENDED', `${names}: the input gave no frame after the warm-up`, { fix: 'Give a longer input.' });
    }
    started();
    await Promise.race([Promise.all(recorders.map(({ full }) => full)), ended, wait(limitMs, undefined, { signal: timeout.signal })]);
  } finally {
    timeout.abort();
  }
}

async function waitForLast(recorders: ReadonlyMap<string, FrameRecorder>, subscribers: Subscribers | undefined): Promise<void> {
  if (!subscribers) return;
  for (const [stream, { kept }] of recorders) {
    const last = kept.at(-1);
    if (last) await subscribers.waitFor(stream, last.frame.result.frame.sequence);
  }
}

function frameRecords({ run }: RunRequest, recorders: ReadonlyMap<string, FrameRecorder>, zeroMs: number, subscribers: Subscribers | undefined): StudyRecord[] {
  return [...recorders].flatMap(([stream, { kept }]) =>
    kept.flatMap((one): StudyRecord[] => {
      const clientMs = subscribers?.receivedMs(stream, one.frame.result.frame.sequence);
      // A frame that a subscriber never had has no end.
      return subscribers && clientMs === undefined ? [] : [frameRecord(run, one, zeroMs, clientMs)];
    }),
  );
}

function watchRecords(run: number, { marks, offCpu }: Watched, zeroMs: number): StudyRecord[] {
  const at = ([from, to]: readonly [number, number]): [number, number] => [Number((from - zeroMs).toFixed(3)), Number((to - zeroMs).toFixed(3))];
  const share = (value: number) => Number(value.toFixed(4));
  const rounded = ({ main, workers, decoder }: ThreadShares): ThreadShares => ({ main: share(main), workers: share(workers), decoder: share(decoder) });
  return [
    ...marks.map(({ kind, at: when, offCpu: off }): StudyRecord => ({ type: 'mark', run, kind, at: at(when), ...(off === undefined ? {} : { offCpu: share(off) }) })),
    ...offCpu.map(({ at: when, own, ...shares }): StudyRecord => ({ type: 'off-cpu', run, at: at(when), ...rounded(shares), ...(own && { own: rounded(own) }) })),
  ];
}

function endRecord({ run, definitions }: RunRequest, { streams }: Pipeline, { throttledMs, stolenMs }: Watched): EndRecord {
  const stats = streams.map((stream) => stream.stats());
  const dropped: Record<string, number> = {};
  for (const { stage, reason, count } of stats.flatMap((one) => one.dropped)) dropped[`${stage}:${reason}`] = (dropped[`${stage}:${reason}`] ?? 0) + count;
  const sum = (pick: (one: (typeof stats)[number]) => number) => stats.reduce((total, one) => total + pick(one), 0);
  return {
    type: 'end',
    run,
    received: sum(({ received }) => received),
    delivered: sum(({ delivered }) => delivered),
    dropped,
    fps: Number(sum(({ fps }) => fps).toFixed(2)),
    ...(throttledMs === undefined ? {} : { throttledMs }),
    ...(stolenMs === undefined ? {} : { stolenMs }),
    pulled: definitions.every(({ source }) => deliveryOf(source) === 'lossless'),
    paced: definitions.every(({ source }) => deliveryOf(source) === 'live' || ('realtime' in source && source.realtime === true)),
  };
}

/** The injections of a run, each put where it belongs; one that appears in no part is refused when the run starts. */
class Disturbances {
  readonly #request: RunRequest;
  readonly #stops: (() => void)[] = [];
  /** A seed for each disturbance and each place that it is put. */
  #seeds = 0;

  constructor(request: RunRequest) {
    this.#request = request;
  }

  source(source: Source): Source {
    return this.#request.injections.reduce((inner, injection) => {
      switch (injection.kind) {
        case 'delay':
          return injection.place === 'source' ? delayedSource(inner, delaysOf(injection.delay, this.#nextSeed())) : inner;
        case 'content':
          return changedSource(inner, contentChanger({ ...injection, seed: this.#nextSeed() }));
        case 'gc':
        case 'cpu':
        case 'load':
        case 'link':
          return inner;
        default:
          return assertNever(injection);
      }
    }, source);
  }

  stage(stage: Stage, id: string): Stage {
    const { injections, detector } = this.#request;
    return injections.reduce((inner, injection) => {
      if (injection.kind !== 'delay' || (injection.place === 'model' ? detector : injection.place) !== id) return inner;
      return delayedStage(inner, delaysOf(injection.delay, this.#nextSeed()));
    }, stage);
  }

  sink(sink: Sink): Sink {
    return this.#request.injections.reduce(
      (inner, injection) => (injection.kind === 'delay' && injection.place === 'deliver' ? delayedSink(inner, delaysOf(injection.delay, this.#nextSeed())) : inner),
      sink,
    );
  }

  start(): void {
    for (const injection of this.#request.injections) {
      if (injection.kind === 'gc') this.#stops.push(startGcStorm({ ...injection, seed: this.#nextSeed() }));
    }
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  #nextSeed(): number {
    this.#seeds += 1;
    return this.#request.seed * 1000 + this.#seeds;
  }
}
