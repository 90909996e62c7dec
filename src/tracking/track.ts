import type { Detections } from '../core/detections.js';
import { APPEARANCE_LENGTH } from './appearance.js';
import { FILTER_LENGTH, filterBox, predictFilter, startFilter, updateFilter } from './track-filter.js';

/** No box of this frame. */
export const NO_DETECTION = -1;

/** The looks of so many boxes are averaged; from then on, old ones fade. */
const REMEMBERED_LOOKS = 10;

/** Boxes of a frame, with what they look like where that is known. */
export interface SeenBoxes extends Detections {
  /** `APPEARANCE_LENGTH` numbers a box, as `describeBoxes` makes them. */
  readonly appearance?: Float32Array | undefined;
}

/** One object, followed: where it is thought to be, what it is thought to be, and how well it is known. */
export class Track {
  id: number;
  classId: number;
  isConfirmed = false;
  /** Whether it was seen in the frame before this one. */
  wasSeen = false;
  readonly firstSeenUs: number;
  lastSeenUs: number;
  /** Its box in this frame, by the index of the detection; `NO_DETECTION` as long as there is none. */
  detection: number;
  /** Of the last box that it had, 0 to 1. */
  confidence: number;
  /** Corners, pixels of the source picture: where it is expected, or after an update where it is. */
  readonly box = new Float64Array(4);
  /** What it looks like on the average. */
  readonly appearance = new Float32Array(APPEARANCE_LENGTH);
  readonly #filter = new Float64Array(FILTER_LENGTH);
  #classWeight: number;
  #looks = 0;

  /** @param detection the box that it begins with */
  constructor(id: number, boxes: SeenBoxes, detection: number, ptsUs: number) {
    this.id = id;
    this.detection = detection;
    this.classId = boxes.classId[detection]!;
    this.confidence = boxes.confidence[detection]!;
    this.#classWeight = this.confidence;
    this.firstSeenUs = ptsUs;
    this.lastSeenUs = ptsUs;
    startFilter(boxes.xyxy, 4 * detection, this.#filter);
    filterBox(this.#filter, this.box, 0);
    this.#look(boxes);
  }

  /** To a new frame, `seconds` after the one before. */
  predict(seconds: number): void {
    this.wasSeen = this.detection !== NO_DETECTION;
    this.detection = NO_DETECTION;
    predictFilter(this.#filter, seconds, this.wasSeen);
    filterBox(this.#filter, this.box, 0);
  }

  /**
   * Takes in the box that it was given for this frame.
   *
   * @param doubt 1, or how many times less exactly than usual the box lies; what it looks like doesn't count then.
   */
  see(boxes: SeenBoxes, ptsUs: number, doubt: number): void {
    updateFilter(this.#filter, boxes.xyxy, 4 * this.detection, doubt);
    filterBox(this.#filter, this.box, 0);
    this.lastSeenUs = ptsUs;
    this.confidence = boxes.confidence[this.detection]!;
    this.#vote(boxes.classId[this.detection]!, this.confidence);
    if (doubt === 1) this.#look(boxes);
  }

  /** Is the same object as an earlier track: its name goes on, and so does what is known of its looks. */
  continueAs({ id, appearance }: Track): void {
    this.id = id;
    this.appearance.forEach((value, i) => (this.appearance[i] = (value + appearance[i]!) / 2));
    this.#looks = REMEMBERED_LOOKS;
  }

  /** The majority of what it was called, weighted by confidence (Boyer and Moore 1981): one bad frame doesn't change what it is. */
  #vote(classId: number, confidence: number): void {
    this.#classWeight += classId === this.classId ? confidence : -confidence;
    if (this.#classWeight >= 0) return;
    this.classId = classId;
    this.#classWeight = -this.#classWeight;
  }

  #look({ appearance }: SeenBoxes): void {
    if (!appearance) return;
    this.#looks = Math.min(REMEMBERED_LOOKS, this.#looks + 1);
    const from = this.detection * APPEARANCE_LENGTH;
    for (let i = 0; i < APPEARANCE_LENGTH; i += 1) this.appearance[i]! += (appearance[from + i]! - this.appearance[i]!) / this.#looks;
  }
}
