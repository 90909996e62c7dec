import type { Detections } from '../../core/detections.js';
import type { ImageFit } from '../../core/image-fit.js';
import type { InputRegion } from '../region.js';

/** Of the area of an object, what a patch on it covers: wide limits around side fractions of .15 to .35 of the diagonal. */
export const PATCH_SHARE = { least: 0.025, most: 0.7 } as const;
/** So much of the region has to lie on the object. */
const LEAST_ON_OBJECT = 0.5;

/** An object whose box overlaps a region by more (IoU) may be what the region shows. */
export const SAME_PLACE_IOU = 0.3;

/** As a share of a region's sides: so far around itself a patch confuses a detector. */
const REACH = 1;

/** Left, top, right, bottom of detection `index`, in pixels of the model input. */
export function inputBox({ xyxy }: Detections, index: number, { scaleX, scaleY, padX, padY }: ImageFit, out: Float64Array): void {
  out[0] = xyxy[4 * index]! * scaleX + padX;
  out[1] = xyxy[4 * index + 1]! * scaleY + padY;
  out[2] = xyxy[4 * index + 2]! * scaleX + padX;
  out[3] = xyxy[4 * index + 3]! * scaleY + padY;
}

/** Detection `index`, in pixels of the model input. */
export function regionOf(detections: Detections, index: number, fit: ImageFit): InputRegion {
  const box = new Float64Array(4);
  inputBox(detections, index, fit, box);
  return { left: box[0]!, top: box[1]!, right: box[2]!, bottom: box[3]! };
}

/** Whether a box lies within the reach of a region, if only by a part. */
export function isNear({ left, top, right, bottom }: InputRegion, box: InputRegion): boolean {
  const [x, y] = [REACH * (right - left), REACH * (bottom - top)];
  return intersectionOf({ left: left - x, top: top - y, right: right + x, bottom: bottom + y }, box) > 0;
}

/** Whether a region lies on an object as a patch on it would. `box` in pixels of the model input. */
export function liesOnObject(region: InputRegion, box: ArrayLike<number>): boolean {
  const [left, top, right, bottom] = [box[0]!, box[1]!, box[2]!, box[3]!];
  const x = (region.left + region.right) / 2;
  const y = (region.top + region.bottom) / 2;
  if (x <= left || x >= right || y <= top || y >= bottom) return false;
  const area = areaOf(region);
  const objectArea = (right - left) * (bottom - top);
  if (area > PATCH_SHARE.most * objectArea || area < PATCH_SHARE.least * objectArea) return false;
  const width = Math.min(region.right, right) - Math.max(region.left, left);
  const height = Math.min(region.bottom, bottom) - Math.max(region.top, top);
  return width * height >= LEAST_ON_OBJECT * area;
}

export function areaOf({ left, top, right, bottom }: InputRegion): number {
  return (right - left) * (bottom - top);
}

export function intersectionOf(a: InputRegion, b: InputRegion): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

/** Intersection over the smaller area. */
export function shareOfSmaller(a: InputRegion, b: InputRegion): number {
  const common = intersectionOf(a, b);
  return common === 0 ? 0 : common / Math.min(areaOf(a), areaOf(b));
}

/** Intersection over union. */
export function regionIou(a: InputRegion, b: InputRegion): number {
  const common = intersectionOf(a, b);
  return common === 0 ? 0 : common / (areaOf(a) + areaOf(b) - common);
}
