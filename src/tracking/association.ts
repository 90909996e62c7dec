import type { Detections } from '../core/detections.js';
import { assign, AssignmentScratch } from './assignment.js';
import type { Track } from './track.js';

/** Which tracks and boxes may come together. */
export interface AssociationRule {
  /** Only pairs that overlap by more than this. */
  readonly minIou: number;
  /** Only pairs of one class, or only pairs of two. */
  readonly classes: 'same' | 'different';
}

/** Gives boxes to tracks by overlap; owns the working memory for it. */
export class Associator {
  readonly #scratch = new AssignmentScratch();
  #gain = new Float64Array(0);
  #columnOfRow = new Int32Array(0);

  /**
   * Gives each of the tracks at most one of the boxes, and no box to two, with the greatest sum of overlaps above the least one. Sets
   * `detection` of the tracks that get one.
   *
   * @param boxes indices into the detections
   */
  associate(tracks: readonly Track[], boxes: readonly number[], detections: Detections, rule: AssociationRule): void {
    const [rows, columns] = [tracks.length, boxes.length];
    if (rows === 0 || columns === 0) return;
    this.#reserve(rows, columns);
    tracks.forEach((track, row) => this.#fillRow(row, track, boxes, detections, rule));
    assign(this.#gain, rows, columns, this.#columnOfRow, this.#scratch);
    tracks.forEach((track, row) => {
      const column = this.#columnOfRow[row]!;
      if (column >= 0) track.detection = boxes[column]!;
    });
  }

  #reserve(rows: number, columns: number): void {
    if (this.#gain.length < rows * columns) this.#gain = new Float64Array(2 * rows * columns);
    if (this.#columnOfRow.length < rows) this.#columnOfRow = new Int32Array(2 * rows);
  }

  #fillRow(row: number, { box, classId }: Track, boxes: readonly number[], detections: Detections, { minIou, classes }: AssociationRule): void {
    const isWanted = classes === 'same';
    for (let column = 0; column < boxes.length; column += 1) {
      const index = boxes[column]!;
      const mayPair = (detections.classId[index] === classId) === isWanted;
      this.#gain[row * boxes.length + column] = mayPair ? iouOf(box, detections.xyxy, 4 * index) - minIou : 0;
    }
  }
}

/** Intersection over union of a box (corners) and the one in `xyxy` from `at` on; 0 where they don't meet. */
export function iouOf(box: Float64Array, xyxy: Float32Array, at: number): number {
  const width = Math.min(box[2]!, xyxy[at + 2]!) - Math.max(box[0]!, xyxy[at]!);
  const height = Math.min(box[3]!, xyxy[at + 3]!) - Math.max(box[1]!, xyxy[at + 1]!);
  if (width <= 0 || height <= 0) return 0;
  const intersection = width * height;
  const area = (xyxy[at + 2]! - xyxy[at]!) * (xyxy[at + 3]! - xyxy[at + 1]!);
  return intersection / ((box[2]! - box[0]!) * (box[3]! - box[1]!) + area - intersection);
}
