import type { MotRow } from '../../evaluation/tracking/mot-format.js';
import type { ScoredSequence } from '../../evaluation/tracking/mot-sequence.js';
import type { TrackScore } from '../../evaluation/tracking/score-tracks.js';
import type { TrackingOptions } from '../../tracking/tracker-options.js';
import type { MotInput } from './mot-input.js';

/** Results with what they score. */
export interface ScoredTracks {
  readonly rows: readonly MotRow[];
  readonly sequence: ScoredSequence;
  readonly score: TrackScore;
}

/** The same tracker on what is left when frames are dropped at random. */
export interface DroppedTracks {
  readonly share: number;
  readonly seed: number;
  readonly kept: ScoredTracks;
  /** On all frames: those that were dropped have no boxes. */
  readonly all: ScoredTracks;
}

/** How the tracks came about, where they are ours. */
export interface TrackedRun {
  readonly model: string;
  readonly threshold: number;
  readonly tracking: TrackingOptions;
  /** Of each frame, microseconds of the tracker. */
  readonly costUs: readonly number[];
}

export interface TrackingEvaluation {
  readonly input: MotInput;
  /** Undefined where the tracks came from a file. */
  readonly run: TrackedRun | undefined;
  readonly full: ScoredTracks;
  readonly dropped: DroppedTracks | undefined;
}
