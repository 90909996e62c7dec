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

/** Any patch as the colours of a search: the means of its cells, at least a pixel each. */
export function coloursOf({ size, rgb }: PatchImage, grid: number): Float32Array {
  const colours = new Float32Array(3 * grid * grid);
  const range = (cell: number, pixels: number): [number, number] => {
    const first = Math.floor((cell * pixels) / grid);
    return [first, Math.max(first + 1, Math.floor(((cell + 1) * pixels) / grid))];
  };
  for (let cell = 0; cell < grid * grid; cell += 1) {
    const [left, right] = range(cell % grid, size.width);
    const [top, bottom] = range(Math.floor(cell / grid), size.height);
    const share = 1 / (255 * (right - left) * (bottom - top));
    for (let y = top; y < bottom; y += 1) {
      for (let x = left; x < right; x += 1) {
        for (let channel = 0; channel < 3; channel += 1) colours[3 * cell + channel]! += share * rgb[3 * (y * size.width + x) + channel]!;
      }
    }
  }
  return colours.map((value) => Math.min(1, value));
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
