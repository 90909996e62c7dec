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
      for (const { stages, governor } of definitions) checkStages(stages, governor);
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
    const stages = await makeStages(definition.stages, { store, delivery, isPaced, streamCount, services: this.#services, isSequence: () => isSequence(definition.source), log, governor: definition.governor });
    return { definition, delivery, stages };
  }

  async #plan({ definition, delivery, stages }: Prepared): Promise<StreamPlan> {
    const first = stages[0];
    assert(first, 'a stream has a stage');
    const { model } = first;
    const format = formatOf(model);
    const inWork = stages.reduce((sum, { stage, overflow }) => sum + stage.concurrency + (typeof overflow === 'object' ? overflow.buffer : 1), 0);
    const pool = new FramePool(inWork + SPARE_BUFFERS, frameBytes(format));
    this.pools.push(pool);
    const opened = await createSource(definition, { format, pool });
    const source = this.#options.around?.source?.(opened) ?? opened;
    this.frameCounts.set(definition.name, source.frameCount);
    const sinks = await this.#options.sinksFor(definition.name, delivery);
    this.#sinks.push(...sinks);
    const planned: PlannedStage[] = stages.map(({ id, overflow, stage }) => ({ id, overflow, stage: this.#options.around?.stage?.(stage, id) ?? stage }));
    const governed = stages.find((stage) => stage.governed)?.governed;
    return {
      name: definition.name,
      ...(governed && { governed }),
      source,
      pool,
      stages: planned,
      sinks,
      model: model.manifest.id,
      labels: model.manifest.labels,
      monitor: this.#monitor,
      log: this.#options.log,
    };
  }
}
