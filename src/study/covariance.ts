/** One frame's total and what it is made of; the entries sum to the total. */
export interface Split {
  readonly totalMs: number;
  readonly parts: Readonly<Record<string, number>>;
}

/** What a part adds to the variance of the total: its covariance with the total. Over all parts they sum to the variance. */
export interface VarianceSplit {
  readonly n: number;
  readonly varianceMs2: number;
  /** By part, ms². May be negative: a part that is short where the total is long. */
  readonly covarianceMs2: Readonly<Record<string, number>>;
}

/**
 * Splits the variance of totals over their parts, within groups: each group's own means are taken off first, so that what only differs
 * from one run to the next isn't counted. Sample covariance, with as many degrees of freedom less as there are groups.
 *
 * @param groups frames by run; a part that a frame doesn't have is 0 there.
 */
export function splitVariance(groups: readonly (readonly Split[])[]): VarianceSplit {
  const names = [...new Set(groups.flat().flatMap(({ parts }) => Object.keys(parts)))];
  const sums = new Map(names.map((name) => [name, 0]));
  let sumOfSquares = 0;
  let n = 0;
  for (const frames of groups) {
    if (frames.length === 0) continue;
    n += frames.length - 1;
    const meanTotal = frames.reduce((sum, { totalMs }) => sum + totalMs, 0) / frames.length;
    for (const { totalMs } of frames) sumOfSquares += (totalMs - meanTotal) ** 2;
    for (const name of names) {
      // The total is centred, so the part need not be.
      const product = frames.reduce((sum, { totalMs, parts }) => sum + (totalMs - meanTotal) * (parts[name] ?? 0), 0);
      sums.set(name, sums.get(name)! + product);
    }
  }
  const freedom = Math.max(1, n);
  return {
    n: groups.reduce((sum, frames) => sum + frames.length, 0),
    varianceMs2: sumOfSquares / freedom,
    covarianceMs2: Object.fromEntries(names.map((name) => [name, sums.get(name)! / freedom])),
  };
}

/** Covariances as shares of the variance; they sum to 1. Empty where nothing varies. */
export function sharesOf({ varianceMs2, covarianceMs2 }: VarianceSplit): Record<string, number> {
  if (varianceMs2 === 0) return {};
  return Object.fromEntries(Object.entries(covarianceMs2).map(([name, covariance]) => [name, covariance / varianceMs2]));
}

/** What came on top from one set of frames to another, and which parts it came with. The shares sum to 1. */
export interface AddedVariance {
  readonly addedMs2: number;
  /** Undefined where no variance was added. */
  readonly shares: Readonly<Record<string, number>> | undefined;
}

export function addedVariance(without: VarianceSplit, with_: VarianceSplit): AddedVariance {
  const addedMs2 = with_.varianceMs2 - without.varianceMs2;
  if (addedMs2 <= 0) return { addedMs2, shares: undefined };
  const names = new Set([...Object.keys(without.covarianceMs2), ...Object.keys(with_.covarianceMs2)]);
  const share = (name: string) => ((with_.covarianceMs2[name] ?? 0) - (without.covarianceMs2[name] ?? 0)) / addedMs2;
  return { addedMs2, shares: Object.fromEntries([...names].map((name) => [name, share(name)])) };
}
