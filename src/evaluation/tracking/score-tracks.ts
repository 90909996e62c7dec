import { type ClearMetrics, clearMetrics } from './clear-metrics.js';
import { type HotaMetrics, hotaMetrics } from './hota.js';
import { type IdentityMetrics, identityMetrics } from './identity-metrics.js';
import type { ScoredSequence } from './mot-sequence.js';

/** All that is said of the tracks of one sequence. */
export interface TrackScore extends ClearMetrics, IdentityMetrics, HotaMetrics {
  readonly frames: number;
  /** Boxes of the ground truth, and how many objects they are. */
  readonly objectBoxes: number;
  readonly objects: number;
  /** Boxes of the results, and how many tracks they are. */
  readonly trackBoxes: number;
  readonly tracks: number;
}

/** @param sequence as `scoredSequence` makes it */
export function scoreTracks(sequence: ScoredSequence): TrackScore {
  const { frames, truthIds, trackIds } = sequence;
  return {
    frames: frames.length,
    objectBoxes: frames.reduce((sum, { truth }) => sum + truth.length, 0),
    objects: truthIds.length,
    trackBoxes: frames.reduce((sum, { tracks }) => sum + tracks.length, 0),
    tracks: trackIds.length,
    ...clearMetrics(sequence),
    ...identityMetrics(sequence),
    ...hotaMetrics(sequence),
  };
}
