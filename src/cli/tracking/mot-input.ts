import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { SourceDefinition } from '../../config/stream-definition.js';
import { AppError } from '../../core/errors.js';
import { type MotRow, parseMotRows } from '../../evaluation/tracking/mot-format.js';
import { readDataset } from '../../sources/dataset/read-dataset.js';
import { videoWithTruth } from '../../sources/dataset/video-with-tracks.js';

/** Frames and where their objects are. */
export interface MotInput {
  readonly source: SourceDefinition;
  /** Where the pictures come from: a video file, or MOTChallenge's folder. */
  readonly path: string;
  readonly truthPath: string;
  readonly truth: readonly MotRow[];
  /** Frames that are scored, in order, from 1; those that a part of a sequence has. */
  readonly frames: readonly number[];
}

/**
 * A video with the ground truth beside it or named, or a folder in MOTChallenge's layout (or with one video and its `gt.txt`).
 *
 * @throws AppError ERR_FILE_NOT_FOUND, ERR_DATASET_INVALID, ERR_DATASET_EMPTY
 */
export async function openMotInput(path: string, gt: string | undefined): Promise<MotInput> {
  // A name that is wrong is told before anything else is looked for.
  if (gt !== undefined) await readRows(resolve(gt));
  const found = await videoWithTruth(resolve(path), gt === undefined ? undefined : resolve(gt));
  if (found) {
    const truth = await readRows(found.truth);
    const last = truth.reduce((most, { frame }) => Math.max(most, frame), 0);
    return { source: { kind: 'file', path: found.video }, path: found.video, truthPath: found.truth, truth, frames: Array.from({ length: last }, (_, i) => i + 1) };
  }
  const dataset = await readDataset(path);
  if (dataset.kind !== 'mot') {
    throw new AppError('ERR_DATASET_INVALID', `Expected a video or a folder of MOTChallenge but ${path} is ${dataset.kind === 'images' ? 'a folder of pictures' : dataset.kind}`, { fix: 'MOTChallenge has img1/, gt/gt.txt and seqinfo.ini.' });
  }
  const truthPath = gt === undefined ? join(dataset.folder, 'gt', 'gt.txt') : resolve(gt);
  return { source: { kind: 'dataset', path: dataset.folder }, path: dataset.folder, truthPath, truth: await readRows(truthPath), frames: dataset.images.map(({ id }) => id) };
}

/** Rows of a file as MOTChallenge writes it. @throws AppError ERR_FILE_NOT_FOUND, ERR_DATASET_INVALID, ERR_DATASET_EMPTY */
async function readRows(path: string): Promise<MotRow[]> {
  const rows = await readMotFile(path);
  if (rows.length === 0) throw new AppError('ERR_DATASET_EMPTY', `${path} has no box.`);
  return rows;
}

/** As `readRows`, of a file that may be empty. */
export async function readMotFile(path: string): Promise<MotRow[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new AppError('ERR_FILE_NOT_FOUND', `${path}: the tracks can't be read`, { cause, fix: 'Name a file as MOTChallenge writes it.' });
  });
  return parseMotRows(text, path);
}
