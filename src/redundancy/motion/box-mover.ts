import { type Detections, NO_DETECTIONS } from '../../core/detections.js';
import { areComparable, type Sight, toCells } from '../sight.js';
import { overlapOf } from '../overlap.js';
import { type BoxMatch, type BoxTemplate, matchTemplate, SMALL_DIFFERENCE, takeTemplate } from './match-box.js';

/** Boxes that are looked for; the rest, less confident, keeps to its velocity. */
const MAX_MATCHED_BOXES = 48;
/** Work for a frame: as many cells are compared (some 0.2 ms) before the boxes that are left, the least confident, keep to their velocity. */
const MAX_COMPARED_CELLS = 150_000;
/** Another place has to fit that much better than the old one, grey levels: nothing moves for noise. */
const LEAST_GAIN = 0.5;
/** A match is believed where it explains so much of the template's contrast (those who walk change what they show); less will do where the old place explains nothing. */
const EXPLAINED_SHARE = 0.4;
const LEAST_EXPLAINED_SHARE = 0.15;
const AGAINST_UNMOVED = 0.6;
/** A new measurement's weight in a box's velocity. */
const VELOCITY_TRUST = 0.5;
/** A box of the last inference is the same object as one of this where their overlap is at least this. */
const SAME_OBJECT_IOU = 0.3;
/** Beyond, a velocity says nothing. */
const MAX_PREDICTION_S = 1;

interface MovingBox {
  readonly template: BoxTemplate | undefined;
  /** Cells a second. */
  readonly velocityX: number;
  readonly velocityY: number;
}

/** How far each box has moved since it was found. */
interface Displacements {
  readonly sight: Sight;
  /** Cells, x and y by turns. */
  readonly cells: Float32Array;
  /** 1 where the box was found again, 0 where its velocity was followed. */
  readonly isMatched: Uint8Array;
}

/** Boxes where they are now. */
interface MovedBoxes {
  readonly detections: Detections;
  /** Which box of the last inference each of them is. */
  readonly indices: Int32Array;
  readonly displacements: Displacements;
}

/**
 * Moves the boxes of the last inference with what they show, until the next one. A box is found again by its own grey cells in the frame's
 * thumbnail (block matching around where its velocity leads); one that can't be found follows its velocity. Templates are of the
 * inferred frame, so errors don't add up from frame to frame. Sizes stay.
 *
 * One for each stream. Pure: nothing is read but what is passed in.
 */
export class BoxMover {
  #seen: Sight | undefined;
  #detections: Detections = NO_DETECTIONS;
  #boxes: MovingBox[] = [];
  #last: MovedBoxes | undefined;

  /** These detections were inferred in the frame of this sight: from now on they are moved. */
  seen(sight: Sight, detections: Detections): void {
    const before = this.#moved(sight);
    const cells = toCells(sight, detections.xyxy, detections.count);
    this.#boxes = Array.from({ length: detections.count }, (_, i) => ({
      template: i < MAX_MATCHED_BOXES ? takeTemplate(sight.thumbnail, cells, 4 * i) : undefined,
      ...this.#velocityOf(detections, i, before, sight),
    }));
    this.#seen = sight;
    this.#detections = detections;
    this.#last = undefined;
  }

  /** There is no box to move until something is seen again. */
  forget(): void {
    this.#seen = undefined;
    this.#detections = NO_DETECTIONS;
    this.#boxes = [];
    this.#last = undefined;
  }

  /** The boxes of the last inference where they are in the frame of this sight; those that have left the picture are gone. Nothing before the first `seen`. */
  move(sight: Sight): Detections {
    return this.#moved(sight)?.detections ?? NO_DETECTIONS;
  }

  /** Of the last `seen`. */
  get seenAt(): Sight | undefined {
    return this.#seen;
  }

  /** Mean share of boxes found again in the last `move` by what they show, 0 to 1; 1 where there was none to find. */
  get matchedShare(): number {
    const isMatched = this.#last?.displacements.isMatched;
    if (!isMatched || isMatched.length === 0) return 1;
    return isMatched.reduce((sum, flag) => sum + flag, 0) / isMatched.length;
  }

  #moved(sight: Sight): MovedBoxes | undefined {
    const seen = this.#seen;
    if (!seen || !areComparable(seen, sight)) return undefined;
    if (this.#last?.displacements.sight === sight) return this.#last;
    const displacements = this.#measure(seen, sight);
    this.#last = { ...shift(this.#detections, displacements.cells, sight), displacements };
    return this.#last;
  }

  #measure(seen: Sight, sight: Sight): Displacements {
    const elapsedS = secondsBetween(seen, sight);
    const light = meanGrey(sight) - meanGrey(seen);
    const cells = new Float32Array(2 * this.#boxes.length);
    const isMatched = new Uint8Array(this.#boxes.length);
    let comparedCells = 0;
    for (const [i, { template, velocityX, velocityY }] of this.#boxes.entries()) {
      const expectedX = velocityX * elapsedS;
      const expectedY = velocityY * elapsedS;
      const match = template && comparedCells < MAX_COMPARED_CELLS ? matchTemplate(sight.thumbnail, template, expectedX, expectedY, light) : undefined;
      comparedCells += match?.comparedCells ?? 0;
      isMatched[i] = template && match && isBelieved(match, template) ? 1 : 0;
      const [x, y] = isMatched[i] && match ? placeOf(match) : [expectedX, expectedY];
      cells[2 * i] = x;
      cells[2 * i + 1] = y;
    }
    return { sight, cells, isMatched };
  }

  /** From the box of the last inference that is the same object, if any. */
  #velocityOf(detections: Detections, i: number, before: MovedBoxes | undefined, sight: Sight): Pick<MovingBox, 'velocityX' | 'velocityY'> {
    const elapsedS = this.#seen ? secondsBetween(this.#seen, sight) : 0;
    const old = before && elapsedS > 0 ? sameObject(before, detections, i) : -1;
    if (!before || old < 0) return { velocityX: 0, velocityY: 0 };
    const { velocityX, velocityY } = this.#boxes[old]!;
    const { cells, isMatched } = before.displacements;
    if (!isMatched[old]) return { velocityX, velocityY };
    // The first measurement is all that is known.
    const trust = velocityX === 0 && velocityY === 0 ? 1 : VELOCITY_TRUST;
    return {
      velocityX: velocityX + trust * (cells[2 * old]! / elapsedS - velocityX),
      velocityY: velocityY + trust * (cells[2 * old + 1]! / elapsedS - velocityY),
    };
  }
}

function isBelieved({ difference, differenceUnmoved }: BoxMatch, { contrast }: BoxTemplate): boolean {
  const explained = difference < AGAINST_UNMOVED * differenceUnmoved ? LEAST_EXPLAINED_SHARE : EXPLAINED_SHARE;
  return difference <= Math.max(SMALL_DIFFERENCE, contrast * (1 - explained));
}

/** Where it was, unless it fits better elsewhere. */
function placeOf({ dx, dy, difference, differenceUnmoved }: BoxMatch): readonly [number, number] {
  return differenceUnmoved - difference < LEAST_GAIN ? [0, 0] : [dx, dy];
}

/** 0 where the clock of the stream was set back. */
function secondsBetween(a: Sight, b: Sight): number {
  return Math.min(MAX_PREDICTION_S, Math.max(0, (b.ptsUs - a.ptsUs) / 1e6));
}

function meanGrey({ thumbnail: { cells } }: Sight): number {
  let sum = 0;
  for (let i = 0; i < cells.length; i += 1) sum += cells[i]!;
  return cells.length === 0 ? 0 : sum / cells.length;
}

/** The moved box of the same class that overlaps most, or -1. */
function sameObject({ detections: moved, indices }: MovedBoxes, found: Detections, i: number): number {
  let best = -1;
  let most = SAME_OBJECT_IOU;
  for (let j = 0; j < moved.count; j += 1) {
    if (moved.classId[j] !== found.classId[i]) continue;
    const overlap = overlapOf(moved.xyxy, j, found.xyxy, i);
    if (overlap < most) continue;
    most = overlap;
    best = indices[j]!;
  }
  return best;
}

/** Boxes moved by cells and cut at the picture's borders; those with nothing left in it are left out. */
function shift({ count, xyxy, confidence, classId, boxesBeforeNms }: Detections, cells: Float32Array, sight: Sight): Pick<MovedBoxes, 'detections' | 'indices'> {
  const { fit, sourceSize, thumbnail } = sight;
  const moved = new Float32Array(4 * count);
  const indices = new Int32Array(count);
  let kept = 0;
  for (let i = 0; i < count; i += 1) {
    const dx = (cells[2 * i]! * thumbnail.cellPx) / fit.scaleX;
    const dy = (cells[2 * i + 1]! * thumbnail.cellPx) / fit.scaleY;
    const left = shiftSide(xyxy[4 * i]!, dx, sourceSize.width);
    const top = shiftSide(xyxy[4 * i + 1]!, dy, sourceSize.height);
    const right = shiftSide(xyxy[4 * i + 2]!, dx, sourceSize.width);
    const bottom = shiftSide(xyxy[4 * i + 3]!, dy, sourceSize.height);
    if (right <= left || bottom <= top) continue;
    moved.set([left, top, right, bottom], 4 * kept);
    indices[kept] = i;
    kept += 1;
  }
  const chosen = indices.slice(0, kept);
  return {
    indices: chosen,
    detections: {
      count: kept,
      xyxy: moved.slice(0, 4 * kept),
      confidence: Float32Array.from(chosen, (i) => confidence[i]!),
      classId: Int32Array.from(chosen, (i) => classId[i]!),
      boxesBeforeNms,
    },
  };
}

/** A side at the picture's border stays there: what comes in is not yet seen whole. */
function shiftSide(side: number, by: number, max: number): number {
  return side <= 0 || side >= max ? clamp(side, max) : clamp(side + by, max);
}

/** Rounded to float32 before boxes are judged empty: that is how they are stored. */
function clamp(value: number, max: number): number {
  return Math.fround(Math.min(Math.max(value, 0), max));
}
