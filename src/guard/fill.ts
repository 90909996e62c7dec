import type { Size } from '../core/size.js';
import type { InputRegion } from './region.js';

/**
 * Fills regions of a picture from what is above and below them, in place: every column is interpolated between the mean of the rows
 * just over and just under the region (the nearest one alone at the border of the picture).
 *
 * @param planes three planes of `size` bytes each; regions are cut at the borders.
 */
export function fillRegions(planes: Uint8Array, size: Size, regions: readonly InputRegion[]): void {
  for (const region of regions) {
    for (let plane = 0; plane < 3; plane += 1) fillPlane(planes, size, plane * size.width * size.height, region);
  }
}

function fillPlane(planes: Uint8Array, { width, height }: Size, offset: number, region: InputRegion): void {
  const top = Math.max(0, region.top);
  const bottom = Math.min(height, region.bottom);
  const right = Math.min(width, region.right);
  for (let x = Math.max(0, region.left); x < right; x += 1) {
    const above = top > 0 ? planes[offset + (top - 1) * width + x]! : undefined;
    const below = bottom < height ? planes[offset + bottom * width + x]! : undefined;
    const first = above ?? below ?? 128;
    const last = below ?? first;
    const rows = bottom - top + 1;
    for (let y = top; y < bottom; y += 1) {
      const share = (y - top + 1) / rows;
      planes[offset + y * width + x] = Math.round(first + (last - first) * share);
    }
  }
}
