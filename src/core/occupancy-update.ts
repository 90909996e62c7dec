import type { GridLevel, VoxelGrid } from './voxel-grid.js';

/** Blocks are the cells of the coarsest level, 8 a side. */
export const OCTREE_BLOCKS = 512;

/**
 * Occupied cells of a grid as bytes: which of the 512 blocks are occupied, and of each of these how it is refined, down to `level`.
 *
 * The child of a cell that lies at odd x, y, z has bit `1 * x + 2 * y + 4 * z` of its parent's mask. A mask of 0 is a cell that is occupied and
 * of which nothing finer is known.
 */
export interface Octree {
  /** Cells a side of the finest level that is known. */
  readonly level: GridLevel;
  /** 64 bytes: block i is bit `i % 8` of byte `i >> 3`. */
  readonly blocks: Uint8Array;
  /** The subtrees of the occupied blocks in ascending order: one mask a cell, breadth first, for all cells coarser than `level`. At most 73 bytes a block. */
  readonly subtrees: Uint8Array;
  /** Where it is known: of each cell at `level`, in the order that the subtrees are read in, how sure it is, in 255ths. */
  readonly confidence?: Uint8Array;
}

/** Distance to the nearest obstacle by direction; see `nearestBySector`. */
export interface SectorDistances {
  /** Azimuths of the outer edges, degrees; 0 is straight ahead, positive to the right. */
  readonly fromDeg: number;
  readonly toDeg: number;
  /** Of sectors of equal angle from `fromDeg` on: metres on the ground plane from the left camera, `Infinity` where nothing is. */
  readonly distanceM: Float32Array;
}

/** What changed in occupied space since the update before it: what subscribers get. */
export interface OccupancyUpdate {
  /** `keyframe`: the tree is all there is. `delta`: the tree holds the blocks that changed. */
  readonly kind: 'keyframe' | 'delta';
  /** Counts keyframes, from 0. */
  readonly epoch: number;
  /** Counts the updates of an epoch; 0 is its keyframe. A delta holds for who has the one before it. */
  readonly update: number;
  readonly grid: VoxelGrid;
  readonly tree: Octree;
  /** Of a delta, 64 bytes as `blocks`: those that were occupied and aren't any more. */
  readonly cleared?: Uint8Array;
}
