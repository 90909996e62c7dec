import type { Size } from '../core/size.js';
import type { StereoRig } from '../core/stereo-rig.js';
import type { RawCamera } from './calibration/calibration.js';
import { distort, type Point, scaleLens } from './calibration/lens.js';
import { transpose, turn } from './calibration/matrix3.js';

/** Weights are whole numbers of 1/128, as those of `scaleFrame`: sums stay where small integers are fast. */
const ONE = 128;
const SHIFT = 14;
const HALF = 1 << (SHIFT - 1);

/** Where each pixel of a rectified picture comes from. */
export interface Rectification {
  readonly from: Size;
  readonly to: Size;
  /** The upper left one of four pixels, row by row of the rectified picture; -1 where the camera sees nothing. */
  readonly at: Int32Array;
  /** What the right and the lower ones weigh: 0 to 128 each, `right + 256 * down`. */
  readonly weight: Uint16Array;
}

/** Which picture of a calibrated rig is to be rectified, and to what. */
export interface RectificationRequest {
  readonly camera: RawCamera;
  /** Of the rectified pictures, scaled to the size that is wanted (`scaleRig`). */
  readonly rig: StereoRig;
  readonly side: 'left' | 'right';
  /** Of the camera's pictures as they come: the calibration's, scaled. At least 2 pixels a side. */
  readonly from: Size;
}

/** Some hundred milliseconds of work, once a camera. */
export function planRectification({ camera, rig, side, from }: RectificationRequest): Rectification {
  const { width, height } = rig.size;
  const at = new Int32Array(width * height);
  const weight = new Uint16Array(width * height);
  const toCamera = rectifiedToRaw({ camera, rig, side, from });
  for (let y = 0, o = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, o += 1) {
      const seen = toCamera({ x, y });
      // Half a pixel beyond the outermost centres still belongs to them.
      if (!(seen.x >= -0.5 && seen.y >= -0.5 && seen.x <= from.width - 0.5 && seen.y <= from.height - 0.5)) {
        at[o] = -1;
        continue;
      }
      const [column, right] = tapOf(seen.x, from.width);
      const [row, down] = tapOf(seen.y, from.height);
      at[o] = row * from.width + column;
      weight[o] = right | (down << 8);
    }
  }
  return { from, to: rig.size, at, weight };
}

/** Where a pixel of the rectified picture lies in the camera's own one: not a number where it is behind the camera. */
export function rectifiedToRaw({ camera, rig, side, from }: RectificationRequest): (pixel: Point) => Point {
  const lens = scaleLens(camera.lens, from);
  const back = transpose(camera.rotation);
  const centreX = rig.centre.x + (side === 'right' ? rig.centreShiftPx : 0);
  return (pixel) => {
    const [x, y, z] = turn(back, [(pixel.x - centreX) / rig.focalPx, (pixel.y - rig.centre.y) / rig.focalPx, 1]);
    if (!(z > 0)) return { x: NaN, y: NaN };
    const shown = distort(lens, { x: x / z, y: y / z });
    return { x: shown.x * lens.focalPx.x + lens.centre.x, y: shown.y * lens.focalPx.y + lens.centre.y };
  };
}

/**
 * Rectifies planes bilinearly.
 *
 * @param planes of the size `from`, one after the other. @param out of the size `to`, equally many; all of it is written.
 * @param padValue of pixels that the camera doesn't see.
 */
export function rectify(planes: Uint8Array, { from, to, at, weight }: Rectification, out: Uint8Array, padValue = 0): void {
  const pixels = to.width * to.height;
  const plane = from.width * from.height;
  for (let i = 0; i < pixels; i += 1) {
    const first = at[i]!;
    if (first < 0) {
      for (let o = i; o < out.length; o += pixels) out[o] = padValue;
      continue;
    }
    const right = weight[i]! & 255;
    const down = weight[i]! >> 8;
    const left = ONE - right;
    const up = ONE - down;
    // Planes within pixels: what a pixel is made of is looked up once.
    for (let o = i, upper = first; o < out.length; o += pixels, upper += plane) {
      const lower = upper + from.width;
      out[o] = ((planes[upper]! * left + planes[upper + 1]! * right) * up + (planes[lower]! * left + planes[lower + 1]! * right) * down + HALF) >> SHIFT;
    }
  }
}

function tapOf(centre: number, size: number): readonly [at: number, weight: number] {
  const within = Math.min(Math.max(centre, 0), size - 1);
  const at = Math.min(Math.floor(within), size - 2);
  return [at, Math.round((within - at) * ONE)];
}
