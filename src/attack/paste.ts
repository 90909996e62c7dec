import type { Size } from '../core/size.js';
import type { PatchImage } from './patch-image.js';
import type { PlacedPatch } from './placement.js';

/** Where bytes of pixels go: packed RGB, or the planes G, B, R of a model's input. */
export interface PixelTarget {
  readonly bytes: Uint8Array;
  readonly size: Size;
  /** Bytes from a pixel to the next one of its row. */
  readonly pixelStride: number;
  /** Where red, green and blue of the first pixel are. */
  readonly offsets: readonly [red: number, green: number, blue: number];
}

/** How a place of the picture shows up in the target: `target = picture * scale + pad`, as in `ImageFit`. */
export interface TargetFit {
  readonly scaleX: number;
  readonly scaleY: number;
  readonly padX: number;
  readonly padY: number;
}

const UNSCALED: TargetFit = { scaleX: 1, scaleY: 1, padX: 0, padY: 0 };

/** Samples a pixel and axis: edges get as many steps of transparency, squared. */
const SAMPLES = 4;
/** Texels of the level that is sampled for each pixel and axis, at least: the mean of the samples is then that over the pixel's area. */
const LEAST_TEXELS = 2;

export function packedTarget(bytes: Uint8Array, size: Size): PixelTarget {
  return { bytes, size, pixelStride: 3, offsets: [0, 1, 2] };
}

/** Planes in the order of a frame: G, B, R. */
export function planarTarget(bytes: Uint8Array, size: Size): PixelTarget {
  const plane = size.width * size.height;
  return { bytes, size, pixelStride: 1, offsets: [2 * plane, 0, plane] };
}

/** A patch in halves of its size, finest first: a small copy samples a coarse one, so that nothing of it aliases. */
export type PatchPyramid = readonly Pick<PatchImage, 'size' | 'rgb'>[];

/** Each level is the mean of 2 x 2 pixels of the one before. */
export function patchPyramid(patch: Pick<PatchImage, 'size' | 'rgb'>): PatchPyramid {
  const levels = [patch];
  for (let last = patch; Math.min(last.size.width, last.size.height) >= 2; levels.push(last)) last = halve(last);
  return levels;
}

/**
 * Pastes a patch: the square shows the whole of it, turned about its centre, its pixels times `brightness`. Each pixel is
 * the mean of samples all over it, of a level of the pyramid not much finer than they are; at the edges it is mixed by the share that is
 * covered. What lies outside is cut.
 *
 * @param fit where the target is a scaled picture: `placed` is in pixels of the unscaled one.
 */
export function pastePatch(target: PixelTarget, pyramid: PatchPyramid, placed: PlacedPatch, fit: TargetFit = UNSCALED): void {
  const { centreX, centreY, sidePx, rotationDeg, brightness } = placed;
  const { width, height } = target.size;
  const [x0, y0] = [centreX * fit.scaleX + fit.padX, centreY * fit.scaleY + fit.padY];
  const [cos, sin] = [Math.cos((rotationDeg * Math.PI) / 180), Math.sin((rotationDeg * Math.PI) / 180)];
  // A place of the target in the patch, from 0 to 1 along both of its sides.
  const [ux, uy] = [cos / (sidePx * fit.scaleX), sin / (sidePx * fit.scaleY)];
  const [vx, vy] = [-sin / (sidePx * fit.scaleX), cos / (sidePx * fit.scaleY)];
  const reach = (sidePx / 2) * (Math.abs(cos) + Math.abs(sin));
  const left = Math.max(0, Math.floor(x0 - reach * fit.scaleX));
  const right = Math.min(width, Math.ceil(x0 + reach * fit.scaleX));
  const top = Math.max(0, Math.floor(y0 - reach * fit.scaleY));
  const bottom = Math.min(height, Math.ceil(y0 + reach * fit.scaleY));
  const level = levelFor(pyramid, sidePx * Math.max(fit.scaleX, fit.scaleY));
  const sum = new Float64Array(3);
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) {
      sum.fill(0);
      let covered = 0;
      for (let sample = 0; sample < SAMPLES * SAMPLES; sample += 1) {
        const dx = x + ((sample % SAMPLES) + 0.5) / SAMPLES - x0;
        const dy = y + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES - y0;
        const u = ux * dx + uy * dy + 0.5;
        const v = vx * dx + vy * dy + 0.5;
        if (u < 0 || u >= 1 || v < 0 || v >= 1) continue;
        addSample(level, u, v, sum);
        covered += 1;
      }
      if (covered > 0) mix(target, y * width + x, sum, brightness, covered);
    }
  }
}

/** The coarsest level that is fine enough. */
function levelFor(pyramid: PatchPyramid, sidePx: number): Pick<PatchImage, 'size' | 'rgb'> {
  const coarser = pyramid.findIndex(({ size }) => Math.min(size.width, size.height) < LEAST_TEXELS * sidePx);
  return pyramid[coarser < 0 ? pyramid.length - 1 : Math.max(0, coarser - 1)]!;
}

/** Adds the bilinear sample at `u`, `v` (0 to 1); beyond the middle of the outermost pixels these go on. */
function addSample({ rgb, size: { width, height } }: Pick<PatchImage, 'size' | 'rgb'>, u: number, v: number, sum: Float64Array): void {
  const x = Math.min(Math.max(u * width - 0.5, 0), width - 1);
  const y = Math.min(Math.max(v * height - 0.5, 0), height - 1);
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, bottom] = [Math.min(left + 1, width - 1), Math.min(top + 1, height - 1)];
  const [fx, fy] = [x - left, y - top];
  const [a, b, c, d] = [3 * (top * width + left), 3 * (top * width + right), 3 * (bottom * width + left), 3 * (bottom * width + right)];
  for (let channel = 0; channel < 3; channel += 1) {
    const above = rgb[a + channel]! * (1 - fx) + rgb[b + channel]! * fx;
    const below = rgb[c + channel]! * (1 - fx) + rgb[d + channel]! * fx;
    sum[channel]! += above * (1 - fy) + below * fy;
  }
}

function mix({ bytes, pixelStride, offsets }: PixelTarget, pixel: number, sum: Float64Array, brightness: number, covered: number): void {
  const opacity = covered / (SAMPLES * SAMPLES);
  for (let channel = 0; channel < 3; channel += 1) {
    const at = offsets[channel]! + pixel * pixelStride;
    const lit = Math.min(255, (sum[channel]! / covered) * brightness);
    bytes[at] = Math.round(bytes[at]! + (lit - bytes[at]!) * opacity);
  }
}

/** Means of 2 x 2 pixels; an odd last row or column is left out. */
function halve({ size, rgb }: Pick<PatchImage, 'size' | 'rgb'>): Pick<PatchImage, 'size' | 'rgb'> {
  const half = { width: size.width >> 1, height: size.height >> 1 };
  const out = new Uint8Array(3 * half.width * half.height);
  for (let y = 0; y < half.height; y += 1) {
    for (let x = 0; x < half.width; x += 1) {
      const from = 3 * (2 * y * size.width + 2 * x);
      for (let channel = 0; channel < 3; channel += 1) {
        const at = from + channel;
        const below = at + 3 * size.width;
        out[3 * (y * half.width + x) + channel] = (rgb[at]! + rgb[at + 3]! + rgb[below]! + rgb[below + 3]! + 2) >> 2;
      }
    }
  }
  return { size: half, rgb: out };
}
