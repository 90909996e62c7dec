import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { TimeSummary } from '../core/stream-view.js';
import { RunningStats } from './running-stats.js';

/**
 * Fewest samples for which a tail percentile says anything: the floors that MLPerf Inference uses for p90 and p99, and
 * ln(0.01) / ln(0.999) for p99.9 (below it, one run in a hundred has no sample in the tail at all). p95 lies between the first two.
 */
export const SAMPLE_FLOORS = { p50: 1, p90: 64, p95: 130, p99: 662, p999: 4603 } as const;

const HOUR_US = 3_600_000_000;

/** A time's distribution: exact mean and variance, and a histogram (1 us to 1 h, 3 significant digits) for its percentiles. */
export class TimeDistribution {
  readonly #stats = new RunningStats();
  readonly #histogramUs: RecordableHistogram = createHistogram({ lowest: 1, highest: HOUR_US, figures: 3 });

  /** @param ms 0 or more; negative values, a fault of the caller's clocks, count as 0. */
  record(ms: number): void {
    const valid = ms > 0 ? ms : 0;
    this.#stats.record(valid);
    // The histogram starts at 1 us and takes whole numbers only.
    this.#histogramUs.record(Math.min(HOUR_US, Math.max(1, Math.round(valid * 1e3))));
  }

  get count(): number {
    return this.#stats.count;
  }

  get meanMs(): number {
    return this.#stats.mean;
  }

  /** Percentiles that have too few samples are undefined. */
  summary(): TimeSummary {
    const stats = this.#stats;
    return {
      n: stats.count,
      meanMs: stats.mean,
      varianceMs2: stats.variance,
      cv: stats.cv,
      minMs: stats.min,
      maxMs: stats.max,
      p50Ms: this.#percentile(50, SAMPLE_FLOORS.p50),
      p90Ms: this.#percentile(90, SAMPLE_FLOORS.p90),
      p95Ms: this.#percentile(95, SAMPLE_FLOORS.p95),
      p99Ms: this.#percentile(99, SAMPLE_FLOORS.p99),
      p999Ms: this.#percentile(99.9, SAMPLE_FLOORS.p999),
    };
  }

  #percentile(percent: number, floor: number): number | undefined {
    return this.#stats.count < floor ? undefined : this.#histogramUs.percentile(percent) / 1e3;
  }
}
