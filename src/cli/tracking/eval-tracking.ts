import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { AppError } from '../../core/errors.js';
import { SeededRandom } from '../../core/seeded-random.js';
import { categoryIdsOfLabels } from '../../evaluation/coco-results.js';
import { formatMotRows, type MotRow } from '../../evaluation/tracking/mot-format.js';
import { scoredSequence } from '../../evaluation/tracking/mot-sequence.js';
import { scoreTracks } from '../../evaluation/tracking/score-tracks.js';
import { type DetectedFrame, type FollowedBox, followFrames } from '../../tracking/follow.js';
import { TRACKING_DEFAULTS, type TrackingOptions } from '../../tracking/tracker-options.js';
import { lowThreshold } from '../../tracking/tracker-stage.js';
import { openStore } from '../models.js';
import { print } from '../terminal.js';
import { detectFrames } from './detect-frames.js';
import { type MotInput, openMotInput, readMotFile } from './mot-input.js';
import type { DroppedTracks, ScoredTracks, TrackingEvaluation } from './tracking-evaluation.js';
import { trackingJson } from './tracking-json.js';
import { renderTrackingReport } from './tracking-report.js';
import { trackingText } from './tracking-text.js';

export interface TrackingEvalOptions {
  readonly model: string;
  readonly iou?: number;
  readonly gt?: string;
  /** The user's confidence threshold; the model's own where absent. */
  readonly threshold?: number;
  readonly results?: string;
  readonly writeTracks?: string;
  readonly drop?: number;
  readonly seed: number;
  readonly lowShare?: number;
  readonly sureShare?: number;
  readonly beginShare?: number;
  readonly confirm?: number;
  readonly keep?: number;
  readonly minIou?: number;
  readonly coast?: number;
  readonly report?: string;
  readonly json?: boolean;
}

const REPORT_FILE = 'tracking.html';
/** MOTChallenge scores pedestrians. */
const PERSON = { id: 1, name: 'person' };

/** `lynceus eval --format mot`: scores the tracks of a model on a recording, or those of a file. @throws AppError of the data, the model or the run */
export async function evaluateTracking(data: string, options: TrackingEvalOptions): Promise<void> {
  if (options.report !== undefined) await mkdir(resolve(options.report), { recursive: true });
  const input = await openMotInput(data, options.gt);
  const evaluation = options.results === undefined ? await evaluateModel(input, options) : await evaluateFile(input, options.results, options);
  if (options.writeTracks !== undefined) await writeFile(options.writeTracks, formatMotRows(evaluation.full.rows));
  if (options.report !== undefined) await writeFile(join(resolve(options.report), REPORT_FILE), renderTrackingReport(evaluation, commandOf(data, options)));
  if (options.json) print(JSON.stringify(trackingJson(evaluation), null, 2));
  else print(trackingText(evaluation));
}

function commandOf(data: string, { model, gt, results, drop, seed }: TrackingEvalOptions): string {
  const by = results === undefined ? `--model ${model}` : `--results ${results}`;
  return `lynceus eval ${data} --format mot ${by}${gt === undefined ? '' : ` --gt ${gt}`}${drop === undefined ? '' : ` --drop ${drop} --seed ${seed}`}`;
}

async function evaluateFile(input: MotInput, path: string, { drop }: TrackingEvalOptions): Promise<TrackingEvaluation> {
  if (drop !== undefined) throw new AppError('ERR_USAGE', 'Expected --drop without --results: tracks of a file are not made here');
  return { input, run: undefined, full: score(input, await readMotFile(path), input.frames), dropped: undefined };
}

async function evaluateModel(input: MotInput, options: TrackingEvalOptions): Promise<TrackingEvaluation> {
  const store = openStore();
  const { manifest } = await store.resolve(options.model);
  const isPerson = categoryIdsOfLabels(manifest.labels, [PERSON]).map((id) => id === PERSON.id);
  if (!isPerson.includes(true)) throw new AppError('ERR_DATASET_INVALID', `${options.model} has no label ${PERSON.name}`, { fix: 'MOTChallenge scores pedestrians: take a model that finds people.' });
  const threshold = options.threshold ?? manifest.defaults.confidenceThreshold;
  const tracking = trackingOf(options);
  const tracker = { ...tracking, confidenceThreshold: threshold };
  const { frames } = await detectFrames(input, { model: options.model, confidenceThreshold: lowThreshold(tracker), iouThreshold: options.iou, store });
  const { boxes, costUs } = followFrames(frames, tracker);
  const dropped = options.drop === undefined ? undefined : evaluateDropped(input, frames, options.drop, options.seed, (kept) => toRows(followFrames(kept, tracker).boxes, isPerson));
  return { input, run: { model: options.model, threshold, tracking, costUs }, full: score(input, toRows(boxes, isPerson), input.frames), dropped };
}

function trackingOf({ lowShare, sureShare, beginShare, confirm, keep, minIou, coast }: TrackingEvalOptions): TrackingOptions {
  return {
    lowShare: lowShare ?? TRACKING_DEFAULTS.lowShare,
    sureShare: sureShare ?? TRACKING_DEFAULTS.sureShare,
    beginShare: beginShare ?? TRACKING_DEFAULTS.beginShare,
    confirmSeconds: confirm ?? TRACKING_DEFAULTS.confirmSeconds,
    keepSeconds: keep ?? TRACKING_DEFAULTS.keepSeconds,
    minIou: minIou ?? TRACKING_DEFAULTS.minIou,
    coastSeconds: coast ?? TRACKING_DEFAULTS.coastSeconds,
  };
}

function evaluateDropped(input: MotInput, frames: readonly DetectedFrame[], share: number, seed: number, track: (kept: readonly DetectedFrame[]) => MotRow[]): DroppedTracks {
  const random = new SeededRandom(seed);
  const kept = frames.filter(() => !random.chance(share));
  const rows = track(kept);
  return { share, seed, kept: score(input, rows, kept.map(({ frame }) => frame)), all: score(input, rows, input.frames) };
}

function score({ truth }: MotInput, rows: readonly MotRow[], frames: readonly number[]): ScoredTracks {
  const sequence = scoredSequence(truth, rows, frames);
  return { rows, sequence, score: scoreTracks(sequence) };
}

/** Pixels count from 1 there. */
function toRows(boxes: readonly FollowedBox[], isPerson: readonly boolean[]): MotRow[] {
  return boxes
    .filter(({ classId }) => isPerson[classId])
    .map(({ frame, trackId, xyxy: [left, top, right, bottom], confidence }) => ({ frame, id: trackId, xywh: [left + 1, top + 1, right - left, bottom - top], flag: confidence, classId: undefined }));
}
