import type { StageTiming } from '../core/result.js';
import type { StageStats, TimeSummary } from '../core/stream-view.js';
import { GuardCounter } from './guard-counter.js';
import { LossCounter } from './loss-counter.js';
import { MoveCounter } from './move-counter.js';
import { OccupancyCounter } from './occupancy-counter.js';
import { TimeDistribution } from './time-distribution.js';
import { RedundancyCounter } from './redundancy-counter.js';
import { TrackCounter } from './track-counter.js';

const FPS_WINDOW_MS = 5_000;
/** Delivery times kept for the frame rate: above 200 frames a second the window is shorter. */
const RECENT_FRAMES = 1024;

/** The books of one stream: times by stage, end-to-end latency, losses, what guard, tracker and pairs did, frame rate. */
export class StreamLedger {
  readonly losses = new LossCounter();
  readonly guard = new GuardCounter();
  readonly redundancy = new RedundancyCounter();
  readonly tracks = new TrackCounter();
  readonly occupancy = new OccupancyCounter();
  readonly moves = new MoveCounter();
  readonly #stages = new Map<string, { queue: TimeDistribution; service: TimeDistribution; inFlight: number }>();
  readonly #endToEnd = new TimeDistribution();
  readonly #deliveredAtMs = new Float64Array(RECENT_FRAMES);
  #received = 0;
  #delivered = 0;
  #firstMs = 0;
  #lastMs = 0;

  /** @param stageIds in the order of the graph, which is the order of every report. */
  constructor(stageIds: readonly string[]) {
    for (const id of stageIds) this.#stages.set(id, { queue: new TimeDistribution(), service: new TimeDistribution(), inFlight: 0 });
  }

  frameReceived(): void {
    this.#received += 1;
  }

  entered(stage: string): void {
    const entry = this.#stages.get(stage);
    if (entry) entry.inFlight += 1;
  }

  left(stage: string): void {
    const entry = this.#stages.get(stage);
    if (entry) entry.inFlight -= 1;
  }

  frameDelivered(timings: readonly StageTiming[], endToEndMs: number, nowMs: number): void {
    this.#deliveredAtMs[this.#delivered % RECENT_FRAMES] = nowMs;
    if (this.#delivered === 0) this.#firstMs = nowMs;
    this.#lastMs = nowMs;
    this.#delivered += 1;
    for (const { stage, queuedMs, startedMs, endedMs } of timings) {
      const entry = this.#stages.get(stage);
      entry?.queue.record(startedMs - queuedMs);
      entry?.service.record(endedMs - startedMs);
    }
    this.#endToEnd.record(endToEndMs);
  }

  get received(): number {
    return this.#received;
  }

  get delivered(): number {
    return this.#delivered;
  }

  /** Delivered frames a second over the last five seconds, or since the first frame. */
  fps(nowMs: number): number {
    const kept = Math.min(this.#delivered, RECENT_FRAMES);
    const at = (back: number) => this.#deliveredAtMs[(this.#delivered - 1 - back) % RECENT_FRAMES]!;
    let recent = 0;
    while (recent < kept && at(recent) >= nowMs - FPS_WINDOW_MS) recent += 1;
    if (recent < 2) return 0;
    return ((recent - 1) * 1e3) / (at(0) - at(recent - 1));
  }

  /** Delivered frames a second from the first to the last, however long ago that was. */
  meanFps(): number {
    return this.#lastMs > this.#firstMs ? ((this.#delivered - 1) * 1e3) / (this.#lastMs - this.#firstMs) : 0;
  }

  endToEnd(): TimeSummary {
    return this.#endToEnd.summary();
  }

  stages(): StageStats[] {
    return [...this.#stages].map(([stage, { queue, service, inFlight }]) => ({
      stage,
      queue: queue.summary(),
      service: service.summary(),
      inFlight,
    }));
  }
}
