import type { Detections } from './detections.js';
import type { Frame } from './frame.js';
import type { GuardReport } from './guard-report.js';
import type { MissingOccupancy, OccupancyReport } from './occupancy-report.js';
import type { OperatingPointReport } from './operating-point.js';
import type { RedundancyReport } from './redundancy-report.js';
import type { FrameTracks } from './tracks.js';

/**
 * One frame and all that is known about it so far: what flows through the graph.
 * Every stage returns a new one with its own finding added.
 */
export interface FrameResult {
  readonly frame: Frame;
  readonly detections?: Detections;
  /** Where the stream has a guard: what it did with this frame. */
  readonly guard?: GuardReport;
  /** Where the stream has a tracker: which object each detection is. */
  readonly tracks?: FrameTracks;
  /** Where the stream has a redundancy gate: how the detections came about. */
  readonly redundancy?: RedundancyReport;
  /** Where the stream has a governor: the operating point that this frame was worked on at. */
  readonly operatingPoint?: OperatingPointReport;
  /** Where the stream sees with two cameras and has an occupancy stage: occupied space, or why this frame adds nothing to it. */
  readonly occupancy?: OccupancyReport | MissingOccupancy;
}

/** The result with what another detector found: which objects the boxes before it were doesn't hold for these. */
export function withDetections({ tracks: _outdated, ...result }: FrameResult, detections: Detections): FrameResult {
  return { ...result, detections };
}

/** One part of a stage's service time, for traces: `infer`, `decode`, `nms`. Monotonic milliseconds. */
export interface SpanPart {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * What one stage cost one frame. Monotonic milliseconds; `queuedMs <= startedMs <= endedMs`.
 * Queue wait is `startedMs - queuedMs`, service is `endedMs - startedMs`.
 */
export interface StageTiming {
  readonly stage: string;
  readonly queuedMs: number;
  readonly startedMs: number;
  readonly endedMs: number;
  /** Which worker served it, where one did. */
  readonly worker?: string;
  /** Of a detector: boxes over the threshold that went into suppression. */
  readonly boxesBeforeNms?: number;
  /** Longest time that the main thread's event loop was late while this stage had the frame. */
  readonly eventLoopDelayMs: number;
  /** Garbage collection on the main thread that overlapped the stage. */
  readonly gcMs: number;
  readonly parts: readonly SpanPart[];
}

/** A frame that has passed all stages, as sinks get it. The frame is only lent: a sink that keeps it retains it. */
export interface DeliveredFrame {
  readonly stream: string;
  readonly result: FrameResult;
  readonly labels: readonly string[];
  readonly timings: readonly StageTiming[];
  /** From the frame's first byte in this process to its delivery, measured apart from the timings (which sum to it). */
  readonly endToEndMs: number;
  /** Wall clock at delivery. */
  readonly emittedEpochMs: number;
  /** Frames dropped since the last delivered one, by `stage:reason`. */
  readonly droppedSinceLast: Readonly<Record<string, number>>;
}
