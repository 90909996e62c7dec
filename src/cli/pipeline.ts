import type { StreamDefinition } from '../config/stream-definition.js';
import { assert } from '../core/assert.js';
import { frameBytes } from '../core/frame.js';
import { FramePool } from '../core/frame-pool.js';
import type { Logger } from '../core/logger.js';
import type { Sink } from '../core/sink.js';
import type { Delivery, Source } from '../core/source.js';
import type { Stage } from '../core/stage.js';
import { type PlannedStage, RunningStream, type StreamPlan } from '../graph/running-stream.js';
import type { EmulatedSpeed } from '../inference/emulated-speed.js';
import type { ModelStore } from '../model-store/store.js';
import { type RuntimeIntervals, RuntimeMonitor } from '../timing/runtime-monitor.js';
import { DetectorServices } from './detector-services.js';
import { createSource, deliveryOf, isSequence } from './sources.js';
import { readStereoInput, type StereoInput, stereoPoolSizes } from './stereo/stereo-input.js';
import { checkStages, formatOf, type MadeStage, makeStages } from './stages.js';

/** Buffers besides those in work: one being filled, one waiting at the edge, one being delivered, one lent to a preview. */
const SPARE_BUFFERS = 4;

export interface PipelineOptions {
  readonly store: ModelStore;
  readonly log: Logger;
  /** Sinks of a stream; they are closed with the pipeline. */
  readonly sinksFor: (stream: string, delivery: Delivery) => Promise<readonly Sink[]> | readonly Sink[];
  /** Put around the parts of every stream, by who studies it. */
  readonly around?: PartWrappers;
  /** That detectors are to work at, for studies. */
  readonly emulatedSpeed?: EmulatedSpeed | undefined;
}

/** What is put around a pipeline's parts; a part without is used as it is. */
export interface PartWrappers {
  readonly source?: (source: Source) => Source;
  readonly stage?: (stage: Stage, id: string) => Stage;
}

interface Prepared {
  readonly definition: StreamDefinition;
  readonly delivery: Delivery;
  readonly stages: readonly MadeStage[];
  /** Of a stream with two cameras. */
  readonly stereo: StereoInput | undefined;
}

/**
 * Streams and what they share: models, workers, the runtime monitor. `prepare` loads everything that can fail,
 * `start` lets the frames in.
 */
export class Pipeline {
  readonly streams: RunningStream[] = [];
  readonly pools: FramePool[] = [];
  readonly #options: PipelineOptions;
  readonly #services: DetectorServices;
  readonly #monitor = new RuntimeMonitor();
  readonly #sinks: Sink[] = [];
  readonly #prepared: Prepared[] = [];

  private constructor(options: PipelineOptions) {
    this.#options = options;
    this.#services = new DetectorServices(options.emulatedSpeed?.shared);
  }

  /** Loads models and warms them up. @throws AppError of the configuration or of a model */
  static async prepare(definitions: readonly StreamDefinition[], options: PipelineOptions): Promise<Pipeline> {
    const pipeline = new Pipeline(options);
    try {
      for (const { stages, governor, source } of definitions) checkStages(stages, governor, source.kind === 'stereo');
      for (const definition of definitions) pipeline.#prepared.push(await pipeline.#prepareStream(definition, definitions.length));
    } catch (error) {
      await pipeline.close();
      throw error;
    }
    return pipeline;
  }

  /** Opens every source before the first frame comes in, so that one that can't be opened leaves no stream half started. */
  async start(): Promise<void> {
    const plans: StreamPlan[] = [];
    for (const prepared of this.#prepared) plans.push(await this.#plan(prepared));
    this.streams.push(...plans.map((plan) => new RunningStream(plan)));
  }

  /** When the main thread was held up: monotonic milliseconds. */
  runtimeIntervals(fromMs: number, toMs: number): RuntimeIntervals {
    return this.#monitor.intervals(fromMs, toMs);
  }

  /** Frames that the source will give, where it knows. */
  readonly frameCounts = new Map<string, number | undefined>();

  /** Takes no more frames and delivers those in work. */
  async stop(): Promise<void> {
    await Promise.all(this.streams.map((stream) => stream.stop()));
  }

  /** After `stop`, or at the end: flushes the sinks and ends the workers. @throws AppError of a sink that couldn't write all */
  async close(): Promise<void> {
    this.#monitor.close();
    const closed = await Promise.allSettled(this.#sinks.map(async (sink) => sink.close()));
    await this.#services.close();
    const failed = closed.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }

  async #prepareStream(definition: StreamDefinition, streamCount: number): Promise<Prepared> {
    const delivery = deliveryOf(definition.source);
    const { store, log } = this.#options;
    const isPaced = delivery === 'live' || ('realtime' in definition.source && definition.source.realtime === true);
    const { source } = definition;
    const stereo = source.kind === 'stereo' ? { input: await readStereoInput(source), isLooped: source.loop === true } : undefined;
    const stages = await makeStages(definition.stages, { store, delivery, isPaced, streamCount, services: this.#services, isSequence: () => isSequence(source), log, governor: definition.governor, stereo });
    return { definition, delivery, stages, stereo: stereo?.input };
  }

  async #plan({ definition, delivery, stages, stereo }: Prepared): Promise<StreamPlan> {
    // The first detector's labels are the stream's; a stream that only sees space has none.
    const model = stages.find((stage) => stage.model)?.model;
    const format = stereo?.format ?? (model && formatOf(model));
    assert(format, 'frames have the size of stereo pictures or of the model');
    const inWork = stages.reduce((sum, { stage, overflow }) => sum + stage.concurrency + (typeof overflow === 'object' ? overflow.buffer : 1), 0);
    const frames = inWork + SPARE_BUFFERS;
    const sizes = definition.source.kind === 'stereo' ? stereoPoolSizes(definition.source, frames) : [frames];
    const pools = sizes.map((buffers) => new FramePool(buffers, frameBytes(format)));
    this.pools.push(...pools);
    const opened = await createSource(definition, { format, pools });
    const source = this.#options.around?.source?.(opened) ?? opened;
    this.frameCounts.set(definition.name, source.frameCount);
    const sinks = await this.#options.sinksFor(definition.name, delivery);
    this.#sinks.push(...sinks);
    const planned: PlannedStage[] = stages.map(({ id, overflow, stage, detail }) => ({ id, overflow, detail, stage: this.#options.around?.stage?.(stage, id) ?? stage }));
    const governed = stages.find((stage) => stage.governed)?.governed;
    return {
      name: definition.name,
      ...(governed && { governed }),
      source,
      pool: poolsAsOne(pools),
      ...(stereo && stages.some(({ stage }) => stage.kind === 'occupancy.stereo') && { stereo: { rig: stereo.calibration.rig, grid: stereo.grid } }),
      stages: planned,
      sinks,
      model: model?.manifest.id ?? stages.find(({ detail }) => detail)?.detail ?? '',
      labels: model?.manifest.labels ?? [],
      monitor: this.#monitor,
      log: this.#options.log,
    };
  }
}

/** For metrics: the buffers of both cameras together. */
function poolsAsOne(pools: readonly FramePool[]): Pick<FramePool, 'capacity' | 'inUse'> {
  const sum = (of: (pool: FramePool) => number): number => pools.reduce((total, pool) => total + of(pool), 0);
  return {
    capacity: sum(({ capacity }) => capacity),
    get inUse() {
      return sum(({ inUse }) => inUse);
    },
  };
}
