import type { CandidateBuffer } from '../candidate-buffer.js';
import { indexOfBest } from '../class-scores.js';
import type { ScanOptions } from '../head-scanner.js';

/** A row whose objectness is over the threshold, decoded; one object serves all rows of all frames. */
export interface BoxRow {
  left: number;
  top: number;
  right: number;
  bottom: number;
  /** Probability. */
  objectness: number;
  /** Index of its first class probability. */
  classesAt: number;
}

/** Adds the classes of a row (probabilities, side by side) that are over the threshold; without classes, the objectness as class 0. */
export function addRowClasses(data: Float32Array, row: BoxRow, classCount: number, options: ScanOptions, found: CandidateBuffer): void {
  if (classCount === 0) {
    found.add(row.left, row.top, row.right, row.bottom, row.objectness, 0);
    return;
  }
  const best = options.multiLabel ? -1 : indexOfBest(data, row.classesAt, 1, classCount);
  const first = options.multiLabel ? 0 : best;
  const last = options.multiLabel ? classCount - 1 : best;
  for (let classId = Math.max(0, first); classId <= last; classId += 1) {
    const confidence = row.objectness * data[row.classesAt + classId]!;
    if (confidence > options.confidenceThreshold) found.add(row.left, row.top, row.right, row.bottom, confidence, classId);
  }
}
