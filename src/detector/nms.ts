import { boxIou } from '../core/box.js';

/** Parallel arrays of at least `count` boxes, in any unit; confidences in (0, 1]. */
export interface ScoredBoxes {
  readonly count: number;
  readonly xyxy: Float32Array;
  readonly confidence: Float32Array;
  readonly classId: Int32Array;
}

/** Bits of a float32 1: those of a smaller positive number are fewer, in the same order. */
const BITS_OF_ONE = 0x3f800000;
/** Room for the index beside 30 bits of confidence in the 53 bits of a double. */
const INDEX_RANGE = 2 ** 23;

/** Working memory of `nonMaxSuppression`; grows to the largest frame and is then reused. */
export class NmsScratch {
  keys = new Float64Array(0);
  kept = new Int32Array(0);

  /** Makes room for `count` boxes, at most 8,388,608. */
  reserve(count: number): void {
    if (count > INDEX_RANGE) throw new RangeError(`Expected at most ${INDEX_RANGE} boxes, got ${count}`);
    if (this.keys.length >= count) return;
    const capacity = 2 ** Math.ceil(Math.log2(count));
    this.keys = new Float64Array(capacity);
    this.kept = new Int32Array(capacity);
  }
}

/**
 * Greedy non-maximum suppression, class by class: goes through the boxes from the most confident down and keeps those that overlap no kept
 * one of their class by more than `iouThreshold`. O(n log n + kept * n).
 *
 * @param iouThreshold 0 to 1; at 1 nothing is suppressed, only sorted.
 * @param maxDetections stops there, 0 or more.
 * @returns indices to keep, most confident first, equal confidences in input order; valid until the next call with this scratch.
 */
export function nonMaxSuppression(boxes: ScoredBoxes, iouThreshold: number, maxDetections: number, scratch = new NmsScratch()): Int32Array {
  scratch.reserve(boxes.count);
  const order = sortByConfidence(boxes, scratch.keys);
  const { kept } = scratch;
  let keptCount = 0;
  for (let rank = 0; rank < order.length && keptCount < maxDetections; rank += 1) {
    const candidate = order[rank]! % INDEX_RANGE;
    if (!isSuppressed(boxes, candidate, kept, keptCount, iouThreshold)) kept[keptCount++] = candidate;
  }
  return kept.subarray(0, keptCount);
}

function isSuppressed({ xyxy, classId }: ScoredBoxes, candidate: number, kept: Int32Array, keptCount: number, iouThreshold: number): boolean {
  const candidateClass = classId[candidate]!;
  for (let i = 0; i < keptCount; i += 1) {
    const other = kept[i]!;
    if (classId[other] === candidateClass && boxIou(xyxy, other, candidate) > iouThreshold) return true;
  }
  return false;
}

/**
 * Keys that sort by falling confidence, then by rising index, with the index in their lower part: numbers sort natively, where a
 * comparing function costs a call for each of the n log n steps.
 */
function sortByConfidence({ count, confidence }: ScoredBoxes, keys: Float64Array): Float64Array {
  const bits = new Uint32Array(confidence.buffer, confidence.byteOffset, count);
  for (let index = 0; index < count; index += 1) keys[index] = (BITS_OF_ONE - bits[index]!) * INDEX_RANGE + index;
  return keys.subarray(0, count).sort();
}
