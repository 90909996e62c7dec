import { pairedChanges, type PairedChange } from '../../evaluation/bootstrap.js';
import type { CocoDataset, CocoResult } from '../../evaluation/coco-dataset.js';
import { evaluateMap50 } from '../../evaluation/map50.js';

/** Points of mAP50 a fraction of 1 has. */
export const POINTS = 100;

/** What leaving anchors out costs, on some pictures. */
export interface LossEstimate {
  /** mAP50, paired over the pictures. 0 to 1. */
  readonly map50: PairedChange;
  /** The same over the objects of all classes together: a rare class that is found or not doesn't shake it. 0 to 1. */
  readonly pooled: PairedChange;
  /**
   * Points of mAP50 that are lost, as choosing takes it: the mean of both. A half of a small dataset has classes with one or two objects,
   * whose luck makes most of mAP50's noise; what is lost of all objects is nearly free of it and nearly the same in the long run.
   */
  readonly lossPoints: number;
}

/** @param pictures that were run; others of `truth` don't count */
export function estimateLoss(truth: CocoDataset, before: readonly CocoResult[], after: readonly CocoResult[], imageIds: readonly number[]): LossEstimate {
  const map50 = change(truth, before, after, imageIds);
  const apart = pooledTruth(truth);
  const pooled = change(apart.truth, before.map(apart.result), after.map(apart.result), imageIds);
  return { map50, pooled, lossPoints: (-(map50.difference + pooled.difference) / 2) * POINTS };
}

export function change(truth: CocoDataset, before: readonly CocoResult[], after: readonly CocoResult[], imageIds: readonly number[]): PairedChange {
  const [first, second] = [before, after].map((results) => evaluateMap50(truth, results, imageIds));
  const paired = pairedChanges(first!.rankings, second!.rankings, imageIds.length).map50;
  return paired ?? { before: 0, after: 0, difference: 0, interval: { low: 0, high: 0 } };
}

/** Further apart than any picture is wide. */
const CLASS_STEP_PX = 1e5;

/** One class for all, the objects of each true class moved to a place of their own: a box still only finds what is of its class. */
function pooledTruth(truth: CocoDataset): { readonly truth: CocoDataset; readonly result: (result: CocoResult) => CocoResult } {
  const pooledId = 1;
  const move = ([left, top, width, height]: CocoResult['bbox'], category: number): [number, number, number, number] => [left + category * CLASS_STEP_PX, top, width, height];
  return {
    truth: {
      images: truth.images,
      categories: [{ id: pooledId, name: 'any object' }],
      annotations: truth.annotations.map((one) => ({ ...one, category_id: pooledId, bbox: move(one.bbox, one.category_id) })),
    },
    result: (one) => ({ ...one, category_id: pooledId, bbox: move(one.bbox, one.category_id) }),
  };
}
