import type { Range } from '../../onnx/quantize/integer-params.js';
import type { ValueHistogram } from './value-histogram.js';

export const RANGE_METHODS = ['minmax', 'percentile', 'entropy', 'mse'] as const;
/** How the range of a tensor is chosen from the values seen. */
export type RangeMethod = (typeof RANGE_METHODS)[number];

/** Share of the values that `percentile` keeps on each side. */
const KEPT_SHARE = 0.99995;
/** Cuts tried on each side by `mse` and `entropy`. */
const CUTS = 48;
const LEVELS = 255;

/** What is computed from a tensor right after: an error matters as much as it changes that. */
export type Following = (value: number) => number;

const identity: Following = (value) => value;

/**
 * The range that bytes stand for, from the values of a tensor.
 *
 * - `minmax`: all that was seen.
 * - `percentile`: all but a share of 5e-5 on each side.
 * - `entropy`: the range whose bytes keep most of the distribution, by Kullback-Leibler divergence.
 * - `mse`: the range of least mean squared error, of the values after `following`.
 *
 * @returns [0, 0] for a tensor that was never seen.
 */
export function chooseRange(histogram: ValueHistogram, method: RangeMethod, following: Following = identity): Range {
  if (histogram.count === 0) return { low: 0, high: 0 };
  const all = { low: Math.min(0, histogram.low), high: Math.max(0, histogram.high) };
  switch (method) {
    case 'minmax':
      return all;
    case 'percentile':
      return percentileRange(histogram, all);
    case 'entropy':
      return leastBy(all, divergenceOf(histogram));
    case 'mse':
      return leastBy(all, squaredErrorOf(histogram, following));
  }
}

function percentileRange(histogram: ValueHistogram, all: Range): Range {
  const { values, counts } = histogram.occupied();
  const outside = histogram.count * (1 - KEPT_SHARE);
  const edge = (order: readonly number[]): number => {
    let passed = 0;
    for (const bin of order) {
      passed += counts[bin]!;
      if (passed > outside) return values[bin]!;
    }
    return 0;
  };
  const bins = [...values.keys()];
  return { low: Math.max(all.low, Math.min(0, edge(bins))), high: Math.min(all.high, Math.max(0, edge(bins.toReversed()))) };
}

/** One side after the other, twice: each has little to say about where the other belongs. */
function leastBy(all: Range, cost: (range: Range) => number): Range {
  let best = all;
  let bestCost = cost(all);
  for (const side of ['high', 'low', 'high', 'low'] as const) {
    for (let cut = 1; cut < CUTS; cut += 1) {
      const candidate = { ...best, [side]: all[side] * (1 - cut / CUTS) };
      const candidateCost = cost(candidate);
      if (candidateCost >= bestCost) continue;
      best = candidate;
      bestCost = candidateCost;
    }
  }
  return best;
}

function squaredErrorOf(histogram: ValueHistogram, following: Following): (range: Range) => number {
  const { values, counts } = histogram.occupied();
  const exact = values.map(following);
  return ({ low, high }) => {
    const step = (high - low) / LEVELS;
    if (!(step > 0)) return Number.POSITIVE_INFINITY;
    const zeroPoint = Math.round(-low / step);
    let cost = 0;
    for (let i = 0; i < values.length; i += 1) {
      const level = Math.max(0, Math.min(LEVELS, Math.round(values[i]! / step) + zeroPoint));
      const rounded = (level - zeroPoint) * step;
      // Within one level the values of a bin are spread evenly: rounding costs at least the level's own variance.
      const error = following(rounded) - exact[i]!;
      cost += counts[i]! * error * error;
    }
    return cost;
  };
}

/** Kullback-Leibler divergence of the values from what bytes make of them; what is cut off is piled onto the edges. */
function divergenceOf(histogram: ValueHistogram): (range: Range) => number {
  const { values, counts, width } = histogram.occupied();
  return ({ low, high }) => {
    const step = (high - low) / LEVELS;
    if (!(step > 0)) return Number.POSITIVE_INFINITY;
    const levelCounts = new Float64Array(LEVELS + 1);
    const levelBins = new Float64Array(LEVELS + 1);
    const levelOf = (value: number): number => Math.max(0, Math.min(LEVELS, Math.round((value - low) / step)));
    for (let i = 0; i < values.length; i += 1) {
      const isInside = values[i]! >= low - width && values[i]! <= high + width;
      if (isInside) levelCounts[levelOf(values[i]!)]! += counts[i]!;
      levelBins[levelOf(values[i]!)]! += isInside ? 1 : 0;
    }
    let divergence = 0;
    for (let i = 0; i < values.length; i += 1) {
      const level = levelOf(values[i]!);
      const share = levelBins[level]! > 0 ? levelCounts[level]! / levelBins[level]! : 0;
      // A value that no level stands for any more is as unlikely as one in all that were seen.
      const isInside = values[i]! >= low - width && values[i]! <= high + width;
      divergence += counts[i]! * Math.log(counts[i]! / Math.max(isInside ? share : 1, 1e-9));
    }
    return divergence / histogram.count;
  };
}
