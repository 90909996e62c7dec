import { NmsScratch, nonMaxSuppression } from '../../detector/nms.js';
import { toSourceDetections } from '../../detector/to-source.js';
import type { CocoDataset, CocoResult } from '../../evaluation/coco-dataset.js';
import { toCocoResults } from '../../evaluation/coco-results.js';
import { evaluateMap50, type Map50 } from '../../evaluation/map50.js';
import { SCORING_THRESHOLDS } from '../score-model.js';
import type { PictureBoxes } from './raw-boxes.js';

const MAX_DETECTIONS = SCORING_THRESHOLDS.maxDetections;

/** Scores sets of anchors on boxes that were computed once: leaving an anchor out is leaving its boxes out before suppression. */
export class MaskScorer {
  readonly #boxes: readonly PictureBoxes[];
  readonly #truth: CocoDataset;
  readonly #categoryIds: readonly (number | undefined)[];
  readonly #iouThreshold: number;
  readonly #scratch = new NmsScratch();
  readonly #left = new LeftBoxes();

  /** @param categoryIds the dataset's category of each label */
  constructor(boxes: readonly PictureBoxes[], truth: CocoDataset, categoryIds: readonly (number | undefined)[], iouThreshold: number) {
    this.#boxes = boxes;
    this.#truth = truth;
    this.#categoryIds = categoryIds;
    this.#iouThreshold = iouThreshold;
  }

  /** @param off anchors to leave out, by index. @param imageIds pictures to score; all where absent. */
  score(off: readonly number[], imageIds?: readonly number[]): Map50 {
    return evaluateMap50(this.#truth, this.results(off, imageIds && new Set(imageIds)), imageIds);
  }

  /** The detections that are left, as COCO writes them. */
  results(off: readonly number[], images?: ReadonlySet<number>): CocoResult[] {
    const results: CocoResult[] = [];
    for (const picture of this.#boxes) {
      if (images && !images.has(picture.imageId)) continue;
      this.#left.fill(picture, off);
      const kept = nonMaxSuppression(this.#left, this.#iouThreshold, MAX_DETECTIONS, this.#scratch);
      const detections = toSourceDetections(this.#left, kept, picture.fit, picture.sourceSize);
      results.push(...toCocoResults(picture.imageId, detections, this.#categoryIds));
    }
    return results;
  }
}

/** Mean number of boxes over a threshold that a picture has before suppression, by anchor. */
export function meanCandidates(boxes: readonly PictureBoxes[], anchorCount: number, confidenceThreshold: number): Float64Array {
  const means = new Float64Array(anchorCount);
  for (const { count, confidence, anchor } of boxes) {
    for (let i = 0; i < count; i += 1) if (confidence[i]! > confidenceThreshold) means[anchor[i]!]! += 1 / boxes.length;
  }
  return means;
}

/** The boxes of a picture without those of some anchors; working memory is used again for the next picture. */
class LeftBoxes {
  count = 0;
  xyxy = new Float32Array(0);
  confidence = new Float32Array(0);
  classId = new Int32Array(0);

  fill({ count, xyxy, confidence, classId, anchor }: PictureBoxes, off: readonly number[]): void {
    this.#reserve(count);
    this.count = 0;
    for (let i = 0; i < count; i += 1) {
      if (off.includes(anchor[i]!)) continue;
      const at = this.count;
      for (let side = 0; side < 4; side += 1) this.xyxy[4 * at + side] = xyxy[4 * i + side]!;
      this.confidence[at] = confidence[i]!;
      this.classId[at] = classId[i]!;
      this.count += 1;
    }
  }

  #reserve(count: number): void {
    if (this.classId.length >= count) return;
    this.xyxy = new Float32Array(4 * count);
    this.confidence = new Float32Array(count);
    this.classId = new Int32Array(count);
  }
}
