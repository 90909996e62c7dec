import { APPEARANCE_LENGTH, appearanceDistance } from './appearance.js';
import { assign, AssignmentScratch } from './assignment.js';
import type { SeenBoxes, Track } from './track.js';

/** Which tracks and boxes may come together. */
export interface AssociationRule {
  /** Only pairs that overlap by more than this. */
  readonly minIou: number;
  /** Only pairs of one class, or only pairs of two. */
  readonly classes: 'same' | 'different';
}

/** Levels of 0 to 255 (mean of all bands) from which on nothing speaks for two boxes being one object. What a box catches of its background differs by half as much. */
export const DIFFERENT_LOOKS = 30;
/** Looking the same counts as much as so much overlap: it decides between neighbours, and brings nobody together who is apart. */
const LOOKS_WEIGHT = 0.3;

/** Gives boxes to tracks by overlap and looks; owns the working memory for it. */
export class Associator {
  readonly #scratch = new AssignmentScratch();
  #gain = new Float64Array(0);
  #columnOfRow = new Int32Array(0);

  /**
   * Gives each of the tracks at most one of the candidates, and no box to two, with the greatest sum of what speaks for the pairs: overlap
   * above the least one, and likeness. Sets `detection` of the tracks that get one.
   *
   * @param candidates indices into the boxes
   */
  associate(tracks: readonly Track[], candidates: readonly number[], boxes: SeenBoxes, rule: AssociationRule): void {
    const [rows, columns] = [tracks.length, candidates.length];
    if (rows === 0 || columns === 0) return;
    this.#reserve(rows, columns);
    tracks.forEach((track, row) => candidates.forEach((index, column) => (this.#gain[row * columns + column] = gainOf(track, index, boxes, rule))));
    assign(this.#gain, rows, columns, this.#columnOfRow, this.#scratch);
    tracks.forEach((track, row) => {
      const column = this.#columnOfRow[row]!;
      if (column >= 0) track.detection = candidates[column]!;
    });
  }

  #reserve(rows: number, columns: number): void {
    if (this.#gain.length < rows * columns) this.#gain = new Float64Array(2 * rows * columns);
    if (this.#columnOfRow.length < rows) this.#columnOfRow = new Int32Array(2 * rows);
  }
}

/** What speaks for a pair; 0 where it may not be. */
function gainOf(track: Track, index: number, boxes: SeenBoxes, { minIou, classes }: AssociationRule): number {
  if ((boxes.classId[index] === track.classId) !== (classes === 'same')) return 0;
  const overlap = iouOf(track.box, boxes.xyxy, 4 * index) - minIou;
  if (overlap <= 0 || !boxes.appearance) return Math.max(0, overlap);
  const likeness = 1 - appearanceDistance(track.appearance, 0, boxes.appearance, index * APPEARANCE_LENGTH) / DIFFERENT_LOOKS;
  // Looks that speak against a pair weigh, too, but don't undo a good overlap: light changes.
  return Math.max(0, overlap + LOOKS_WEIGHT * Math.max(-1, likeness));
}

/** Intersection over union of a box (corners) and the one in `xyxy` from `at` on; 0 where they don't meet. */
export function iouOf(box: Float64Array, xyxy: ArrayLike<number>, at: number): number {
  const intersection = intersectionOf(box, xyxy, at);
  if (intersection === 0) return 0;
  const area = (xyxy[at + 2]! - xyxy[at]!) * (xyxy[at + 3]! - xyxy[at + 1]!);
  return intersection / (areaOf(box) + area - intersection);
}

/** Of a box (corners), the share that the one in `xyxy` from `at` on covers. */
export function coverOf(box: Float64Array, xyxy: ArrayLike<number>, at: number): number {
  return intersectionOf(box, xyxy, at) / areaOf(box);
}

function intersectionOf(box: Float64Array, xyxy: ArrayLike<number>, at: number): number {
  const width = Math.min(box[2]!, xyxy[at + 2]!) - Math.max(box[0]!, xyxy[at]!);
  const height = Math.min(box[3]!, xyxy[at + 3]!) - Math.max(box[1]!, xyxy[at + 1]!);
  return width <= 0 || height <= 0 ? 0 : width * height;
}

function areaOf(box: Float64Array): number {
  return (box[2]! - box[0]!) * (box[3]! - box[1]!);
}
