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
  // In cells: sideways and down for each cell ahead. The parameter of the ray is z.
  const slopeX = (column - rig.centre.x) / rig.focalPx;
  const slopeY = (row - rig.centre.y) / rig.focalPx;
  const originX = side / 2;
  const originY = (grid.rangeM - grid.bottomM) * cells;
  let at = entry(originX, slopeX, originY, slopeY, side);
  if (at === Infinity) return MISS;
  let x = clampedCell(originX + slopeX * (at + NUDGE), side);
  let y = clampedCell(originY + slopeY * (at + NUDGE), side);
  let z = clampedCell(at + NUDGE, side);
  let nextX = nextFace(originX, slopeX, x);
  let nextY = nextFace(originY, slopeY, y);
  while (x >= 0 && x < side && y >= 0 && y < side && z < side) {
    const cell = x + side * (y + side * z);
    if (occupied[cell] !== 0) return { cell, zM: at / cells };
    onFree?.(cell);
    at = Math.min(nextX, nextY, z + 1);
    if (at === z + 1) z += 1;
    else if (at === nextX) nextX = nextFace(originX, slopeX, (x += Math.sign(slopeX)));
    else nextY = nextFace(originY, slopeY, (y += Math.sign(slopeY)));
  }
  return MISS;
}

function clampedCell(place: number, side: number): number {
  return Math.min(side - 1, Math.max(0, Math.floor(place)));
}

/** How far ahead a ray leaves a cell by its side; `Infinity` where it goes straight ahead. */
function nextFace(origin: number, slope: number, cell: number): number {
  return slope === 0 ? Infinity : (cell + (slope > 0 ? 1 : 0) - origin) / slope;
}

/** Where a ray enters the cube, cells ahead of the camera; `Infinity` where it doesn't. */
function entry(originX: number, slopeX: number, originY: number, slopeY: number, side: number): number {
  const [fromX, toX] = within(originX, slopeX, side);
  const [fromY, toY] = within(originY, slopeY, side);
  const from = Math.max(0, fromX, fromY);
  return from < Math.min(side, toX, toY) ? from : Infinity;
}

/** From where to where a ray is between two sides of the cube. */
function within(origin: number, slope: number, side: number): readonly [number, number] {
  if (slope === 0) return origin >= 0 && origin < side ? [-Infinity, Infinity] : [Infinity, -Infinity];
  const [a, b] = [-origin / slope, (side - origin) / slope];
  return a < b ? [a, b] : [b, a];
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
