import { AppError } from '../core/errors.js';
import { precisionRecall, rankingOf } from './average-precision.js';
import type { PrecisionRecall, Ranking } from './average-precision.js';
import type { CocoDataset, CocoResult } from './coco-dataset.js';
import { matchClass, rankClasses } from './match.js';
import type { AreaRange, RankedClass } from './match.js';

/** 0.50, 0.55, ... 0.95, with the rounding of the reference's `linspace`. */
export const IOU_THRESHOLDS: readonly number[] = Array.from({ length: 10 }, (_, i) => (i === 9 ? 0.95 : 0.5 + i * ((0.95 - 0.5) / 9)));

const AREAS = {
  all: [0, 1e10],
  small: [0, 32 ** 2],
  medium: [32 ** 2, 96 ** 2],
  large: [96 ** 2, 1e10],
} as const satisfies Record<string, AreaRange>;

type Area = keyof typeof AREAS;

/** COCO's twelve figures, 0 to 1; null where no object of the kind is in the dataset (pycocotools says -1). */
export interface CocoMetrics {
  readonly map5095: number | null;
  readonly map50: number | null;
  readonly map75: number | null;
  readonly map5095Small: number | null;
  readonly map5095Medium: number | null;
  readonly map5095Large: number | null;
  readonly ar1: number | null;
  readonly ar10: number | null;
  readonly ar100: number | null;
  readonly ar100Small: number | null;
  readonly ar100Medium: number | null;
  readonly ar100Large: number | null;
}

export interface ClassScore {
  readonly categoryId: number;
  readonly ap50: number | null;
  readonly ap5095: number | null;
}

export interface CocoEvaluation {
  readonly metrics: CocoMetrics;
  /** Every category of the dataset, by rising id. */
  readonly perClass: readonly ClassScore[];
  /** Per category and IoU threshold, all sizes, at most 100 detections a picture: what resampling sums up again. */
  readonly rankings: readonly (readonly Ranking[])[];
}

/**
 * Scores detections as pycocotools' COCOeval does for boxes: greedy matching by confidence, 101-point interpolation, at most 100 detections
 * a class and picture, crowds and sizes outside of the range ignored.
 *
 * @param imageIds pictures to evaluate (all others are as if they weren't there); all of the dataset where absent.
 * @throws {AppError} ERR_DATASET_INVALID where a result is for a picture that the dataset doesn't have.
 */
export function evaluateCoco(dataset: CocoDataset, results: readonly CocoResult[], imageIds?: readonly number[]): CocoEvaluation {
  checkImages(dataset, results);
  const images = [...new Set(imageIds ?? dataset.images.map(({ id }) => id))].sort((a, b) => a - b);
  const classes = [...rankClasses(dataset, results, images)];
  const ranked = classes.map(([, rankedClass]) => rankedClass);
  const scored = Object.fromEntries((Object.keys(AREAS) as Area[]).map((area) => [area, ranked.map((one) => rankArea(one, images.length, area))])) as Record<Area, AreaRankings[]>;
  return {
    metrics: metricsOf(scored),
    perClass: classes.map(([categoryId], index) => classScore(categoryId, scored.all[index]!)),
    rankings: scored.all.map(({ upTo100 }) => upTo100),
  };
}

/** Rankings of one class in one area range, one an IoU threshold. */
interface AreaRankings {
  readonly upTo1: readonly Ranking[];
  readonly upTo10: readonly Ranking[];
  readonly upTo100: readonly Ranking[];
}

function rankArea(ranked: RankedClass, imageCount: number, area: Area): AreaRankings {
  const matches = matchClass(ranked, imageCount, IOU_THRESHOLDS, AREAS[area]);
  const upTo = (maxDetections: number) => IOU_THRESHOLDS.map((_, t) => rankingOf(ranked, matches, t, maxDetections));
  // COCO reports 1 and 10 detections a picture for all sizes only.
  return { upTo1: area === 'all' ? upTo(1) : [], upTo10: area === 'all' ? upTo(10) : [], upTo100: upTo(100) };
}

function metricsOf({ all, small, medium, large }: Record<Area, AreaRankings[]>): CocoMetrics {
  const rankings = (classes: readonly AreaRankings[], upTo: keyof AreaRankings = 'upTo100') => classes.flatMap((one) => one[upTo]);
  const at = (thresholdIndex: number) => all.map(({ upTo100 }) => upTo100[thresholdIndex]!);
  return {
    map5095: meanPrecision(rankings(all)),
    map50: meanPrecision(at(0)),
    map75: meanPrecision(at(5)),
    map5095Small: meanPrecision(rankings(small)),
    map5095Medium: meanPrecision(rankings(medium)),
    map5095Large: meanPrecision(rankings(large)),
    ar1: meanRecall(rankings(all, 'upTo1')),
    ar10: meanRecall(rankings(all, 'upTo10')),
    ar100: meanRecall(rankings(all)),
    ar100Small: meanRecall(rankings(small)),
    ar100Medium: meanRecall(rankings(medium)),
    ar100Large: meanRecall(rankings(large)),
  };
}

function classScore(categoryId: number, { upTo100 }: AreaRankings): ClassScore {
  return { categoryId, ap50: meanPrecision(upTo100.slice(0, 1)), ap5095: meanPrecision(upTo100) };
}

function meanPrecision(rankings: readonly Ranking[]): number | null {
  return mean(rankings, ({ averagePrecision }) => averagePrecision);
}

function meanRecall(rankings: readonly Ranking[]): number | null {
  return mean(rankings, ({ recall }) => recall);
}

/** Mean over the rankings that have objects; null where none has. */
function mean(rankings: readonly Ranking[], figure: (scored: PrecisionRecall) => number): number | null {
  const scored = rankings.map((ranking) => precisionRecall(ranking)).filter((one) => one !== undefined);
  return scored.length === 0 ? null : scored.reduce((sum, one) => sum + figure(one), 0) / scored.length;
}

function checkImages({ images }: CocoDataset, results: readonly CocoResult[]): void {
  const known = new Set(images.map(({ id }) => id));
  const stray = results.find(({ image_id }) => !known.has(image_id));
  if (!stray) return;
  throw new AppError('ERR_DATASET_INVALID', `Expected results for the ${known.size} images of the dataset only, found one for image ${stray.image_id}`, {
    fix: 'Evaluate against the ground truth of the pictures that were run.',
  });
}
