import type { Detections } from '../core/detections.js';
import { FILTER_LENGTH, filterBox, predictFilter, startFilter, updateFilter } from './track-filter.js';

/** No box of this frame. */
export const NO_DETECTION = -1;

/** One object, followed: where it is thought to be, what it is thought to be, and how well it is known. */
export class Track {
  readonly id: number;
  classId: number;
  isConfirmed = false;
  /** Whether it was seen in the frame before this one. */
  wasSeen = false;
  readonly firstSeenUs: number;
  lastSeenUs: number;
  /** Its box in this frame, by the index of the detection; `NO_DETECTION` as long as there is none. */
  detection = NO_DETECTION;
  /** Corners, pixels of the source picture: where it is expected, or after an update where it is. */
  readonly box = new Float64Array(4);
  readonly #filter = new Float64Array(FILTER_LENGTH);
  #classWeight: number;

  /** @param detection the box that it begins with */
  constructor(id: number, detections: Detections, detection: number, ptsUs: number) {
    const { xyxy, classId, confidence } = detections;
    this.id = id;
    this.detection = detection;
    this.classId = classId[detection]!;
    this.#classWeight = confidence[detection]!;
    this.firstSeenUs = ptsUs;
    this.lastSeenUs = ptsUs;
    startFilter(xyxy, 4 * detection, this.#filter);
    filterBox(this.#filter, this.box, 0);
  }

  /** To a new frame, `seconds` after the one before. */
  predict(seconds: number): void {
    this.wasSeen = this.detection !== NO_DETECTION;
    this.detection = NO_DETECTION;
    predictFilter(this.#filter, seconds, this.wasSeen);
    filterBox(this.#filter, this.box, 0);
  }

  /** Takes in the box that it was given for this frame. */
  see({ xyxy, classId, confidence }: Detections, ptsUs: number): void {
    updateFilter(this.#filter, xyxy, 4 * this.detection);
    filterBox(this.#filter, this.box, 0);
    this.lastSeenUs = ptsUs;
    this.#vote(classId[this.detection]!, confidence[this.detection]!);
  }

  /** The majority of what it was called, weighted by confidence (Boyer and Moore 1981): one bad frame doesn't change what it is. */
  #vote(classId: number, confidence: number): void {
    this.#classWeight += classId === this.classId ? confidence : -confidence;
    if (this.#classWeight >= 0) return;
    this.classId = classId;
    this.#classWeight = -this.#classWeight;
  }
}
