import type { Size } from '../../core/size.js';
import type { InputRegion } from '../region.js';

/** A rectangle of the model input with fractions of pixels, so that slow motion and slow growth aren't lost to rounding. */
export interface RegionBox {
  readonly centreX: number;
  readonly centreY: number;
  readonly width: number;
  readonly height: number;
}

export function regionToBox({ left, top, right, bottom }: InputRegion): RegionBox {
  return { centreX: (left + right) / 2, centreY: (top + bottom) / 2, width: right - left, height: bottom - top };
}

/** The nearest whole pixels, cut at the borders of the picture; empty (`right` is `left`) where the box lies outside. */
export function boxToRegion({ centreX, centreY, width, height }: RegionBox, size: Size): InputRegion {
  const [left, right] = nearestPixels(centreX, width, size.width);
  const [top, bottom] = nearestPixels(centreY, height, size.height);
  return { left, top, right, bottom };
}

/** Rounds the length once, so that a box that only moves keeps its size. */
function nearestPixels(centre: number, length: number, limit: number): [start: number, end: number] {
  const whole = Math.max(1, Math.round(length));
  const start = Math.round(centre - whole / 2);
  return [Math.min(limit, Math.max(0, start)), Math.min(limit, Math.max(0, start + whole))];
}

/** Intersection over union; 0 where either is empty. */
export function regionBoxIou(a: RegionBox, b: RegionBox): number {
  const width = overlap(a.centreX, a.width, b.centreX, b.width);
  const height = overlap(a.centreY, a.height, b.centreY, b.height);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

function overlap(centreA: number, lengthA: number, centreB: number, lengthB: number): number {
  return Math.min(centreA + lengthA / 2, centreB + lengthB / 2) - Math.max(centreA - lengthA / 2, centreB - lengthB / 2);
}
