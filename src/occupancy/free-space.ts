import type { StereoRig } from '../core/stereo-rig.js';
import type { GridLevel, VoxelGrid } from '../core/voxel-grid.js';

/** What a ray through the left picture meets. */
export interface RayHit {
  /** Index of the first occupied cell, -1 where there is none up to the cube's end. */
  readonly cell: number;
  /** Where the ray enters that cell, metres ahead; `Infinity` where there is none. */
  readonly zM: number;
}

const MISS: RayHit = { cell: -1, zM: Infinity };

/** A bit more than nothing: a point on a face belongs to the cell ahead of it. */
const NUDGE = 1e-9;

/**
 * Follows the ray of a pixel of the left picture from cell to cell (Amanatides and Woo 1987) up to the first that is occupied.
 *
 * @param occupied one byte for each of the `side ** 3` cells, not 0 where it is occupied.
 * @param onFree is called with each cell in the cube that is passed before.
 */
export function castRay(rig: StereoRig, grid: VoxelGrid, side: GridLevel, occupied: Uint8Array, column: number, row: number, onFree?: (cell: number) => void): RayHit {
  const cells = side / grid.rangeM;
  // In cells, for each metre ahead; the parameter of the ray is z in cells.
  const slope = [(column - rig.centre.x) / rig.focalPx, (row - rig.centre.y) / rig.focalPx, 1];
  const origin = [side / 2, (grid.rangeM - grid.bottomM) * cells, 0];
  let z = entry(origin, slope, side);
  if (z === Infinity) return MISS;
  const cell = slope.map((step, axis) => Math.min(side - 1, Math.max(0, Math.floor(origin[axis]! + step * (z + NUDGE)))));
  const stepOf = slope.map(Math.sign);
  const perCell = slope.map((step) => 1 / Math.abs(step));
  const next = slope.map((step, axis) => (step === 0 ? Infinity : (cell[axis]! + (step > 0 ? 1 : 0) - origin[axis]!) / step));
  for (;;) {
    const index = cell[0]! + side * (cell[1]! + side * cell[2]!);
    if (occupied[index] !== 0) return { cell: index, zM: z / cells };
    onFree?.(index);
    const axis = next[0]! < next[1]! ? (next[0]! < next[2]! ? 0 : 2) : next[1]! < next[2]! ? 1 : 2;
    z = next[axis]!;
    next[axis]! += perCell[axis]!;
    cell[axis]! += stepOf[axis]!;
    if (cell[axis]! < 0 || cell[axis]! >= side) return MISS;
  }
}

/** Where a ray enters the cube, cells ahead of the camera; `Infinity` where it doesn't. */
function entry(origin: readonly number[], slope: readonly number[], side: number): number {
  let from = 0;
  let to = Infinity;
  slope.forEach((step, axis) => {
    const faces = step === 0 ? (origin[axis]! >= 0 && origin[axis]! < side ? [-Infinity, Infinity] : [Infinity, -Infinity]) : [-origin[axis]! / step, (side - origin[axis]!) / step].sort((a, b) => a - b);
    from = Math.max(from, faces[0]!);
    to = Math.min(to, faces[1]!);
  });
  return from < to ? from : Infinity;
}

/**
 * Marks the cells that rays of the left picture pass before the first occupied one: what is seen to be free. Cells behind a surface and beside
 * the picture stay as they are.
 *
 * Two rays a cell at the far end of the cube: a cell's width there is `focalPx / side` pixels, whatever the range.
 *
 * @param occupied, `free` one byte for each of the `side ** 3` cells; `free` gets 1 where a cell is seen to be free.
 */
export function markFreeSpace(rig: StereoRig, grid: VoxelGrid, side: GridLevel, occupied: Uint8Array, free: Uint8Array): void {
  const stepPx = Math.max(1, rig.focalPx / side / 2);
  const mark = (cell: number): void => void (free[cell] = 1);
  for (let row = 0; row < rig.size.height; row += stepPx) {
    for (let column = 0; column < rig.size.width; column += stepPx) castRay(rig, grid, side, occupied, column, row, mark);
  }
}

/** One byte for each cell of a cube, 1 for those that are named. */
export function maskOf(side: GridLevel, cells: Iterable<number>): Uint8Array {
  const mask = new Uint8Array(side ** 3);
  for (const cell of cells) mask[cell] = 1;
  return mask;
}
