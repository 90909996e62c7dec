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

/** Share of the reference's detections that another's agree with: mAP50 with `truth` as labels, 0 to 1. */
export function agreement(truth: CocoDataset, results: readonly CocoResult[]): number {
  return evaluateCoco(truth, results).metrics.map50 ?? 1;
}

/** Categories as a model has them, where there is no dataset to say. */
export function ownCategories(labels: readonly string[]): CocoDataset['categories'] {
  return labels.map((name, index) => ({ id: index + 1, name }));
}
