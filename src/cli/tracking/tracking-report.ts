import { availableParallelism, cpus } from 'node:os';
import { basename } from 'node:path';
import { MATCH_IOU, type ScoredSequence } from '../../evaluation/tracking/mot-sequence.js';
import { drawPlot, Plot } from '../../report/plot.js';
import { renderReport } from '../../report/report.js';
import type { ScoredTracks, TrackingEvaluation } from './tracking-evaluation.js';
import { meanOf, quantileOf } from './tracking-json.js';
import { SCORE_HEADER, scoreRows } from './tracking-text.js';

/** An object that one track has from a frame to another. */
interface Stretch {
  readonly object: string;
  readonly from: number;
  readonly to: number;
  readonly track: string;
}

/** The page that goes with an evaluation of tracks. */
export function renderTrackingReport(evaluation: TrackingEvaluation, command: string): string {
  const { input, run, full } = evaluation;
  const { mota, idf1, hota, idSwitches, objects } = full.score;
  const percent = (share: number): string => (share * 100).toFixed(1);
  return renderReport({
    title: `Tracks of ${run?.model ?? 'a file'} on ${basename(input.path)}`,
    conclusion: `IDF1 ${percent(idf1)} %, MOTA ${percent(mota)} %, HOTA ${percent(hota)} %: ${objects} objects with ${idSwitches} switches of identity.`,
    command,
    facts: [
      ['ground truth', input.truthPath],
      ...(run ? ([['confidence threshold', String(run.threshold)], ['tracker, us a frame', `mean ${meanOf(run.costUs).toFixed(0)}, p50 ${quantileOf(run.costUs, 0.5).toFixed(0)}, p95 ${quantileOf(run.costUs, 0.95).toFixed(0)}`]] as const) : []),
      ['machine', `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} cores`],
    ],
    sections: [
      { title: 'Scores', blocks: [{ kind: 'table', header: SCORE_HEADER, rows: scoreRows(evaluation), caption: 'MOTA to MOTP in %; the others count.' }] },
      {
        title: 'Who is who',
        blocks: [{ kind: 'plot', markup: drawIdentities(full), caption: 'A line for each object of the ground truth. Thin: it is there; thick: a track has it, in the colour of the track, with its id at each change. A change of colour is a switch of identity.' }],
      },
      { title: 'Switches', blocks: [{ kind: 'table', header: ['frame', 'object', 'was', 'is'], rows: switchRows(full), caption: 'Objects that are another track than when they were last found.' }] },
    ],
  });
}

function switchRows({ score: { switches }, sequence: { truthIds, trackIds } }: ScoredTracks): number[][] {
  return switches.map(({ frame, truth, before, after }) => [frame, truthIds[truth]!, trackIds[before]!, trackIds[after]!]);
}

function drawIdentities({ sequence }: ScoredTracks): string {
  const found = stretchesOf(sequence, foundTracks(sequence));
  const there = stretchesOf(sequence, sequence.frames.map(({ truth }) => new Map([...truth].map((object) => [object, '']))));
  const objects = sequence.truthIds.map(String);
  return drawPlot({
    height: 80 + 30 * objects.length,
    x: { label: 'frame', grid: true },
    y: { label: 'object', domain: objects },
    color: { type: 'categorical', scheme: 'tableau10', domain: [...new Set(found.map(({ track }) => track))] },
    marks: [
      Plot.ruleY(there, { y: 'object', x1: 'from', x2: 'to', stroke: '#aab4c0', strokeWidth: 1.5 }),
      Plot.barX(found, { y: 'object', x1: 'from', x2: 'to', fill: 'track', insetTop: 6, insetBottom: 6 }),
      Plot.text(found.filter(isChange), { y: 'object', x: 'from', text: 'track', textAnchor: 'start', dx: 2, fontSize: 9, fill: '#111' }),
    ],
  });
}

/** Of each frame: the track that each object is found by, the best of those that overlap it enough. */
function foundTracks({ frames, trackIds }: ScoredSequence): ReadonlyMap<number, string>[] {
  return frames.map(({ truth, tracks, similarity }) => {
    const found = new Map<number, string>();
    for (const [row, object] of truth.entries()) {
      const overlaps = similarity.subarray(row * tracks.length, (row + 1) * tracks.length);
      const best = overlaps.reduce((most, overlap, column) => (overlap > (overlaps[most] ?? 0) ? column : most), 0);
      if ((overlaps[best] ?? 0) >= MATCH_IOU) found.set(object, String(trackIds[tracks[best]!]));
    }
    return found;
  });
}

/** Frames in a row with the same track become one stretch. */
function stretchesOf({ frames, truthIds }: ScoredSequence, trackOf: readonly ReadonlyMap<number, string>[]): Stretch[] {
  return truthIds.flatMap((id, object) => {
    const stretches: { object: string; from: number; to: number; track: string }[] = [];
    let isOpen = false;
    frames.forEach(({ frame }, i) => {
      const track = trackOf[i]!.get(object);
      const last = stretches.at(-1);
      if (track !== undefined && isOpen && last?.track === track) last.to = frame + 1;
      else if (track !== undefined) stretches.push({ object: String(id), from: frame, to: frame + 1, track });
      isOpen = track !== undefined;
    });
    return stretches;
  });
}

function isChange({ object, track }: Stretch, index: number, all: readonly Stretch[]): boolean {
  const before = all[index - 1];
  return before?.object !== object || before.track !== track;
}
