import { bootstrapIntervals } from './bootstrap.js';
import type { BootstrapIntervals, BootstrapOptions } from './bootstrap.js';
import type { CocoDataset, CocoResult } from './coco-dataset.js';
import { evaluateCoco } from './coco-eval.js';
import { isCrowd } from './match.js';

export interface EvaluateOptions {
  /** Pictures that were run, where these aren't all of the dataset. */
  readonly imageIds?: readonly number[] | undefined;
  /** False leaves the intervals out. */
  readonly bootstrap?: BootstrapOptions | false | undefined;
}

export interface ClassReport {
  readonly categoryId: number;
  readonly label: string;
  /** Objects of the class, crowds not counted. */
  readonly objects: number;
  readonly detections: number;
  /** Null where the dataset has no object of the class. */
  readonly ap50: number | null;
  readonly ap5095: number | null;
}

/** Figures are 0 to 1, null where there is nothing to measure them on. */
export interface EvaluationReport {
  readonly images: number;
  readonly objects: number;
  readonly detections: number;
  readonly map50: number | null;
  readonly map5095: number | null;
  readonly map75: number | null;
  /** mAP50-95 of objects below 32², up to 96² and above, in square pixels. */
  readonly bySize: { readonly small: number | null; readonly medium: number | null; readonly large: number | null };
  /** Average recall with at most 1, 10 and 100 detections a picture. */
  readonly recall: { readonly max1: number | null; readonly max10: number | null; readonly max100: number | null };
  readonly perClass: readonly ClassReport[];
  readonly intervals: BootstrapIntervals | null;
}

/**
 * Scores detections against ground truth, with confidence intervals over the pictures.
 *
 * @throws {AppError} ERR_DATASET_INVALID where a result is for a picture that the dataset doesn't have.
 */
export function evaluate(results: readonly CocoResult[], dataset: CocoDataset, { imageIds, bootstrap }: EvaluateOptions = {}): EvaluationReport {
  const images = new Set(imageIds ?? dataset.images.map(({ id }) => id));
  const { metrics, perClass, rankings } = evaluateCoco(dataset, results, imageIds);
  const objects = countByClass(dataset.annotations.filter((annotation) => images.has(annotation.image_id) && !isCrowd(annotation)));
  const detections = countByClass(results.filter(({ image_id }) => images.has(image_id)));
  const labels = new Map(dataset.categories.map(({ id, name }) => [id, name]));
  return {
    images: images.size,
    objects: total(objects),
    detections: total(detections),
    map50: metrics.map50,
    map5095: metrics.map5095,
    map75: metrics.map75,
    bySize: { small: metrics.map5095Small, medium: metrics.map5095Medium, large: metrics.map5095Large },
    recall: { max1: metrics.ar1, max10: metrics.ar10, max100: metrics.ar100 },
    perClass: perClass.map((one) => ({
      categoryId: one.categoryId,
      label: labels.get(one.categoryId)!,
      objects: objects.get(one.categoryId) ?? 0,
      detections: detections.get(one.categoryId) ?? 0,
      ap50: one.ap50,
      ap5095: one.ap5095,
    })),
    intervals: bootstrap === false ? null : bootstrapIntervals(rankings, images.size, bootstrap),
  };
}

function countByClass(items: readonly { readonly category_id: number }[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { category_id: id } of items) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

function total(counts: ReadonlyMap<number, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
