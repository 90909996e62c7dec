import type { StageTiming } from '../core/result.js';
import type { StageStats, TimeSummary } from '../core/stream-view.js';
import { LossCounter } from './loss-counter.js';
import { TimeDistribution } from './time-distribution.js';

const FPS_WINDOW_MS = 5_000;

/** The books of one stream: times by stage, end-to-end latency, losses, frame rate. */
export class StreamLedger {
  readonly losses = new LossCounter();
  readonly #stages = new Map<string, { queue: TimeDistribution; service: TimeDistribution; inFlight: number }>();
  readonly #endToEnd = new TimeDistribution();
  readonly #deliveredAtMs: number[] = [];
  #received = 0;
  #delivered = 0;

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
    this.#delivered += 1;
    for (const { stage, queuedMs, startedMs, endedMs } of timings) {
      const entry = this.#stages.get(stage);
      entry?.queue.record(startedMs - queuedMs);
      entry?.service.record(endedMs - startedMs);
    }
    this.#endToEnd.record(endToEndMs);
    this.#deliveredAtMs.push(nowMs);
    while (this.#deliveredAtMs[0]! < nowMs - FPS_WINDOW_MS) this.#deliveredAtMs.shift();
  }

  get received(): number {
    return this.#received;
  }

  get delivered(): number {
    return this.#delivered;
  }

  /** Delivered frames a second over the last five seconds, or since the first frame. */
  fps(nowMs: number): number {
    const recent = this.#deliveredAtMs.filter((at) => at >= nowMs - FPS_WINDOW_MS);
    if (recent.length < 2) return 0;
    return ((recent.length - 1) * 1e3) / (recent.at(-1)! - recent[0]!);
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
