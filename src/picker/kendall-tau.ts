import { seededIntegers } from '../evaluation/random.js';

export interface RankAgreement {
  /** Kendall's tau-b, -1 to 1; null where one side has only ties. */
  readonly tau: number | null;
  /** 95 % of resamples of the pairs; null where there are too few to say. */
  readonly interval: { readonly low: number; readonly high: number } | null;
  readonly n: number;
}

/** With fewer, resamples are mostly repeats of a handful of points. */
const MIN_FOR_INTERVAL = 8;
const RESAMPLES = 1000;

/**
 * Kendall's tau-b (Kendall 1945): (concordant - discordant) / sqrt((pairs - ties in a) * (pairs - ties in b)). One where both rank alike,
 * zero where neither tells anything about the other.
 *
 * @returns null where one side has no two different values.
 */
export function kendallTau(a: readonly number[], b: readonly number[]): number | null {
  let agreement = 0;
  let pairsOfA = 0;
  let pairsOfB = 0;
  for (let i = 0; i < a.length; i += 1) {
    for (let j = 0; j < i; j += 1) {
      const signs = [Math.sign(a[i]! - a[j]!), Math.sign(b[i]! - b[j]!)] as const;
      agreement += signs[0] * signs[1];
      pairsOfA += Math.abs(signs[0]);
      pairsOfB += Math.abs(signs[1]);
    }
  }
  return pairsOfA === 0 || pairsOfB === 0 ? null : agreement / Math.sqrt(pairsOfA * pairsOfB);
}

/** Tau with a percentile bootstrap over the pairs of values. @param seed the same seed gives the same interval */
export function rankAgreement(a: readonly number[], b: readonly number[], seed = 1): RankAgreement {
  const tau = kendallTau(a, b);
  if (tau === null || a.length < MIN_FOR_INTERVAL) return { tau, interval: null, n: a.length };
  const below = seededIntegers(seed);
  const resampled: number[] = [];
  for (let i = 0; i < RESAMPLES; i += 1) {
    const places = a.map(() => below(a.length));
    const one = kendallTau(places.map((place) => a[place]!), places.map((place) => b[place]!));
    if (one !== null) resampled.push(one);
  }
  resampled.sort((x, y) => x - y);
  const at = (fraction: number): number => resampled[Math.round(fraction * (resampled.length - 1))]!;
  return { tau, interval: { low: at(0.025), high: at(0.975) }, n: a.length };
}
