import type { Detections } from '../core/detections.js';
import type { ImageFit } from '../core/image-fit.js';
import type { InputRegion } from './region.js';
import { areaOf, inputBox, intersectionOf, isNear, liesOnObject, regionIou, regionOf, SAME_PLACE_IOU } from './search/region-geometry.js';

/** What covering a region changes for the objects that it lies on, in units of the score scale. */
export interface RegionEffect {
  /** Confidence that the object of the greatest gain gains, 0 or more. */
  readonly gain: number;
  /** Confidence that it has then. */
  readonly after: number;
  /** Confidence that some other reading of the same box loses at most. */
  readonly loss: number;
}

/** Boxes of one class that overlap by more are the same object in both passes. */
const SAME_OBJECT_IOU = 0.45;
/** With a smaller share of its confidence, an object has gone. */
const LEFT_OVER = 0.4;

/**
 * Compares a pass with one in which the region was covered. A patch on an object hides it: cover the patch, and the object comes back.
 * Covering a part of an ordinary object lets it lose a little, or turns it into something else, in which case the loss is as great as the gain.
 */
export function effectOf(region: InputRegion, before: Detections, covered: Detections, fit: ImageFit, scoreScale: number): RegionEffect {
  let gain = 0;
  let gaining = -1;
  const box = new Float64Array(4);
  for (let i = 0; i < covered.count; i += 1) {
    inputBox(covered, i, fit, box);
    if (!liesOnObject(region, box)) continue;
    const gained = covered.confidence[i]! - confidenceIn(before, covered, i);
    if (gained > gain) [gain, gaining] = [gained, i];
  }
  if (gaining < 0) return { gain: 0, after: 0, loss: 0 };
  return { gain: gain / scoreScale, after: covered.confidence[gaining]! / scoreScale, loss: lossAt(gaining, before, covered) / scoreScale };
}

/** The most that another reading of the gaining box lost: a patch's own false boxes are elsewhere or of another size. */
function lossAt(gaining: number, before: Detections, covered: Detections): number {
  let loss = 0;
  for (let i = 0; i < before.count; i += 1) {
    if (boxIouAt(before.xyxy, i, covered.xyxy, gaining) > SAME_OBJECT_IOU) loss = Math.max(loss, before.confidence[i]! - confidenceIn(covered, before, i));
  }
  return loss;
}

/**
 * Confidence of the most confident object that fills the place of the region and goes away when it is covered, in units of the score scale.
 * Any object goes away when all of it is covered: this says that there is one, not that it is false.
 */
export function vanishedWith(region: InputRegion, before: Detections, covered: Detections, fit: ImageFit, scoreScale: number): number {
  const box = new Float64Array(4);
  let vanished = 0;
  for (let i = 0; i < before.count; i += 1) {
    inputBox(before, i, fit, box);
    if (regionIou(region, { left: box[0]!, top: box[1]!, right: box[2]!, bottom: box[3]! }) < SAME_PLACE_IOU) continue;
    if (confidenceIn(covered, before, i) < LEFT_OVER * before.confidence[i]!) vanished = Math.max(vanished, before.confidence[i]!);
  }
  return vanished / scoreScale;
}

/** A box that a region covers more of is changed by the cover itself. */
const MOST_COVERED = 0.15;

/**
 * Confidence of the most confident false object that the region makes up beside itself, in units of the score scale: it lies within reach of the region
 * but doesn't carry it, hardly any of it was covered, and it goes away all the same. What its box shows is as it was, so only what surrounds it can have made it.
 */
export function madeUpBy(region: InputRegion, before: Detections, covered: Detections, fit: ImageFit, scoreScale: number): number {
  let madeUp = 0;
  for (let i = 0; i < before.count; i += 1) {
    if (before.confidence[i]! <= madeUp) continue;
    const box = regionOf(before, i, fit);
    if (!isNear(region, box) || liesOnObject(region, [box.left, box.top, box.right, box.bottom]) || intersectionOf(region, box) > MOST_COVERED * areaOf(box)) continue;
    if (mostConfidentAt(before, i, covered) < LEFT_OVER * before.confidence[i]!) madeUp = before.confidence[i]!;
  }
  return madeUp / scoreScale;
}

/** The greatest confidence, whatever the class, at the place of a box. */
function mostConfidentAt(detections: Detections, index: number, others: Detections): number {
  let most = 0;
  for (let j = 0; j < others.count; j += 1) {
    if (others.confidence[j]! > most && boxIouAt(others.xyxy, j, detections.xyxy, index) > SAME_OBJECT_IOU) most = others.confidence[j]!;
  }
  return most;
}

/** Of the effect, what speaks for a patch: 0 or more. */
export function netEffect({ gain, loss }: RegionEffect): number {
  return Math.max(0, gain - loss);
}

/** Index in `others` of the same object as `index` of `detections`: of those of its class the one that overlaps it most; -1 where there is none. */
export function sameObject(others: Detections, detections: Detections, index: number): number {
  let best = -1;
  let bestIou = SAME_OBJECT_IOU;
  for (let j = 0; j < others.count; j += 1) {
    if (others.classId[j] !== detections.classId[index]) continue;
    const iou = boxIouAt(others.xyxy, j, detections.xyxy, index);
    if (iou > bestIou) [best, bestIou] = [j, iou];
  }
  return best;
}

function confidenceIn(others: Detections, detections: Detections, index: number): number {
  const j = sameObject(others, detections, index);
  return j < 0 ? 0 : others.confidence[j]!;
}

function boxIouAt(a: Float32Array, i: number, b: Float32Array, j: number): number {
  const width = Math.min(a[4 * i + 2]!, b[4 * j + 2]!) - Math.max(a[4 * i]!, b[4 * j]!);
  const height = Math.min(a[4 * i + 3]!, b[4 * j + 3]!) - Math.max(a[4 * i + 1]!, b[4 * j + 1]!);
  if (width <= 0 || height <= 0) return 0;
  const common = width * height;
  return common / (areaAt(a, i) + areaAt(b, j) - common);
}

function areaAt(xyxy: Float32Array, i: number): number {
  return (xyxy[4 * i + 2]! - xyxy[4 * i]!) * (xyxy[4 * i + 3]! - xyxy[4 * i + 1]!);
}
