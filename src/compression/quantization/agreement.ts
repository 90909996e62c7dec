import type { ModelManifest } from '../../core/manifest.js';
import type { FittedPicture } from '../../core/picture-set.js';
import type { CocoDataset, CocoResult } from '../../evaluation/coco-dataset.js';
import { evaluateCoco } from '../../evaluation/coco-eval.js';

/** Below so many objects, agreement is about single boxes. */
const FEWEST_OBJECTS = 20;

/**
 * What one network sees, as ground truth for another: needs no labels.
 *
 * @param results of the reference, over any threshold; those over the model's own count as objects.
 * @returns undefined where it sees too little to compare by.
 */
export function pseudoTruth(manifest: Pick<ModelManifest, 'defaults' | 'labels'>, categories: CocoDataset['categories'], pictures: readonly FittedPicture[], results: readonly CocoResult[]): CocoDataset | undefined {
  const objects = results.filter(({ score }) => score >= manifest.defaults.confidenceThreshold);
  if (objects.length < FEWEST_OBJECTS) return undefined;
  return {
    images: pictures.map(({ imageId, sourceSize }) => ({ id: imageId, file_name: String(imageId), width: sourceSize.width, height: sourceSize.height })),
    categories,
    annotations: objects.map(({ image_id, category_id, bbox }, index) => ({ id: index + 1, image_id, category_id, bbox: [...bbox] as [number, number, number, number], area: bbox[2] * bbox[3], iscrowd: 0 })),
  };
}

/**
 * How far another network sees what the reference sees: AP50 with `truth` as labels, 0 to 1, each class by the number of its objects.
 * In a plain mean over classes a single object of a rare one would count as much as fifty people.
 */
export function agreement(truth: CocoDataset, results: readonly CocoResult[]): number {
  const counts = new Map<number, number>();
  for (const { category_id: id } of truth.annotations) counts.set(id, (counts.get(id) ?? 0) + 1);
  const scored = evaluateCoco(truth, results).perClass.map(({ categoryId, ap50 }) => ({ ap50: ap50 ?? 0, objects: counts.get(categoryId) ?? 0 }));
  const objects = scored.reduce((sum, one) => sum + one.objects, 0);
  return objects === 0 ? 1 : scored.reduce((sum, one) => sum + one.ap50 * one.objects, 0) / objects;
}

/** Categories as a model has them, where there is no dataset to say. */
export function ownCategories(labels: readonly string[]): CocoDataset['categories'] {
  return labels.map((name, index) => ({ id: index + 1, name }));
}
