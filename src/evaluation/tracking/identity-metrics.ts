import { assign, AssignmentScratch } from '../../tracking/assignment.js';
import { MATCH_IOU, type ScoredSequence } from './mot-sequence.js';

/** Identity metrics (Ristani et al. 2016): objects and tracks are paired once for the whole sequence. All 0 to 1. */
export interface IdentityMetrics {
  readonly idf1: number;
  readonly idPrecision: number;
  readonly idRecall: number;
  /** Boxes of tracks on the very object that the track was paired with. */
  readonly idTruePositives: number;
}

export function identityMetrics({ frames, truthIds, trackIds }: ScoredSequence): IdentityMetrics {
  const together = new Float64Array(truthIds.length * trackIds.length);
  let [objects, boxes] = [0, 0];
  for (const { truth, tracks, similarity } of frames) {
    objects += truth.length;
    boxes += tracks.length;
    similarity.forEach((value, at) => {
      if (value >= MATCH_IOU) together[truth[Math.floor(at / tracks.length)]! * trackIds.length + tracks[at % tracks.length]!]! += 1;
    });
  }
  // The pairing with the fewest wrong boxes and misses is that with the most right ones: both sums are fixed.
  const trackOfObject = new Int32Array(truthIds.length);
  assign(together, truthIds.length, trackIds.length, trackOfObject, new AssignmentScratch());
  const idTruePositives = trackOfObject.reduce((sum, track, object) => sum + (track < 0 ? 0 : together[object * trackIds.length + track]!), 0);
  return {
    idf1: (2 * idTruePositives) / Math.max(1, objects + boxes),
    idPrecision: idTruePositives / Math.max(1, boxes),
    idRecall: idTruePositives / Math.max(1, objects),
    idTruePositives,
  };
}
