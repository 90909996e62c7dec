import { assign, AssignmentScratch } from '../../tracking/assignment.js';
import { EPSILON, type ScoredFrame, type ScoredSequence } from './mot-sequence.js';

/** HOTA (Luiten et al., IJCV 2021), as TrackEval computes it: means over the thresholds of IoU from .05 to .95. All 0 to 1. */
export interface HotaMetrics {
  readonly hota: number;
  /** How well objects are found. */
  readonly detA: number;
  /** How well what is found is kept together. */
  readonly assA: number;
  /** How well boxes lie. */
  readonly locA: number;
}

const THRESHOLDS = Array.from({ length: 19 }, (_, i) => (i + 1) * 0.05);

export function hotaMetrics(sequence: ScoredSequence): HotaMetrics {
  const alignment = globalAlignment(sequence);
  const matchesOf = THRESHOLDS.map(() => new Float64Array(alignment.score.length));
  const overlaps = THRESHOLDS.map(() => 0);
  const truePositives = THRESHOLDS.map(() => 0);
  const scratch = new AssignmentScratch();
  for (const frame of sequence.frames) {
    for (const { pair, overlap } of matchFrame(frame, alignment, scratch)) {
      THRESHOLDS.forEach((threshold, i) => {
        if (overlap < threshold - EPSILON) return;
        matchesOf[i]![pair]! += 1;
        overlaps[i]! += overlap;
        truePositives[i]! += 1;
      });
    }
  }
  const objects = sum(alignment.truthCount);
  const boxes = sum(alignment.trackCount);
  const detA = truePositives.map((found) => found / Math.max(1, objects + boxes - found));
  const assA = matchesOf.map((matches, i) => associated(matches, alignment) / Math.max(1, truePositives[i]!));
  return {
    hota: mean(detA.map((detection, i) => Math.sqrt(detection * assA[i]!))),
    detA: mean(detA),
    assA: mean(assA),
    // Where nothing is found, nothing lies wrong: TrackEval's 1.
    locA: mean(overlaps.map((overlap, i) => Math.max(1e-10, overlap) / Math.max(1e-10, truePositives[i]!))),
  };
}

/** How well each object goes with each track over the whole sequence; object by object. */
interface Alignment {
  readonly score: Float64Array;
  readonly truthCount: Float64Array;
  readonly trackCount: Float64Array;
}

function globalAlignment({ frames, truthIds, trackIds }: ScoredSequence): Alignment {
  const potential = new Float64Array(truthIds.length * trackIds.length);
  const truthCount = new Float64Array(truthIds.length);
  const trackCount = new Float64Array(trackIds.length);
  for (const { truth, tracks, similarity } of frames) {
    for (const object of truth) truthCount[object]! += 1;
    for (const track of tracks) trackCount[track]! += 1;
    const ofRow = new Float64Array(truth.length);
    const ofColumn = new Float64Array(tracks.length);
    similarity.forEach((value, at) => {
      ofRow[Math.floor(at / tracks.length)]! += value;
      ofColumn[at % tracks.length]! += value;
    });
    similarity.forEach((value, at) => {
      const [row, column] = [Math.floor(at / tracks.length), at % tracks.length];
      const shared = ofRow[row]! + ofColumn[column]! - value;
      if (shared > EPSILON) potential[truth[row]! * trackIds.length + tracks[column]!]! += value / shared;
    });
  }
  const score = potential.map((value, pair) => value / (truthCount[Math.floor(pair / trackIds.length)]! + trackCount[pair % trackIds.length]! - value));
  return { score, truthCount, trackCount };
}

/** The pairs of a frame that go together best, over all and here. */
function matchFrame({ truth, tracks, similarity }: ScoredFrame, { score, trackCount }: Alignment, scratch: AssignmentScratch): { readonly pair: number; readonly overlap: number }[] {
  const pairAt = (at: number): number => truth[Math.floor(at / tracks.length)]! * trackCount.length + tracks[at % tracks.length]!;
  const columnOfRow = new Int32Array(truth.length);
  assign(
    similarity.map((value, at) => value * score[pairAt(at)]!),
    truth.length,
    tracks.length,
    columnOfRow,
    scratch,
  );
  return [...columnOfRow.entries()].filter(([, column]) => column >= 0).map(([row, column]) => ({ pair: pairAt(row * tracks.length + column), overlap: similarity[row * tracks.length + column]! }));
}

/** Sum over the matches of how well their object and their track go together. */
function associated(matches: Float64Array, { truthCount, trackCount }: Alignment): number {
  return matches.reduce((total, count, pair) => total + (count * count) / Math.max(1, truthCount[Math.floor(pair / trackCount.length)]! + trackCount[pair % trackCount.length]! - count), 0);
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}
