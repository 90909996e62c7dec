import { basename } from 'node:path';
import type { TrackScore } from '../../evaluation/tracking/score-tracks.js';
import { textTable } from '../terminal.js';
import type { TrackingEvaluation } from './tracking-evaluation.js';
import { meanOf, quantileOf } from './tracking-json.js';

export const SCORE_HEADER = ['', 'MOTA', 'IDF1', 'HOTA', 'DetA', 'AssA', 'MOTP', 'FP', 'FN', 'switches', 'fragments', 'tracks'];

/** What `eval --format mot` prints for people. */
export function trackingText(evaluation: TrackingEvaluation): string {
  const { input, run, full } = evaluation;
  const { objects, objectBoxes, frames } = full.score;
  const by = run ? `${run.model} from a confidence of ${run.threshold}` : 'tracks of a file';
  const cost = run ? [`tracker: ${meanOf(run.costUs).toFixed(0)} us a frame (p50 ${quantileOf(run.costUs, 0.5).toFixed(0)}, p95 ${quantileOf(run.costUs, 0.95).toFixed(0)})`] : [];
  return [`${basename(input.path)}, ${by}: ${frames} frames, ${objectBoxes} boxes of ${objects} objects`, '', textTable(SCORE_HEADER, scoreRows(evaluation)), ...(cost.length > 0 ? ['', ...cost] : [])].join('\n');
}

/** A row for each way of scoring; shares in %. */
export function scoreRows({ full, dropped }: TrackingEvaluation): string[][] {
  const left = dropped && `${Math.round(dropped.share * 100)} % dropped`;
  return [scoreRow('all frames', full.score), ...(dropped ? [scoreRow(`${left}, frames kept`, dropped.kept.score), scoreRow(`${left}, all frames`, dropped.all.score)] : [])];
}

function scoreRow(name: string, score: TrackScore): string[] {
  const shares = [score.mota, score.idf1, score.hota, score.detA, score.assA, score.motp].map((share) => (share * 100).toFixed(1));
  return [name, ...shares, ...[score.falsePositives, score.falseNegatives, score.idSwitches, score.fragmentations, score.tracks].map(String)];
}
