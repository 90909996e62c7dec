import { assign, AssignmentScratch } from '../../tracking/assignment.js';
import { EPSILON, MATCH_IOU, type ScoredSequence } from './mot-sequence.js';

/** CLEAR MOT (Bernardin and Stiefelhagen 2008), as TrackEval computes it. */
export interface ClearMetrics {
  /** 1 - (misses + false positives + switches) / objects: 1 is perfect, there is no lower end. */
  readonly mota: number;
  /** Mean IoU of the matches, 0 to 1. */
  readonly motp: number;
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly falseNegatives: number;
  readonly idSwitches: number;
  /** Times that an object is followed again after it wasn't. */
  readonly fragmentations: number;
  /** Objects that are matched in more than 80 % of their frames, in 20 to 80 %, in less. */
  readonly mostlyTracked: number;
  readonly partlyTracked: number;
  readonly mostlyLost: number;
  readonly switches: readonly IdSwitch[];
}

/** An object that is another track than it was when it was last matched. By the numbers that the sequence uses. */
export interface IdSwitch {
  readonly frame: number;
  readonly truth: number;
  readonly before: number;
  readonly after: number;
}

const NONE = -1;
/** So much more than any overlap counts that an object keeps the track that it had in the frame before. */
const CONTINUITY = 1000;
const MOSTLY_TRACKED = 0.8;
const MOSTLY_LOST = 0.2;

export function clearMetrics({ frames, truthIds }: ScoredSequence): ClearMetrics {
  const objects = truthIds.length;
  const seen = new Int32Array(objects);
  const matched = new Int32Array(objects);
  const timesFound = new Int32Array(objects);
  const lastTrack = new Int32Array(objects).fill(NONE);
  const trackBefore = new Int32Array(objects).fill(NONE);
  const trackNow = new Int32Array(objects);
  const switches: IdSwitch[] = [];
  const scratch = new AssignmentScratch();
  let [truePositives, falsePositives, falseNegatives, overlap] = [0, 0, 0, 0];
  for (const { frame, truth, tracks, similarity } of frames) {
    for (const object of truth) seen[object]! += 1;
    if (truth.length === 0 || tracks.length === 0) {
      // As TrackEval does: such a frame doesn't end anything, what comes after it follows what was before.
      falsePositives += tracks.length;
      falseNegatives += truth.length;
      continue;
    }
    const gain = similarity.map((value, at) => {
      if (value < MATCH_IOU - EPSILON) return 0;
      return value + (trackBefore[truth[Math.floor(at / tracks.length)]!] === tracks[at % tracks.length] ? CONTINUITY : 0);
    });
    const columnOfRow = new Int32Array(truth.length);
    assign(gain, truth.length, tracks.length, columnOfRow, scratch);
    trackNow.fill(NONE);
    let matches = 0;
    for (const [row, object] of truth.entries()) {
      const column = columnOfRow[row]!;
      if (column < 0) continue;
      const track = tracks[column]!;
      matches += 1;
      matched[object]! += 1;
      overlap += similarity[row * tracks.length + column]!;
      if (lastTrack[object] !== NONE && lastTrack[object] !== track) switches.push({ frame, truth: object, before: lastTrack[object]!, after: track });
      if (trackBefore[object] === NONE) timesFound[object]! += 1;
      lastTrack[object] = track;
      trackNow[object] = track;
    }
    trackBefore.set(trackNow);
    truePositives += matches;
    falseNegatives += truth.length - matches;
    falsePositives += tracks.length - matches;
  }
  const shares = Array.from(seen, (count, object) => matched[object]! / count);
  const mostlyTracked = shares.filter((share) => share > MOSTLY_TRACKED).length;
  const mostlyLost = shares.filter((share) => share < MOSTLY_LOST).length;
  return {
    mota: (truePositives - falsePositives - switches.length) / Math.max(1, truePositives + falseNegatives),
    motp: overlap / Math.max(1, truePositives),
    truePositives,
    falsePositives,
    falseNegatives,
    idSwitches: switches.length,
    fragmentations: timesFound.reduce((sum, times) => sum + Math.max(0, times - 1), 0),
    mostlyTracked,
    partlyTracked: objects - mostlyTracked - mostlyLost,
    mostlyLost,
    switches,
  };
}
