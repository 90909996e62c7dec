import type { ErrorCode } from './errors.js';
import type { Octree, OccupancyUpdate, SectorDistances } from './occupancy-update.js';
import type { GridLevel, VoxelGrid } from './voxel-grid.js';

/** Width, height and depth in the left camera's axes, metres; whole cells. */
export type ExtentM = readonly [number, number, number];

/** What lies in the frustum of one box. */
export interface BoxDepth {
  /** Of its rays, the share that meets something in range. */
  readonly hitShare: number;
  /** To the front of the nearest thing that takes enough of the box, metres ahead; undefined where there is none. */
  readonly distanceM: number | undefined;
  /** Of what is seen of it; undefined as above. Something flat, such as a person on paper, has a depth of one cell or two. */
  readonly extentM: ExtentM | undefined;
  /** False where the detector sees something and the cameras see nothing there within range. */
  readonly hasVolume: boolean;
}

/** Something solid in the picture that no box shows. */
export interface UnboxedVolume {
  /** Left, top, right, bottom in the left picture as it was recorded, pixels. */
  readonly xyxy: readonly [number, number, number, number];
  readonly distanceM: number;
  readonly extentM: ExtentM;
  readonly cells: number;
}

/** Why a frame of a stereo stream tells nothing new of space: what is known stays, and fades with time. */
export interface MissingOccupancy {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Occupied space after one pair, with what was known before. */
export interface OccupancyReport {
  readonly grid: VoxelGrid;
  /** Finest level that this pair was looked at in. */
  readonly level: GridLevel;
  /** All that is occupied now. */
  readonly tree: Octree;
  /** The same as what changed since the report before. Who missed that one can be given `tree` as a keyframe of this epoch and update. */
  readonly update: OccupancyUpdate;
  readonly nearest: SectorDistances;
  /** Share of the finest cells that were computed, 0 to 1. */
  readonly computedShare: number;
  /** Where a detector came before: one for each of its boxes, in their order. */
  readonly boxes?: readonly BoxDepth[];
  /** As `boxes`; the nearest first. */
  readonly volumes?: readonly UnboxedVolume[];
}
