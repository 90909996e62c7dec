import type { GridLevel, VoxelGrid } from '../../core/voxel-grid.js';
import type { LevelScores, TimeSummary } from '../../evaluation/occupancy/occupancy-score.js';
import type { BrokenPair, StereoPair, StereoSet } from '../../evaluation/occupancy/stereo-set.js';

/** What a method finds of a pair. */
export interface PairFinding {
  readonly cells: Readonly<Partial<Record<GridLevel, Uint8Array>>>;
  /** Of a network: milliseconds from pixels to the coarse levels, and to all; and the share of the finest cells that was computed. */
  readonly coarseMs?: number;
  readonly allMs?: number;
  readonly computedShare?: number;
}

/** Something that finds occupied cells: a network, or the disparities of another method. */
export interface StereoMethod {
  /** For titles: the id of a model, the name of a folder. */
  readonly name: string;
  readonly kind: 'model' | 'disparity';
  /** Where a rig is beyond what a network was trained with: what and how. */
  doubt(pair: StereoPair, grid: VoxelGrid): string | undefined;
  /** @throws AppError */
  find(pair: StereoPair, grid: VoxelGrid): Promise<PairFinding>;
  close(): Promise<void>;
}

export interface ScoredPair {
  readonly pair: StereoPair;
  readonly scores: LevelScores;
  readonly finding: Omit<PairFinding, 'cells'>;
  /** `heightsFromAbove` of the finest level. */
  readonly truthFromAbove: Uint8Array;
  readonly foundFromAbove: Uint8Array;
}

export interface StereoEvaluation {
  /** Name of the folder. */
  readonly dataset: string;
  readonly layout: StereoSet['layout'];
  readonly method: Pick<StereoMethod, 'name' | 'kind'>;
  readonly grid: VoxelGrid;
  /** Whether a disparity of 0 says nothing. */
  readonly hasGaps: boolean;
  readonly isRigAssumed: boolean;
  /** Threads within one inference. */
  readonly threads: number;
  readonly pairs: readonly ScoredPair[];
  readonly broken: readonly BrokenPair[];
  /** Means over pairs. */
  readonly levels: LevelScores;
  /** Of a network. */
  readonly ms: { readonly coarse: TimeSummary; readonly all: TimeSummary } | undefined;
  /** Mean over pairs. */
  readonly computedShare: number | undefined;
  /** Different doubts, each once. */
  readonly doubts: readonly string[];
}
