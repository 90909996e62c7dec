import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { fromEvent, takeUntil } from 'rxjs';
import { AppError, toAppError } from '../core/errors.js';
import { frameBytes, type Frame, type FrameFormat } from '../core/frame.js';
import { FramePool } from '../core/frame-pool.js';
import type { FittedPicture, PictureSet } from '../core/picture-set.js';
import type { Source } from '../core/source.js';
import type { CocoDataset } from '../evaluation/coco-dataset.js';
import type { Dataset } from '../sources/dataset/dataset.js';
import { createDatasetSource } from '../sources/dataset/dataset-source.js';
import { readDataset } from '../sources/dataset/read-dataset.js';
import { createFileSource } from '../sources/file-source.js';
import { toCocoDataset } from './ground-truth.js';

/** Frames decoded ahead of who reads them. */
const POOL_FRAMES = 4;
/** Small: only the number of frames is asked for. */
const PROBE_FORMAT: FrameFormat = { size: { width: 32, height: 32 }, fit: 'stretch', padValue: 0 };

/** Pictures with their ground truth. */
export interface LabelledPictures extends PictureSet {
  readonly truth: CocoDataset;
}

/**
 * The pictures of a dataset's folder.
 *
 * @param keep which ones by place and id; all where absent.
 * @throws AppError as `readDataset`; ERR_DATASET_INVALID where it has no boxes.
 */
export async function labelledPictures(folder: string, keep?: (index: number, imageId: number) => boolean): Promise<LabelledPictures> {
  const dataset = await readDataset(resolve(folder));
  const chosen = keep ? { ...dataset, images: dataset.images.filter(({ id }, index) => keep(index, id)) } : dataset;
  const ids = new Set(chosen.images.map(({ id }) => id));
  const truth = toCocoDataset({ ...chosen, boxes: dataset.boxes.filter(({ imageId }) => ids.has(imageId)) });
  if (truth.annotations.length === 0) throw new AppError('ERR_DATASET_INVALID', `${folder} has pictures but no boxes to score against`, { fix: 'Give a folder with instances.json, gt/gt.txt or label files.' });
  return { ...datasetPictures(chosen, dataset.images.length), truth };
}

/**
 * Labelled pictures to choose by and others to judge by: all of `data` and all of `verify`; without the latter those of `data` at even
 * and at odd places (neighbours in a dataset are alike, so both halves are).
 */
export async function searchAndVerify(data: string, verify?: string): Promise<{ readonly search: LabelledPictures; readonly verify: LabelledPictures }> {
  if (verify !== undefined) return { search: await labelledPictures(data), verify: await labelledPictures(verify) };
  const [search, rest] = [await labelledPictures(data, (index) => index % 2 === 0), await labelledPictures(data, (index) => index % 2 === 1)];
  return { search: { ...search, description: `${search.description}, even places` }, verify: { ...rest, description: `${rest.description}, odd places` } };
}

/** Pictures of a folder or frames of a video file, no ground truth asked for. @param limit of pictures, evenly spread over a dataset, the first ones of a video. */
export async function anyPictures(path: string, limit = Number.POSITIVE_INFINITY): Promise<PictureSet> {
  const isFolder = (await stat(resolve(path)).catch(() => undefined))?.isDirectory() ?? false;
  if (!isFolder) return videoPictures(resolve(path), limit);
  const dataset = await readDataset(resolve(path));
  const step = Math.max(1, dataset.images.length / limit);
  const images = dataset.images.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step));
  return datasetPictures({ ...dataset, images }, dataset.images.length);
}

function datasetPictures(dataset: Dataset, all: number): PictureSet {
  const count = dataset.images.length;
  const part = count === all ? `${all} pictures` : `${count} of ${all} pictures`;
  return {
    description: `${basename(dataset.folder)}, ${part}`,
    count,
    read: (format) => pictures(format, (pool) => createDatasetSource({ name: 'pictures', dataset, format, pool }), count),
  };
}

async function videoPictures(path: string, limit: number): Promise<PictureSet> {
  // Opened once to count its frames and to say at once where it can't be read.
  const pool = new FramePool(2, frameBytes(PROBE_FORMAT));
  const probe = await createFileSource({ name: 'pictures', path, format: PROBE_FORMAT, pool });
  const count = Math.min(limit, probe.frameCount ?? limit);
  return {
    description: `${basename(path)}, ${Number.isFinite(count) ? `${count} frames` : 'all frames'}`,
    count,
    read: (format) => pictures(format, (framePool) => createFileSource({ name: 'pictures', path, format, pool: framePool }), limit),
  };
}

/** Every so many-th picture of a set, so that `limit` at most are left, from all over it: neighbours in a video look alike. */
export function spreadPictures(set: PictureSet, limit: number): PictureSet {
  if (!Number.isFinite(set.count) || set.count <= limit) return set;
  const step = set.count / limit;
  return {
    description: `${set.description}, every ${step.toFixed(1)}th`,
    count: limit,
    async *read(format) {
      let index = 0;
      let given = 0;
      for await (const picture of set.read(format)) {
        if (Math.floor(index / step) !== Math.floor((index - 1) / step)) {
          yield picture;
          given += 1;
        }
        index += 1;
        // A container may hold more frames than it says.
        if (given >= limit) return;
      }
    },
  };
}

/**
 * Turns a source's frames, which come when they come, into pictures that are asked for one by one.
 *
 * @param ending ends them before the source does.
 */
export async function* pictures(format: FrameFormat, open: (pool: FramePool) => Promise<Source>, limit: number, ending?: AbortSignal): AsyncIterable<FittedPicture> {
  const pool = new FramePool(POOL_FRAMES, frameBytes(format));
  const source = await open(pool);
  const waiting: Frame[] = [];
  let wake: () => void = () => undefined;
  let end: { readonly error: AppError | undefined } | undefined;
  const stop = new AbortController();
  const finish = (error?: unknown): void => {
    end ??= { error: error === undefined ? undefined : toAppError(error) };
    wake();
  };
  source.frames$.pipe(takeUntil(fromEvent(stop.signal, 'abort'))).subscribe({
    next: (frame) => {
      waiting.push(frame);
      wake();
    },
    error: finish,
    complete: () => finish(),
  });
  ending?.addEventListener('abort', () => finish(), { once: true });
  try {
    for (let given = 0; given < limit; ) {
      const frame = waiting.shift();
      if (frame) {
        yield fittedPicture(frame);
        given += 1;
      } else if (end) {
        if (end.error) throw end.error;
        return;
      } else await new Promise<void>((resume) => (wake = resume));
    }
  } finally {
    stop.abort();
    for (const frame of waiting) frame.release();
  }
}

function fittedPicture(frame: Frame): FittedPicture {
  const { image, sequence, fit, sourceSize } = frame;
  const picture = { imageId: image?.id ?? sequence, pixels: Uint8Array.from(frame.pixels), fit, sourceSize };
  frame.release();
  return picture;
}
