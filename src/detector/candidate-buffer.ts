const INITIAL_CAPACITY = 256;
/** Beyond this a coordinate would be Infinity in a Float32Array. */
const MAX_COORDINATE = 3.4e38;

/**
 * The boxes that a head found in one frame, before suppression, in pixels of the model input.
 *
 * Kept from frame to frame: it grows to the most crowded frame (doubling) and is then free of allocation.
 * What `add` accepts is a real box: finite, wider and higher than nothing, confidence in (0, 1].
 */
export class CandidateBuffer {
  #count = 0;
  #xyxy = new Float32Array(INITIAL_CAPACITY * 4);
  #confidence = new Float32Array(INITIAL_CAPACITY);
  #classId = new Int32Array(INITIAL_CAPACITY);

  get count(): number {
    return this.#count;
  }

  /** `4 * count` numbers, then rubbish. Replaced when the buffer grows: read it after the last `add`. */
  get xyxy(): Float32Array {
    return this.#xyxy;
  }

  get confidence(): Float32Array {
    return this.#confidence;
  }

  get classId(): Int32Array {
    return this.#classId;
  }

  clear(): void {
    this.#count = 0;
  }

  /** Broken outputs (NaN, Infinity) and empty boxes are passed over; a confidence over 1 (rounding of a quantized output) becomes 1. */
  add(left: number, top: number, right: number, bottom: number, confidence: number, classId: number): void {
    // Every comparison is false for NaN.
    if (!(right > left && bottom > top && confidence > 0 && confidence < Infinity)) return;
    if (left < -MAX_COORDINATE || top < -MAX_COORDINATE || right > MAX_COORDINATE || bottom > MAX_COORDINATE) return;
    if (this.#count === this.#classId.length) this.#grow();
    const at = this.#count * 4;
    this.#xyxy[at] = left;
    this.#xyxy[at + 1] = top;
    this.#xyxy[at + 2] = right;
    this.#xyxy[at + 3] = bottom;
    this.#confidence[this.#count] = confidence > 1 ? 1 : confidence;
    this.#classId[this.#count] = classId;
    this.#count += 1;
  }

  #grow(): void {
    const capacity = this.#classId.length * 2;
    const { xyxy, confidence, classId } = { xyxy: this.#xyxy, confidence: this.#confidence, classId: this.#classId };
    this.#xyxy = new Float32Array(capacity * 4);
    this.#confidence = new Float32Array(capacity);
    this.#classId = new Int32Array(capacity);
    this.#xyxy.set(xyxy);
    this.#confidence.set(confidence);
    this.#classId.set(classId);
  }
}
