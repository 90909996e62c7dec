import { precisionRecall } from './average-precision.js';
import type { Ranking } from './average-precision.js';
import { seededIntegers } from './random.js';

export interface BootstrapOptions {
  /** Default 1000. */
  readonly resamples?: number | undefined;
  /** Default 1: the same run gives the same interval. */
  readonly seed?: number | undefined;
  /** Share of the resamples inside of the interval, default 0.95. */
  readonly level?: number | undefined;
}

/** 0 to 1. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface BootstrapIntervals {
  readonly resamples: number;
  readonly seed: number;
  readonly level: number;
  /** Null where there is no object. */
  readonly map50: Interval | null;
  readonly map5095: Interval | null;
}

/**
 * How much the figures would vary with other pictures of the same kind: pictures are drawn anew with replacement and scored again.
 * Matching is done within a picture, so only the summing up is repeated.
 *
 * Pivotal ("basic") intervals: mAP of few pictures is too kind (a rare class found once is a class found always), resamples are kinder
 * still, by about as much; the interval is therefore mirrored at the figure.
 *
 * @param rankings per category, per IoU threshold (the first is 0.5).
 */
export function bootstrapIntervals(rankings: readonly (readonly Ranking[])[], imageCount: number, options: BootstrapOptions = {}): BootstrapIntervals {
  const { resamples = 1000, seed = 1, level = 0.95 } = options;
  const below = seededIntegers(seed);
  const copies = new Int32Array(imageCount);
  const envelope = new Float64Array(Math.max(0, ...rankings.flat().map(({ count }) => count)));
  const figures = scoreImages(rankings, undefined, envelope);
  const map50: number[] = [];
  const map5095: number[] = [];
  for (let i = 0; i < resamples; i += 1) {
    drawImages(copies, below);
    const scored = scoreImages(rankings, copies, envelope);
    if (!scored) continue;
    map50.push(scored.map50);
    map5095.push(scored.map5095);
  }
  return { resamples, seed, level, map50: pivotalInterval(figures?.map50, map50, level), map5095: pivotalInterval(figures?.map5095, map5095, level) };
}

/** How a figure changed between two runs over the same pictures. 0 to 1, differences -1 to 1. */
export interface PairedChange {
  readonly before: number;
  readonly after: number;
  readonly difference: number;
  /** Of the difference. */
  readonly interval: Interval;
}

export interface PairedChanges {
  /** Null where there is no object. */
  readonly map50: PairedChange | null;
  readonly map5095: PairedChange | null;
}

/**
 * The change from one run to another, paired: both are scored on the same resampled pictures, so that what is hard about a picture
 * cancels out. Intervals are pivotal, as those of `bootstrapIntervals`.
 *
 * @param before rankings per category and IoU threshold, `after` those of the other run over the same pictures.
 */
export function pairedChanges(before: readonly (readonly Ranking[])[], after: readonly (readonly Ranking[])[], imageCount: number, options: BootstrapOptions = {}): PairedChanges {
  const { resamples = 1000, seed = 1, level = 0.95 } = options;
  const below = seededIntegers(seed);
  const copies = new Int32Array(imageCount);
  const envelope = new Float64Array(Math.max(0, ...[...before, ...after].flat().map(({ count }) => count)));
  const figures = [before, after].map((rankings) => scoreImages(rankings, undefined, envelope));
  if (!figures[0] || !figures[1]) return { map50: null, map5095: null };
  const resampled: { readonly map50: number; readonly map5095: number }[] = [];
  for (let i = 0; i < resamples; i += 1) {
    drawImages(copies, below);
    const [first, second] = [before, after].map((rankings) => scoreImages(rankings, copies, envelope));
    if (first && second) resampled.push({ map50: second.map50 - first.map50, map5095: second.map5095 - first.map5095 });
  }
  const change = (figure: 'map50' | 'map5095'): PairedChange => {
    const [first, second] = [figures[0]![figure], figures[1]![figure]];
    const sorted = Float64Array.from(resampled, (one) => one[figure]).sort();
    const difference = second - first;
    const mirrored = (fraction: number) => 2 * difference - percentile(sorted, fraction);
    return { before: first, after: second, difference, interval: { low: mirrored((1 + level) / 2), high: mirrored((1 - level) / 2) } };
  };
  return { map50: change('map50'), map5095: change('map5095') };
}

function drawImages(copies: Int32Array, below: (limit: number) => number): void {
  copies.fill(0);
  for (let i = 0; i < copies.length; i += 1) copies[below(copies.length)]! += 1;
}

function scoreImages(rankings: readonly (readonly Ranking[])[], copies: Int32Array | undefined, envelope: Float64Array): { map50: number; map5095: number } | undefined {
  let classes = 0;
  let sum50 = 0;
  let sum5095 = 0;
  for (const thresholds of rankings) {
    const aps = thresholds.map((ranking) => precisionRecall(ranking, copies, envelope)?.averagePrecision);
    if (aps[0] === undefined) continue;
    classes += 1;
    sum50 += aps[0];
    sum5095 += aps.reduce<number>((sum, ap) => sum + ap!, 0) / aps.length;
  }
  return classes === 0 ? undefined : { map50: sum50 / classes, map5095: sum5095 / classes };
}

function pivotalInterval(figure: number | undefined, resampled: number[], level: number): Interval | null {
  if (figure === undefined || resampled.length === 0) return null;
  const sorted = Float64Array.from(resampled).sort();
  const mirrored = (fraction: number) => Math.min(1, Math.max(0, 2 * figure - percentile(sorted, fraction)));
  return { low: mirrored((1 + level) / 2), high: mirrored((1 - level) / 2) };
}

/** At a fraction (0 to 1) of sorted values, at least one; between neighbours by linear interpolation. */
export function percentile(sorted: ArrayLike<number>, fraction: number): number {
  const position = fraction * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (position - below);
}
