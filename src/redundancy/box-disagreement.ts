import type { Detections } from '../core/detections.js';
import { overlapOf } from './overlap.js';

/** A box is right where one of its class overlaps it by at least this, as AP50 counts. */
const RIGHT_IOU = 0.5;

/** How far two sets of boxes of one frame differ, in boxes weighted with their confidence. */
export interface BoxDisagreement {
  /** Found ones that no known box is right for, and known ones that nothing was found for, half each. */
  readonly wrong: number;
  /** Of both sets, half each. */
  readonly boxes: number;
}

/** The same, of boxes where the picture changed and of boxes where it didn't. */
export interface Disagreements {
  readonly changed: BoxDisagreement;
  readonly still: BoxDisagreement;
}

/**
 * Compares boxes that were known with those that the model found in the same frame, one to one, the most confident first.
 *
 * @param isStill whether the picture hasn't changed where a box is. @param isNews whether a found box that wasn't known is no mistake: it is why the model was asked.
 */
export function disagreementsOf(known: Detections, found: Detections, isStill: (boxes: Detections, i: number) => boolean, isNews: (i: number) => boolean): Disagreements {
  const sums = { changed: { wrong: 0, boxes: 0 }, still: { wrong: 0, boxes: 0 } };
  const isTaken = new Uint8Array(known.count);
  const count = (boxes: Detections, i: number, isWrong: boolean): void => {
    const sum = isStill(boxes, i) ? sums.still : sums.changed;
    const weight = boxes.confidence[i]! / 2;
    sum.boxes += weight;
    if (isWrong) sum.wrong += weight;
  };
  for (let i = 0; i < found.count; i += 1) {
    const match = rightBox(found, i, known, isTaken);
    if (match < 0 && isNews(i)) continue;
    if (match >= 0) isTaken[match] = 1;
    count(found, i, match < 0);
  }
  for (let j = 0; j < known.count; j += 1) count(known, j, isTaken[j] === 0);
  return sums;
}

/** The free box of the same class that overlaps most, and enough; or -1. */
function rightBox(boxes: Detections, i: number, others: Detections, isTaken: Uint8Array): number {
  let best = -1;
  let most = RIGHT_IOU;
  for (let j = 0; j < others.count; j += 1) {
    if (isTaken[j] === 1 || others.classId[j] !== boxes.classId[i]) continue;
    const overlap = overlapOf(boxes.xyxy, i, others.xyxy, j);
    if (overlap < most) continue;
    most = overlap;
    best = j;
  }
  return best;
}
