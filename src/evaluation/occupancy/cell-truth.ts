import { AppError } from '../../core/errors.js';
import type { StereoRig } from '../../core/stereo-rig.js';
import { GRID_LEVELS, type GridLevel, type VoxelGrid } from '../../core/voxel-grid.js';
import { poolCells, seenCells, voxelize } from '../../occupancy/voxelize.js';
import type { DisparityPicture } from './disparity-file.js';

/** One byte a cell of each level, 1 where set. */
export type CellsByLevel = Readonly<Record<GridLevel, Uint8Array>>;

/** What a true disparity picture says of the cells of a cube. */
export interface CellTruth {
  readonly occupied: CellsByLevel;
  /** Cells that it says anything of: on the ray of a pixel whose disparity is known. */
  readonly seen: CellsByLevel;
}

/** Cells a side of the finest level. */
const FINEST = 64;

/**
 * @param hasGaps whether a disparity of 0 is a gap, and no sky.
 * @throws AppError ERR_DATASET_INVALID where the disparity isn't of the rig's pictures
 */
export function cellTruth(disparity: DisparityPicture, rig: StereoRig, grid: VoxelGrid, hasGaps: boolean): CellTruth {
  const occupied = disparityCells(disparity, rig, grid);
  const seen = new Uint8Array(FINEST ** 3);
  seenCells(disparity.disparityPx, rig, grid, FINEST, !hasGaps, seen);
  return { occupied, seen: allLevels(seen) };
}

/** Cells that hold a point of a disparity picture, at all levels. @throws AppError ERR_DATASET_INVALID where it isn't of the rig's pictures */
export function disparityCells({ size, disparityPx }: DisparityPicture, rig: StereoRig, grid: VoxelGrid): CellsByLevel {
  const { width, height } = rig.size;
  if (size.width !== width || size.height !== height) {
    throw new AppError('ERR_DATASET_INVALID', `expected a disparity picture of ${width} x ${height} but found ${size.width} x ${size.height}`, { fix: 'Give the disparity of the left picture at its size.' });
  }
  const cells = new Uint8Array(FINEST ** 3);
  voxelize(disparityPx, rig, grid, FINEST, cells);
  return allLevels(cells);
}

function allLevels(finest: Uint8Array): CellsByLevel {
  const levels: Partial<Record<GridLevel, Uint8Array>> = { [FINEST]: finest };
  for (const level of GRID_LEVELS.toReversed().slice(1)) levels[level] = poolCells(levels[(2 * level) as GridLevel]!, 2 * level);
  return levels as CellsByLevel;
}
