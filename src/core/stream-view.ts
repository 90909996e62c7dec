import type { ErrorCode } from './errors.js';
import type { GuardReport, PatchFinding } from './guard-report.js';
import type { MoveReason, OperatingPointReport } from './operating-point.js';
import type { RedundancyAction } from './redundancy-report.js';
import type { SourceEvent } from './source.js';
import type { StereoRig } from './stereo-rig.js';
import type { GridLevel, VoxelGrid } from './voxel-grid.js';

/** How a running stream is drawn: one node a stage, edges with their overflow policy. */
export interface GraphDescription {
  readonly stream: string;
  readonly nodes: readonly { readonly id: string; readonly kind: string; readonly detail: string }[];
  readonly edges: readonly { readonly from: string; readonly to: string; readonly overflow: string; readonly capacity: number }[];
}

/** Distribution of one time; percentiles are undefined where the samples are too few to say (64 for p90, 662 for p99, 4603 for p99.9). */
export interface TimeSummary {
  readonly n: number;
  readonly meanMs: number;
  readonly varianceMs2: number;
  /** Standard deviation over mean. */
  readonly cv: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly p50Ms: number | undefined;
  readonly p90Ms: number | undefined;
  readonly p95Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly p999Ms: number | undefined;
}

export interface StageStats {
  readonly stage: string;
  readonly queue: TimeSummary;
  readonly service: TimeSummary;
  /** Frames waiting or being served now. */
  readonly inFlight: number;
}

/** What a stream's guard did since the stream began. */
export interface GuardStats {
  /** Delivered frames, by what the guard said of them. */
  readonly frames: readonly { readonly state: GuardReport['state']; readonly reason?: string; readonly count: number }[];
  /** Regions looked at closely: one for each frame that it is in. */
  readonly patches: readonly { readonly verdict: PatchFinding['verdict']; readonly action: PatchFinding['action']; readonly count: number }[];
  /** Inferences beside the one that every frame costs. */
  readonly extraPasses: number;
  /** Boxes. */
  readonly recovered: number;
  readonly suppressed: number;
}

/** What a stream's tracker did since the stream began. */
export interface TrackStats {
  /** Confirmed tracks that were seen in the newest frame. */
  readonly now: number;
  /** Tracks that were ever confirmed. */
  readonly confirmed: number;
  /** Greatest id so far; tentative tracks have one, too. */
  readonly idsGiven: number;
}

/** What a stream's redundancy gate spared since the stream began. */
export interface RedundancyStats {
  /** Delivered frames, by how their detections came about. */
  readonly frames: readonly { readonly action: RedundancyAction; readonly reason: string; readonly count: number }[];
  /** Frames that the model did not see. */
  readonly avoidedInferences: number;
  /** Of the work of inferring every frame whole, 0 to 1; below 0 where tiles had to be followed by the whole. */
  readonly avoidedWorkShare: number;
}

/** What a stream's pairs told of occupied space since the stream began. */
export interface OccupancyStats {
  readonly pairs: number;
  /** Of the finest cells those that were computed, the mean over the pairs, 0 to 1. */
  readonly computedShare: number;
  /** Pairs by the finest level that they were looked at in, the finest first. */
  readonly levels: readonly { readonly level: GridLevel; readonly count: number }[];
  /** Frames that told nothing, by why. */
  readonly missing: readonly { readonly code: ErrorCode; readonly count: number }[];
}

/** What a stream's governor did since the stream began. */
export interface GovernorStats {
  /** Where frames are worked on now. */
  readonly point: OperatingPointReport;
  readonly moves: readonly { readonly reason: MoveReason; readonly count: number }[];
}

export interface StreamStats {
  readonly stream: string;
  /** Delivered frames a second over the last seconds. */
  readonly fps: number;
  /** The same from the first delivered frame to the last. */
  readonly meanFps: number;
  readonly received: number;
  readonly delivered: number;
  readonly dropped: readonly { readonly stage: string; readonly reason: string; readonly count: number }[];
  readonly endToEnd: TimeSummary;
  readonly stages: readonly StageStats[];
  readonly eventLoopDelay: TimeSummary;
  /** Where the stream has a guard, from its first frame on. */
  readonly guard?: GuardStats;
  /** Where the stream has a redundancy gate, from its first frame on. */
  readonly redundancy?: RedundancyStats;
  /** Where the stream has a tracker, from its first frame on. */
  readonly tracks?: TrackStats;
  /** Where the stream tells occupied space, from its first frame on. */
  readonly occupancy?: OccupancyStats;
  /** Where the stream has a governor. */
  readonly governor?: GovernorStats;
}

/** What a stream sees with where it has two cameras, and the cube that it looks at. */
export interface StereoView {
  /** Of the rectified pictures. */
  readonly rig: StereoRig;
  readonly grid: VoxelGrid;
}

/** What the server may know of a running stream. */
export interface StreamView {
  readonly name: string;
  readonly sourceKind: string;
  /** Address without credentials. */
  readonly location: string;
  readonly model: string;
  readonly labels: readonly string[];
  lastEvent(): SourceEvent | undefined;
  reconnects(): number;
  /** The same by why: an error code, or `ended` where the source just ended. */
  reconnectReasons(): readonly { readonly reason: string; readonly count: number }[];
  /** Buffers for frames, and how many of them hold one now; undefined where the stream isn't told. */
  pool(): { readonly capacity: number; readonly inUse: number } | undefined;
  /** What it sees with, where the stream tells occupied space. */
  stereo?(): StereoView | undefined;
  stats(): StreamStats;
  describe(): GraphDescription;
}
