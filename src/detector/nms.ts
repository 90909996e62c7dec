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
/** Left, top, right, bottom, area. */
const NUMBERS_PER_KEPT = 5;

/** Working memory of `nonMaxSuppression`; grows to the largest frame and is then reused. */
export class NmsScratch {
  keys = new Float64Array(0);
  kept = new Int32Array(0);
  /** Corners and area of each kept box, side by side: the loop over them is where the time goes. */
  keptBoxes = new Float64Array(0);
  keptClass = new Int32Array(0);

  /** Makes room for `count` boxes, at most 8,388,608. */
  reserve(count: number): void {
    if (count > INDEX_RANGE) throw new RangeError(`Expected at most ${INDEX_RANGE} boxes, got ${count}`);
    if (this.keys.length >= count) return;
    const capacity = 2 ** Math.ceil(Math.log2(count));
    this.keys = new Float64Array(capacity);
    this.kept = new Int32Array(capacity);
    this.keptBoxes = new Float64Array(capacity * NUMBERS_PER_KEPT);
    this.keptClass = new Int32Array(capacity);
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
  let keptCount = 0;
  for (let rank = 0; rank < order.length && keptCount < maxDetections; rank += 1) {
    const candidate = order[rank]! % INDEX_RANGE;
    if (isSuppressed(boxes, candidate, scratch, keptCount, iouThreshold)) continue;
    keep(boxes, candidate, scratch, keptCount);
    keptCount += 1;
  }
  return scratch.kept.subarray(0, keptCount);
}

/** `boxIou` of one box with all kept ones of its class, with what belongs to the one taken out of the loop. */
function isSuppressed({ xyxy, classId }: ScoredBoxes, candidate: number, { keptBoxes, keptClass }: NmsScratch, keptCount: number, iouThreshold: number): boolean {
  const ownClass = classId[candidate]!;
  const left = xyxy[candidate * 4]!;
  const top = xyxy[candidate * 4 + 1]!;
  const right = xyxy[candidate * 4 + 2]!;
  const bottom = xyxy[candidate * 4 + 3]!;
  const area = (right - left) * (bottom - top);
  for (let i = 0, at = 0; i < keptCount; i += 1, at += NUMBERS_PER_KEPT) {
    if (keptClass[i] !== ownClass) continue;
    const width = Math.min(right, keptBoxes[at + 2]!) - Math.max(left, keptBoxes[at]!);
    if (width <= 0) continue;
    const height = Math.min(bottom, keptBoxes[at + 3]!) - Math.max(top, keptBoxes[at + 1]!);
    if (height <= 0) continue;
    const intersection = width * height;
    if (intersection / (area + keptBoxes[at + 4]! - intersection) > iouThreshold) return true;
  }
  return false;
}

function keep({ xyxy, classId }: ScoredBoxes, candidate: number, { kept, keptBoxes, keptClass }: NmsScratch, keptCount: number): void {
  const at = keptCount * NUMBERS_PER_KEPT;
  for (let side = 0; side < 4; side += 1) keptBoxes[at + side] = xyxy[candidate * 4 + side]!;
  keptBoxes[at + 4] = (keptBoxes[at + 2]! - keptBoxes[at]!) * (keptBoxes[at + 3]! - keptBoxes[at + 1]!);
  keptClass[keptCount] = classId[candidate]!;
  kept[keptCount] = candidate;
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
