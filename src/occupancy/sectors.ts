import { assert } from '../core/assert.js';
import type { SectorDistances } from '../core/occupancy-update.js';
import type { GridLevel, VoxelGrid } from '../core/voxel-grid.js';

export interface SectorOptions {
  /** Sectors of equal angle, 1 or more. */
  readonly sectors: number;
  /** Azimuths of the outer edges, degrees: 0 is straight ahead, positive to the right; -90 to 90 is all there is. */
  readonly fromDeg: number;
  readonly toDeg: number;
  /** What counts as an obstacle reaches into these heights, metres above the left camera; the ground is below a camera that stands on something. */
  readonly lowestM: number;
  readonly highestM: number;
}

/** Edges of a cell in the left camera's axes, metres. */
export interface CellBounds {
  readonly left: number;
  readonly right: number;
  /** y points down: the top is less than the bottom. */
  readonly top: number;
  readonly bottom: number;
  readonly near: number;
  readonly far: number;
}

export function boundsOf({ rangeM, bottomM }: VoxelGrid, side: GridLevel, cell: number): CellBounds {
  const sizeM = rangeM / side;
  const left = ((cell % side) - side / 2) * sizeM;
  const top = bottomM - rangeM + (Math.floor(cell / side) % side) * sizeM;
  const near = Math.floor(cell / (side * side)) * sizeM;
  return { left, right: left + sizeM, top, bottom: top + sizeM, near, far: near + sizeM };
}

/** Whether a cell reaches into heights above the camera, metres. */
export function isWithinHeights({ top, bottom }: CellBounds, { lowestM, highestM }: Pick<SectorOptions, 'lowestM' | 'highestM'>): boolean {
  return -top > lowestM && -bottom < highestM;
}

/**
 * Distance to the nearest obstacle in each direction, to the nearest point of its cell on the ground plane: never more than to the obstacle
 * itself. A cell counts for every sector that it reaches into.
 */
export function nearestBySector(cells: Iterable<number>, grid: VoxelGrid, side: GridLevel, options: SectorOptions): SectorDistances {
  const { sectors, fromDeg, toDeg } = options;
  assert(sectors >= 1 && fromDeg < toDeg, 'sectors cover an angle');
  const distanceM = new Float32Array(sectors).fill(Infinity);
  for (const cell of cells) {
    const bounds = boundsOf(grid, side, cell);
    if (!isWithinHeights(bounds, options)) continue;
    const cellDistanceM = Math.hypot(Math.max(bounds.left, -bounds.right, 0), bounds.near);
    const [first, last] = azimuthsOf(bounds).map((degrees) => ((degrees - fromDeg) / (toDeg - fromDeg)) * sectors) as [number, number];
    // A cell that ends where a sector begins isn't in it.
    for (let i = Math.max(0, Math.floor(first)); i < Math.min(sectors, Math.max(Math.ceil(last), Math.floor(first) + 1)); i += 1) distanceM[i] = Math.min(distanceM[i]!, cellDistanceM);
  }
  return { fromDeg, toDeg, distanceM };
}

/** Between which azimuths a cell is seen, degrees. Of a cell beside the camera the near corner is at a right angle. */
function azimuthsOf({ left, right, near, far }: CellBounds): [number, number] {
  const degrees = (x: number, z: number): number => (Math.atan2(x, z) * 180) / Math.PI;
  return [degrees(left, left < 0 ? near : far), degrees(right, right > 0 ? near : far)];
}
