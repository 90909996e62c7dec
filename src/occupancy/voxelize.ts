import { depthOf, type StereoRig } from '../core/stereo-rig.js';
import { cellAt, type VoxelGrid } from '../core/voxel-grid.js';

/**
 * Cells that hold at least one point of a disparity picture: the truth of occupancy where the disparity is true.
 *
 * @param disparityPx of the left picture, by pixel; 0, less, and what isn't finite are no points.
 * @param side cells a side of the grid.
 * @param out one byte a cell, 1 where occupied; all of it is written.
 */
export function voxelize(disparityPx: Float32Array, rig: StereoRig, grid: VoxelGrid, side: number, out: Uint8Array): void {
  const { size, focalPx, centre } = rig;
  out.fill(0);
  for (let v = 0, i = 0; v < size.height; v += 1) {
    for (let u = 0; u < size.width; u += 1, i += 1) {
      if (!isPoint(disparityPx[i]!)) continue;
      const zM = depthOf(rig, disparityPx[i]!);
      const cell = cellAt(grid, side, ((u - centre.x) * zM) / focalPx, ((v - centre.y) * zM) / focalPx, zM);
      if (cell >= 0) out[cell] = 1;
    }
  }
}

/** The next coarser level: a cell is set where one of its eight is. @param fine `side` cells a side, even; 1 where set. */
export function poolCells(fine: Uint8Array, side: number): Uint8Array {
  const half = side / 2;
  const coarse = new Uint8Array(half * half * half);
  for (let z = 0, i = 0; z < side; z += 1) {
    for (let y = 0; y < side; y += 1) {
      const row = half * ((y >> 1) + half * (z >> 1));
      for (let x = 0; x < side; x += 1, i += 1) if (fine[i]! !== 0) coarse[row + (x >> 1)] = 1;
    }
  }
  return coarse;
}

/**
 * Cells that a disparity picture can say something of: those that the ray of a pixel with a known disparity goes through, at any depth.
 * Where a cell of these is empty in the truth, nothing of it was seen there; of all others nothing is known.
 *
 * @param knownZero whether a disparity of 0 is an answer, too (rendered sky), and not a gap.
 * @param out as in `voxelize`.
 */
export function seenCells(disparityPx: Float32Array, rig: StereoRig, grid: VoxelGrid, side: number, knownZero: boolean, out: Uint8Array): void {
  const { size, focalPx, centre } = rig;
  out.fill(0);
  for (let v = 0, i = 0; v < size.height; v += 1) {
    for (let u = 0; u < size.width; u += 1, i += 1) {
      const disparity = disparityPx[i]!;
      if (isPoint(disparity) || (knownZero && disparity === 0)) walkRay((u - centre.x) / focalPx, (v - centre.y) / focalPx, grid, side, out);
    }
  }
}

function isPoint(disparityPx: number): boolean {
  return disparityPx > 0 && disparityPx < Infinity;
}

/** Sets the cells on the ray `(right * z, down * z, z)`, one after the other (Amanatides and Woo 1987). */
function walkRay(right: number, down: number, { rangeM, bottomM }: VoxelGrid, side: number, out: Uint8Array): void {
  // In cells, from the cube's near upper left corner.
  const startX = side / 2;
  const startY = ((rangeM - bottomM) * side) / rangeM;
  let [x, y, z] = [Math.floor(startX), Math.floor(startY), 0];
  const [stepX, stepY] = [right < 0 ? -1 : 1, down < 0 ? -1 : 1];
  // Depth, in cells, at which the ray leaves its column, row and slab.
  let [leaveX, leaveY, leaveZ] = [(x + Number(right >= 0) - startX) / right, (y + Number(down >= 0) - startY) / down, 1];
  if (right === 0) leaveX = Infinity;
  if (down === 0) leaveY = Infinity;
  while (z < side) {
    if (x >= 0 && x < side && y >= 0 && y < side) out[x + side * (y + side * z)] = 1;
    if (leaveX <= leaveY && leaveX <= leaveZ) {
      x += stepX;
      leaveX = (x + Number(right >= 0) - startX) / right;
    } else if (leaveY <= leaveZ) {
      y += stepY;
      leaveY = (y + Number(down >= 0) - startY) / down;
    } else {
      z += 1;
      leaveZ = z + 1;
    }
  }
}
