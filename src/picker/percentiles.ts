import { SAMPLE_FLOORS } from '../timing/time-distribution.js';

/** Of a latency, milliseconds; undefined where there are too few samples for it. */
export interface Percentiles {
  readonly n: number;
  readonly p50Ms: number;
  readonly p95Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

/** Percentiles of raw samples (nearest rank), with the floors that all of this project's percentiles have. Undefined without samples. */
export function percentilesOf(samplesUs: readonly number[]): Percentiles | undefined {
  if (samplesUs.length === 0) return undefined;
  const sorted = Float64Array.from(samplesUs).sort();
  const at = (fraction: number, floor: number): number | undefined => (sorted.length < floor ? undefined : sorted[Math.ceil(fraction * sorted.length) - 1]! / 1e3);
  return { n: sorted.length, p50Ms: at(0.5, SAMPLE_FLOORS.p50)!, p95Ms: at(0.95, SAMPLE_FLOORS.p95), p99Ms: at(0.99, SAMPLE_FLOORS.p99) };
}
