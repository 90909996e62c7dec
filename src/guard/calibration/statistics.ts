import type { CleanDistribution, Tail } from '../profile.js';

const QUANTILES = [0.5, 0.9, 0.95, 0.99, 0.995, 0.999];
/** Where the tail of a distribution begins. */
const TAIL_FROM = 0.9;

/** Between the two nearest ranks; 0 where there are none. @param sorted rising */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return 0;
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (at - below);
}

export function distributionOf(values: readonly number[]): CleanDistribution {
  const sorted = Float64Array.from(values).sort();
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length);
  return { mean, deviation: Math.sqrt(variance), quantiles: QUANTILES.map((share) => quantile(sorted, share)) };
}

/**
 * The upper end of a distribution of values of 0 or more as an exponential beyond its 90 % point (peaks over threshold with shape 0,
 * Pickands 1975): so few clean pictures say nothing of what one in a thousand does, an extrapolation does.
 *
 * @param leastScale the mean excess is taken to be no smaller.
 */
export function tailOf(values: readonly number[], leastScale: number): Tail {
  const sorted = Float64Array.from(values).sort();
  const from = quantile(sorted, TAIL_FROM);
  const excess = values.filter((value) => value > from).map((value) => value - from);
  const share = Math.max(excess.length, 1) / Math.max(1, values.length);
  const scale = excess.reduce((sum, value) => sum + value, 0) / Math.max(1, excess.length);
  return { from, share, scale: Math.max(leastScale, scale) };
}

/**
 * The value that a share `target` of the cases exceeds, extrapolated from the upper half of those that have a value at all.
 *
 * @param values of the cases that have one; @param cases in all
 */
export function exceededBy(values: readonly number[], cases: number, target: number, leastScale: number): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = Float64Array.from(values).sort();
  const middle = quantile(sorted, 0.5);
  const excess = values.filter((value) => value > middle).map((value) => value - middle);
  const scale = Math.max(leastScale, excess.reduce((sum, value) => sum + value, 0) / Math.max(1, excess.length));
  const share = (0.5 * values.length) / cases;
  return middle + scale * Math.log(Math.max(1, share / target));
}
