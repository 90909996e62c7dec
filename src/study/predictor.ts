/** Least squares of `y` on `x`: y = intercept + slope x. */
export interface LinearFit {
  readonly n: number;
  readonly intercept: number;
  readonly slope: number;
  /** Share of the variance of y that is explained; 0 where x or y doesn't vary. */
  readonly r2: number;
  /** Standard deviation of what is left. */
  readonly residualDeviation: number;
  /** Mean of |residual| / y, where y is not 0. */
  readonly meanRelativeError: number;
}

/** Undefined below three points: two have no residual. */
export function fitLine(x: readonly number[], y: readonly number[]): LinearFit | undefined {
  const n = x.length;
  if (n < 3) return undefined;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / n;
  const [meanX, meanY] = [mean(x), mean(y)];
  let [xx, xy, yy] = [0, 0, 0];
  for (let i = 0; i < n; i += 1) {
    xx += (x[i]! - meanX) ** 2;
    xy += (x[i]! - meanX) * (y[i]! - meanY);
    yy += (y[i]! - meanY) ** 2;
  }
  const slope = xx === 0 ? 0 : xy / xx;
  const intercept = meanY - slope * meanX;
  const residuals = y.map((value, i) => value - intercept - slope * x[i]!);
  const left = residuals.reduce((sum, residual) => sum + residual ** 2, 0);
  const relative = residuals.flatMap((residual, i) => (y[i] === 0 ? [] : [Math.abs(residual / y[i]!)]));
  return {
    n,
    intercept,
    slope,
    r2: xx === 0 || yy === 0 ? 0 : Math.max(0, 1 - left / yy),
    residualDeviation: Math.sqrt(left / (n - 2)),
    meanRelativeError: relative.length === 0 ? 0 : relative.reduce((sum, value) => sum + value, 0) / relative.length,
  };
}

/** Further off than this, in median absolute deviations and as a share of what was expected, a point says something else. */
const OUTLIER_DEVIATIONS = 5;
const OUTLIER_SHARE = 0.5;

export interface TrimmedFit extends LinearFit {
  /** Points that were left out. */
  readonly outliers: number;
}

/** `fitLine` without the points that are far off its first attempt: a frame that was interrupted says nothing of what a box costs. */
export function fitTrimmed(x: readonly number[], y: readonly number[]): TrimmedFit | undefined {
  const first = fitLine(x, y);
  if (!first) return undefined;
  // Relative to what was expected: many boxes take longer, and vary more.
  const usual = median(y);
  const off = y.map((value, i) => {
    const expected = first.intercept + first.slope * x[i]!;
    return Math.abs(value - expected) / Math.max(Math.abs(expected), Math.abs(usual), Number.MIN_VALUE);
  });
  const limit = Math.max(OUTLIER_SHARE, OUTLIER_DEVIATIONS * median(off));
  const kept = off.flatMap((share, i) => (share <= limit ? [i] : []));
  const fit = fitLine(kept.map((i) => x[i]!), kept.map((i) => y[i]!));
  return fit ? { ...fit, outliers: x.length - kept.length } : { ...first, outliers: 0 };
}

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[sorted.length >> 1]!;
}
