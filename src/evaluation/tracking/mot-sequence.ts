import { assign, AssignmentScratch } from '../../tracking/assignment.js';
import type { MotRow } from './mot-format.js';

/** One frame as the metrics want it. */
export interface ScoredFrame {
  /** From 1, as the files count. */
  readonly frame: number;
  /** Of each object in the frame: which of the sequence's objects it is, from 0. */
  readonly truth: Int32Array;
  /** Of each box in the results: which of the sequence's tracks it belongs to, from 0. */
  readonly tracks: Int32Array;
  /** IoU of each object (row) with each box (column), 0 to 1. */
  readonly similarity: Float64Array;
}

/** What is left to be scored after MOTChallenge's rules. */
export interface ScoredSequence {
  readonly frames: readonly ScoredFrame[];
  /** Identities as in the files, by the numbers that the frames use. */
  readonly truthIds: readonly number[];
  readonly trackIds: readonly number[];
}

/** Pedestrians are scored; a box on one of these (person on a vehicle, static person, distractor, reflection) is neither right nor wrong. */
const SCORED_CLASS = 1;
const DISTRACTORS: ReadonlySet<number> = new Set([2, 7, 8, 12]);
/** Overlap from which a box is an object's, as in all of MOTChallenge. */
export const MATCH_IOU = 0.5;
/** As TrackEval has it, for equal numbers that were computed in different ways. */
export const EPSILON = Number.EPSILON;

/**
 * Puts ground truth and results together by the rules of MOTChallenge, as TrackEval applies them (Luiten and Hoffhues 2020): where the
 * ground truth has classes (MOT16 and later), boxes that are best matched with a distractor are taken out of the results; then, of the
 * ground truth, all that isn't a pedestrian or isn't to be considered. A box on a pedestrian that isn't to be considered counts as wrong.
 *
 * @param frames that are scored, in order; rows of others don't count.
 */
export function scoredSequence(truth: readonly MotRow[], results: readonly MotRow[], frames: readonly number[]): ScoredSequence {
  const truthByFrame = groupByFrame(truth);
  const resultsByFrame = groupByFrame(results);
  const truthNumbers = new Numbering();
  const trackNumbers = new Numbering();
  const scored = frames.map((frame): ScoredFrame => {
    const objects = truthByFrame.get(frame) ?? [];
    const boxes = withoutDistracted(objects, resultsByFrame.get(frame) ?? []);
    const considered = objects.filter(({ flag, classId = SCORED_CLASS }) => flag !== 0 && classId === SCORED_CLASS);
    return {
      frame,
      truth: Int32Array.from(considered, ({ id }) => truthNumbers.of(id)),
      tracks: Int32Array.from(boxes, ({ id }) => trackNumbers.of(id)),
      similarity: similarities(considered, boxes),
    };
  });
  return { frames: scored, truthIds: truthNumbers.ids, trackIds: trackNumbers.ids };
}

/** Identities as numbers from 0 in the order of their coming. */
class Numbering {
  readonly ids: number[] = [];
  readonly #numbers = new Map<number, number>();

  of(id: number): number {
    let number = this.#numbers.get(id);
    if (number === undefined) {
      number = this.ids.length;
      this.#numbers.set(id, number);
      this.ids.push(id);
    }
    return number;
  }
}

function groupByFrame(rows: readonly MotRow[]): Map<number, MotRow[]> {
  const groups = new Map<number, MotRow[]>();
  for (const row of rows) {
    const group = groups.get(row.frame);
    if (group) group.push(row);
    else groups.set(row.frame, [row]);
  }
  return groups;
}

/** All objects of the frame, scored or not, compete for the boxes. */
function withoutDistracted(objects: readonly MotRow[], boxes: readonly MotRow[]): readonly MotRow[] {
  if (!objects.some(({ classId }) => classId !== undefined && DISTRACTORS.has(classId))) return boxes;
  const similarity = similarities(objects, boxes);
  const columnOfRow = new Int32Array(objects.length);
  assign(
    similarity.map((value) => (value < MATCH_IOU - EPSILON ? 0 : value)),
    objects.length,
    boxes.length,
    columnOfRow,
    new AssignmentScratch(),
  );
  const removed = new Set(objects.flatMap(({ classId }, row) => (classId !== undefined && DISTRACTORS.has(classId) && columnOfRow[row]! >= 0 ? [columnOfRow[row]!] : [])));
  return boxes.filter((_, column) => !removed.has(column));
}

function similarities(objects: readonly MotRow[], boxes: readonly MotRow[]): Float64Array {
  const similarity = new Float64Array(objects.length * boxes.length);
  objects.forEach((object, row) => boxes.forEach((box, column) => (similarity[row * boxes.length + column] = iou(object.xywh, box.xywh))));
  return similarity;
}

function iou([left, top, width, height]: MotRow['xywh'], [otherLeft, otherTop, otherWidth, otherHeight]: MotRow['xywh']): number {
  const across = Math.min(left + width, otherLeft + otherWidth) - Math.max(left, otherLeft);
  const down = Math.min(top + height, otherTop + otherHeight) - Math.max(top, otherTop);
  if (across <= 0 || down <= 0) return 0;
  return (across * down) / (width * height + otherWidth * otherHeight - across * down);
}
