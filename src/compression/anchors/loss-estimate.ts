import { pairedChanges, type PairedChange } from '../../evaluation/bootstrap.js';
import type { CocoDataset, CocoResult } from '../../evaluation/coco-dataset.js';
import { evaluateMap50 } from '../../evaluation/map50.js';

/** Points of mAP50 a fraction of 1 has. */
export const POINTS = 100;

/** Detections of the full head over this stand for objects, where a head is compared with it. */
const AGREED_CONFIDENCE = 0.25;
/** How far off what disagreement predicts may be, as a share of it. */
const PRIOR_SPREAD = 0.5;
/** Widths of a 95 % interval in standard errors. */
const INTERVAL_ERRORS = 3.92;

/** What leaving anchors out costs, on some pictures. */
export interface LossEstimate {
  /** mAP50, paired over the pictures. 0 to 1. */
  readonly map50: PairedChange;
  /** The same over the objects of all classes together: a rare class that is found or not doesn't shake it. 0 to 1. */
  readonly pooled: PairedChange;
  /** Points of pooled mAP50 that are lost where the full head's detections are the truth: no label, and next to no luck, in it. */
  readonly disagreementPoints: number;
}

/**
 * Points of mAP50 that a set of anchors is expected to lose on other pictures.
 *
 * Of many sets the one that looks best on a few pictures is partly the luckiest. So what was measured is weighed against what
 * disagreement with the full head predicts, each by how sure it is; and it is measured over the objects of all classes, whose noise is a
 * third of that of mAP50 (docs/anchor-pruning.md has the figures of both choices).
 *
 * @param slope points lost a point of disagreement, see `disagreementSlope`
 */
export function expectedLossPoints({ pooled, disagreementPoints }: LossEstimate, slope: number): number {
  const measured = -pooled.difference * POINTS;
  const error = Math.max(1e-3, ((pooled.interval.high - pooled.interval.low) * POINTS) / INTERVAL_ERRORS);
  const predicted = slope * disagreementPoints;
  const spread = Math.max(1e-3, PRIOR_SPREAD * Math.abs(predicted));
  return (measured / error ** 2 + predicted / spread ** 2) / (1 / error ** 2 + 1 / spread ** 2);
}

/** Least squares through nothing lost at no disagreement. 0 where there is nothing to learn from. */
export function disagreementSlope(estimates: readonly { readonly lossPoints: number; readonly disagreementPoints: number }[]): number {
  const [products, squares] = estimates.reduce(([xy, xx], { lossPoints: y, disagreementPoints: x }) => [xy + x * y, xx + x * x], [0, 0]);
  return squares === 0 ? 0 : Math.max(0, products / squares);
}

/** Compares runs of one set of pictures with the full head's run. */
export class LossMeter {
  readonly #truth: CocoDataset;
  readonly #pooled: ReturnType<typeof pooledTruth>;
  readonly #agreed: ReturnType<typeof pooledTruth>;
  readonly #before: readonly CocoResult[];
  readonly #imageIds: readonly number[];

  /** @param imageIds pictures that were run; others of `truth` don't count */
  constructor(truth: CocoDataset, before: readonly CocoResult[], imageIds: readonly number[]) {
    this.#truth = truth;
    this.#pooled = pooledTruth(truth);
    this.#agreed = pooledTruth({ ...truth, annotations: before.filter(({ score }) => score > AGREED_CONFIDENCE).map(({ image_id, category_id, bbox }) => ({ image_id, category_id, bbox: [...bbox] })) });
    this.#before = before;
    this.#imageIds = imageIds;
  }

  estimate(after: readonly CocoResult[]): LossEstimate {
    const map50 = change(this.#truth, this.#before, after, this.#imageIds);
    const { truth, result } = this.#pooled;
    const pooled = change(truth, this.#before.map(result), after.map(result), this.#imageIds);
    return { map50, pooled, disagreementPoints: this.disagreement(after) };
  }

  /** Points of the pooled mAP50 that are lost, without an interval. */
  pooledLoss(after: readonly CocoResult[]): number {
    const { truth, result } = this.#pooled;
    const [before, now] = [this.#before, after].map((results) => evaluateMap50(truth, results.map(result), this.#imageIds).map50 ?? 0);
    return (before! - now!) * POINTS;
  }

  disagreement(after: readonly CocoResult[]): number {
    const { truth, result } = this.#agreed;
    const [before, now] = [this.#before, after].map((results) => evaluateMap50(truth, results.map(result), this.#imageIds).map50 ?? 0);
    return (before! - now!) * POINTS;
  }
}

function change(truth: CocoDataset, before: readonly CocoResult[], after: readonly CocoResult[], imageIds: readonly number[]): PairedChange {
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
