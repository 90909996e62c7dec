import type { Size } from '../../core/size.js';

/** A point of a picture, pixels with centres at whole numbers; or of the plane at depth 1, where lengths are ratios. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A camera as calibrations describe it. */
export interface Lens {
  /** Of the pictures that it was calibrated with, pixels. */
  readonly size: Size;
  readonly focalPx: Point;
  /** Where the optical axis meets the picture. */
  readonly centre: Point;
  /**
   * Brown and Conrady's model in the order of OpenCV and ROS: k1 k2 p1 p2, then k3, then k4 k5 k6 of the rational model; what is left out
   * is 0. Lenses called `plumb_bob` and `rational_polynomial` are of it, fisheyes aren't.
   */
  readonly distortion: readonly number[];
}

/** Where the lens shows what a lens without distortion shows at `point` of the plane at depth 1. */
export function distort({ distortion }: Pick<Lens, 'distortion'>, { x, y }: Point): Point {
  const [k1 = 0, k2 = 0, p1 = 0, p2 = 0, k3 = 0, k4 = 0, k5 = 0, k6 = 0] = distortion;
  const r2 = x * x + y * y;
  const radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)));
  return { x: x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y: y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y };
}

/** More would change nothing that is seen: each step of lenses that pass `checkLens` divides the error by 3 and more. */
const UNDISTORT_STEPS = 40;

/** The other way round, by fixed-point iteration. Exact to 1e-9 within the picture of a lens that `checkLens` accepts, but for its corners. */
export function undistort(lens: Pick<Lens, 'distortion'>, seen: Point): Point {
  let point = seen;
  for (let step = 0; step < UNDISTORT_STEPS; step += 1) {
    const shown = distort(lens, point);
    point = { x: point.x + seen.x - shown.x, y: point.y + seen.y - shown.y };
  }
  return point;
}

/** The lens of the same camera for pictures that were scaled to another size. */
export function scaleLens({ size, focalPx, centre, distortion }: Lens, to: Size): Lens {
  const x = to.width / size.width;
  const y = to.height / size.height;
  return { size: to, distortion, focalPx: { x: focalPx.x * x, y: focalPx.y * y }, centre: { x: (centre.x + 0.5) * x - 0.5, y: (centre.y + 0.5) * y - 0.5 } };
}
