import { HIT, IGNORED } from './match.js';
import type { ClassMatches, RankedClass } from './match.js';

/** Recalls at which precision is read: 0, 0.01, ... 1. */
export const RECALL_POINTS = Float64Array.from({ length: 101 }, (_, i) => (i === 100 ? 1 : i * 0.01));

export interface PrecisionRecall {
  /** Mean over the recall points of the best precision at that recall or above. */
  readonly averagePrecision: number;
  /** Share of the objects that were found. */
  readonly recall: number;
}

/** The counting detections of one class at one IoU threshold, most confident first: what remains to be summed up. */
export interface Ranking {
  readonly count: number;
  /** Per detection: 1 where it is right. */
  readonly hit: Uint8Array;
  /** Per detection: its picture. */
  readonly image: Int32Array;
  /** Per picture: objects to be found. */
  readonly positives: Int32Array;
}

/** @param maxDetections of a picture; the least confident beyond are passed over. */
export function rankingOf({ image, place }: RankedClass, { positives, outcomes }: ClassMatches, thresholdIndex: number, maxDetections: number): Ranking {
  const outcome = outcomes[thresholdIndex]!;
  const counting = [...outcome.keys()].filter((rank) => outcome[rank] !== IGNORED && place[rank]! < maxDetections);
  return {
    count: counting.length,
    hit: Uint8Array.from(counting, (rank) => (outcome[rank] === HIT ? 1 : 0)),
    image: Int32Array.from(counting, (rank) => image[rank]!),
    positives,
  };
}

/**
 * Average precision with 101 interpolated points, or undefined where there is no object to be found.
 *
 * @param copies how often each picture counts, for resampling; once each where absent.
 * @param envelope working memory for at least `count` numbers.
 */
export function precisionRecall(ranking: Ranking, copies?: Int32Array, envelope: Float64Array = new Float64Array(ranking.count)): PrecisionRecall | undefined {
  const positives = sumOf(ranking.positives, copies);
  if (positives === 0) return undefined;
  const hits = fillPrecision(ranking, copies, envelope);
  raiseToEnvelope(envelope, ranking.count);
  return { averagePrecision: meanPrecision(ranking, copies, envelope, positives), recall: hits / positives };
}

/** Precision after each detection, into `precision`. Returns the number of hits. */
function fillPrecision({ count, hit, image }: Ranking, copies: Int32Array | undefined, precision: Float64Array): number {
  let hits = 0;
  let seen = 0;
  for (let rank = 0; rank < count; rank += 1) {
    const weight = copies ? copies[image[rank]!]! : 1;
    seen += weight;
    hits += weight * hit[rank]!;
    // The epsilon is the reference's guard against 0 / 0.
    precision[rank] = hits / (seen + Number.EPSILON);
  }
  return hits;
}

/** Interpolation: at each rank the best precision from there on. */
function raiseToEnvelope(precision: Float64Array, count: number): void {
  for (let rank = count - 2; rank >= 0; rank -= 1) {
    if (precision[rank]! < precision[rank + 1]!) precision[rank] = precision[rank + 1]!;
  }
}

function meanPrecision({ count, hit, image }: Ranking, copies: Int32Array | undefined, envelope: Float64Array, positives: number): number {
  let sum = 0;
  let point = 0;
  let hits = 0;
  for (let rank = 0; rank < count && point < RECALL_POINTS.length; rank += 1) {
    hits += (copies ? copies[image[rank]!]! : 1) * hit[rank]!;
    const recall = hits / positives;
    while (point < RECALL_POINTS.length && recall >= RECALL_POINTS[point]!) {
      sum += envelope[rank]!;
      point += 1;
    }
  }
  return sum / RECALL_POINTS.length;
}

function sumOf(values: Int32Array, copies: Int32Array | undefined): number {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += values[i]! * (copies ? copies[i]! : 1);
  return sum;
}
