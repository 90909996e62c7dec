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

/** Between neighbours by linear interpolation. */
function percentile(sorted: ArrayLike<number>, fraction: number): number {
  const position = fraction * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (position - below);
}
