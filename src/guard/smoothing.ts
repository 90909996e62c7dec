import type { Size } from '../core/size.js';

/** Side of a window, pixels; by how much neighbours overlap; mean gradient under which a window counts as smooth; strength. */
const BLOCK_PX = 15;
const OVERLAP_PX = 5;
const SMOOTH_BELOW = 0.1;
const STRENGTH = 2.3;

/**
 * Local gradient smoothing, in place: the baseline that the guard is compared with (Naseer, Khan and Porikli, "Local Gradients Smoothing",
 * WACV 2019, section 3; their block 15, overlap 5, threshold 0.1, strength 2.3).
 *
 * The magnitude of the first-order gradient is scaled to 0 to 1 over the picture and taken as 0 in windows whose mean is under the
 * threshold; what remains, `g`, darkens the picture: `pixel * (1 - clip(2.3 * g, 0, 1))`. Ours, where the paper says nothing: the gradient is that
 * of the luma (ITU-R BT.601), by forward differences; a pixel in several windows takes the mean of what they say; the last windows of a
 * row and column lie at the border.
 *
 * @param planes three planes G, B, R of `size` bytes each.
 */
export function smoothLocalGradients(planes: Uint8Array, size: Size): void {
  const gradient = normalisedGradient(planes, size);
  if (!gradient) return;
  const kept = keptShare(gradient, size);
  const pixels = size.width * size.height;
  for (let i = 0; i < pixels; i += 1) {
    const share = gradient[i]! * kept[i]!;
    if (share === 0) continue;
    const darker = 1 - Math.min(1, STRENGTH * share);
    for (let at = i; at < 3 * pixels; at += pixels) planes[at] = Math.round(planes[at]! * darker);
  }
}

/** Magnitudes from 0 to 1, or undefined where the picture has the same everywhere. */
function normalisedGradient(planes: Uint8Array, { width, height }: Size): Float32Array | undefined {
  const pixels = width * height;
  const luma = new Float32Array(pixels);
  for (let i = 0; i < pixels; i += 1) luma[i] = 0.587 * planes[i]! + 0.114 * planes[pixels + i]! + 0.299 * planes[2 * pixels + i]!;
  const gradient = new Float32Array(pixels);
  let least = Number.POSITIVE_INFINITY;
  let greatest = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const i = y * width + x;
      const right = x + 1 < width ? luma[i + 1]! - luma[i]! : 0;
      const down = y + 1 < height ? luma[i + width]! - luma[i]! : 0;
      // Not Math.hypot: ten times slower, and nothing here overflows.
      const magnitude = Math.sqrt(right * right + down * down);
      gradient[i] = magnitude;
      if (magnitude < least) least = magnitude;
      if (magnitude > greatest) greatest = magnitude;
    }
  }
  if (greatest <= least) return undefined;
  for (let i = 0; i < pixels; i += 1) gradient[i] = (gradient[i]! - least) / (greatest - least);
  return gradient;
}

/** For each pixel the share of its windows that aren't smooth. */
function keptShare(gradient: Float32Array, { width, height }: Size): Float32Array {
  const sums = integralImage(gradient, { width, height });
  const windows = new Uint8Array(width * height);
  const kept = new Float32Array(width * height);
  for (const [top, bottom] of windowsAlong(height)) {
    for (const [left, right] of windowsAlong(width)) {
      const row = width + 1;
      const sum = sums[bottom * row + right]! - sums[top * row + right]! - sums[bottom * row + left]! + sums[top * row + left]!;
      const keep = sum / ((bottom - top) * (right - left)) >= SMOOTH_BELOW ? 1 : 0;
      for (let y = top; y < bottom; y += 1) {
        for (let i = y * width + left; i < y * width + right; i += 1) {
          windows[i]! += 1;
          kept[i]! += keep;
        }
      }
    }
  }
  for (let i = 0; i < kept.length; i += 1) kept[i]! /= windows[i]!;
  return kept;
}

/** Starts and exclusive ends of the windows along an axis of `length` pixels. */
function windowsAlong(length: number): [start: number, end: number][] {
  const windows: [number, number][] = [];
  for (let start = 0; ; start += BLOCK_PX - OVERLAP_PX) {
    const end = Math.min(length, start + BLOCK_PX);
    windows.push([Math.max(0, end - BLOCK_PX), end]);
    if (end === length) return windows;
  }
}

/** Sums over all pixels above and left, exclusive: one row and column more than the picture. */
function integralImage(values: Float32Array, { width, height }: Size): Float64Array {
  const row = width + 1;
  const sums = new Float64Array(row * (height + 1));
  for (let y = 0; y < height; y += 1) {
    let line = 0;
    for (let x = 0; x < width; x += 1) {
      line += values[y * width + x]!;
      sums[(y + 1) * row + x + 1] = sums[y * row + x + 1]! + line;
    }
  }
  return sums;
}
