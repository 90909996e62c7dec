import { precisionRecall, rankingOf, type Ranking } from './average-precision.js';
import type { CocoDataset, CocoResult } from './coco-dataset.js';
import { matchClass, rankClasses } from './match.js';

const IOU_THRESHOLD = [0.5];
const ANY_AREA = [0, 1e10] as const;
const MAX_DETECTIONS = 100;

export interface Map50 {
  /** 0 to 1; null where there is no object. */
  readonly map50: number | null;
  /** Per category, at the one IoU threshold: what `pairedChanges` takes. */
  readonly rankings: readonly (readonly Ranking[])[];
}

/** `evaluateCoco`'s mAP50 alone, to the last bit, for searches that score thousands of variants: one threshold, one range of sizes. */
export function evaluateMap50(dataset: CocoDataset, results: readonly CocoResult[], imageIds?: readonly number[]): Map50 {
  const images = [...new Set(imageIds ?? dataset.images.map(({ id }) => id))].sort((a, b) => a - b);
  const ranked = [...rankClasses(dataset, results, images).values()];
  const rankings = ranked.map((one) => [rankingOf(one, matchClass(one, images.length, IOU_THRESHOLD, ANY_AREA), 0, MAX_DETECTIONS)]);
  const scored = rankings.map(([ranking]) => precisionRecall(ranking!)).filter((one) => one !== undefined);
  return { map50: scored.length === 0 ? null : scored.reduce((sum, one) => sum + one.averagePrecision, 0) / scored.length, rankings };
}
