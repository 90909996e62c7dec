import type { Detections } from '../../core/detections.js';
import { overlapOf } from '../overlap.js';

/** For how long boxes are moved before it is known how well that goes. */
const FIRST_LIMIT_MS = 100;
/** Moved boxes that overlap the found ones by this much could have been moved for longer; below the lower one not for so long. */
const GOOD_OVERLAP = 0.75;
const POOR_OVERLAP = 0.62;
const GROWTH = 1.5;
const SHRINKAGE = 0.6;
/** Boxes that still overlap their old place by more have not moved: they say nothing. */
const UNMOVED_OVERLAP = 0.92;
/** A moved box that confident has to be found again. */
const CONFIDENT = 0.5;

/** For how long boxes may be moved: learnt from how far the moved ones are off when the model looks again. */
export class MovingLimit {
  readonly #mostMs: number;
  #limitMs: number;

  /** @param mostMs never longer. */
  constructor(mostMs: number) {
    this.#mostMs = mostMs;
    this.#limitMs = Math.min(mostMs, FIRST_LIMIT_MS);
  }

  get limitMs(): number {
    return this.#limitMs;
  }

  /** @param before boxes of the last inference. @param moved the same, where they were moved to. @param found by the model in the same frame. */
  learn(before: Detections, moved: Detections, found: Detections): void {
    const overlap = overlapOfMoved(before, moved, found);
    if (overlap === undefined) return;
    if (overlap >= GOOD_OVERLAP) this.#limitMs = Math.min(this.#mostMs, this.#limitMs * GROWTH);
    else if (overlap < POOR_OVERLAP) this.#limitMs *= SHRINKAGE;
    this.#limitMs = Math.max(this.#limitMs, Math.min(this.#mostMs, FIRST_LIMIT_MS / 2));
  }
}

/** Mean overlap, by confidence, of boxes that moved with what was found; undefined where none did. */
function overlapOfMoved(before: Detections, moved: Detections, found: Detections): number | undefined {
  let sum = 0;
  let weights = 0;
  for (let i = 0; i < moved.count; i += 1) {
    const match = bestOf(moved, i, found);
    const weight = moved.confidence[i]!;
    if (match < 0) {
      if (weight < CONFIDENT) continue;
      weights += weight;
      continue;
    }
    const old = bestOf(found, match, before);
    if (old >= 0 && overlapOf(found.xyxy, match, before.xyxy, old) > UNMOVED_OVERLAP) continue;
    sum += weight * overlapOf(moved.xyxy, i, found.xyxy, match);
    weights += weight;
  }
  return weights === 0 ? undefined : sum / weights;
}

/** The box of the same class that overlaps most, or -1. */
function bestOf(boxes: Detections, i: number, others: Detections): number {
  let best = -1;
  let most = 0;
  for (let j = 0; j < others.count; j += 1) {
    if (others.classId[j] !== boxes.classId[i]) continue;
    const overlap = overlapOf(boxes.xyxy, i, others.xyxy, j);
    if (overlap <= most) continue;
    most = overlap;
    best = j;
  }
  return best;
}
