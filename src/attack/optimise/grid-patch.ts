import { packedTarget, pastePatch, patchPyramid } from '../paste.js';
import type { PatchImage } from '../patch-image.js';

/** Pixels a side of a patch that is written to a file. */
const RENDERED_SIDE_PX = 300;

/** The colours of a search as a picture of `grid` pixels a side; pasting interpolates between them. */
export function gridPatch(colours: Float32Array, grid: number): PatchImage {
  return { name: 'optimised', size: { width: grid, height: grid }, rgb: Uint8Array.from(colours, (value) => Math.round(255 * value)) };
}

/** A patch in pixels to print: as it looks where it is pasted large. */
export function renderPatch(patch: PatchImage): PatchImage {
  const sidePx = RENDERED_SIDE_PX;
  const size = { width: sidePx, height: sidePx };
  const rgb = new Uint8Array(3 * sidePx * sidePx);
  pastePatch(packedTarget(rgb, size), patchPyramid(patch), { centreX: sidePx / 2, centreY: sidePx / 2, sidePx, rotationDeg: 0, brightness: 1 });
  return { name: patch.name, size, rgb };
}

/** Any patch as the colours of a search: the means of its cells. */
export function coloursOf(patch: PatchImage, grid: number): Float32Array {
  const size = { width: grid, height: grid };
  const rgb = new Uint8Array(3 * grid * grid);
  // The level of the pyramid that is as fine as the cells holds their means.
  pastePatch(packedTarget(rgb, size), patchPyramid(patch), { centreX: grid / 2, centreY: grid / 2, sidePx: grid, rotationDeg: 0, brightness: 1 });
  return Float32Array.from(rgb, (value) => value / 255);
}

/** Mean difference between neighbouring cells, 0 to 1: what a printer and a camera lose first. */
export function totalVariation(colours: Float32Array, grid: number): number {
  if (grid < 2) return 0;
  let sum = 0;
  for (let y = 0; y < grid; y += 1) {
    for (let x = 0; x < grid; x += 1) {
      const at = 3 * (y * grid + x);
      for (let channel = at; channel < at + 3; channel += 1) {
        if (x + 1 < grid) sum += Math.abs(colours[channel + 3]! - colours[channel]!);
        if (y + 1 < grid) sum += Math.abs(colours[channel + 3 * grid]! - colours[channel]!);
      }
    }
  }
  return sum / (6 * grid * (grid - 1));
}
