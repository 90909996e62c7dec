import type { Size } from './size.js';

/**
 * Two equal cameras side by side, their pictures rectified: a point lies in the same row of both, and `focalPx * baselineM / z` pixels
 * further left in the right one. Axes: x to the right, y down, z ahead, from the left camera's centre.
 */
export interface StereoRig {
  /** Of each picture, pixels. */
  readonly size: Size;
  readonly focalPx: number;
  /** Where the optical axis meets the left picture, and the right one, pixels; pixel centres are at whole numbers. */
  readonly centre: { readonly x: number; readonly y: number };
  /** Column of the axis in the right picture less that in the left one: 0 for most rigs. */
  readonly centreShiftPx: number;
  readonly baselineM: number;
}

/** Depth of a disparity, metres. `Infinity` where the disparity is that of an endless distance. */
export function depthOf({ focalPx, baselineM, centreShiftPx }: StereoRig, disparityPx: number): number {
  const parallaxPx = disparityPx + centreShiftPx;
  return parallaxPx > 0 ? (focalPx * baselineM) / parallaxPx : Infinity;
}

/** The rig after its pictures were scaled to another size. */
export function scaleRig({ size, focalPx, centre, centreShiftPx, baselineM }: StereoRig, to: Size): StereoRig {
  const x = to.width / size.width;
  const y = to.height / size.height;
  return { size: to, focalPx: focalPx * x, centre: { x: (centre.x + 0.5) * x - 0.5, y: (centre.y + 0.5) * y - 0.5 }, centreShiftPx: centreShiftPx * x, baselineM };
}
