import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { attackDataset } from '../../attack/attack-dataset.js';
import { type PatchImage, patchPng } from '../../attack/patch-image.js';
import type { PlanOptions } from '../../attack/plan-patches.js';
import { AppError, systemErrorCode } from '../../core/errors.js';
import { isFolder } from '../../sources/dataset/dataset-files.js';
import { readDataset } from '../../sources/dataset/read-dataset.js';
import { writeVideo } from '../../sources/dataset/write-video.js';

/** What an attack leaves behind, absolute paths. */
export interface AttackFiles {
  readonly folder: string;
  /** The attacked pictures with their ground truth. */
  readonly dataset: string;
  readonly patch: string;
  /** Of a recording: for `lynceus run`. */
  readonly video: string;
  readonly report: string;
  readonly figures: string;
  /** The search, to be resumed. */
  readonly search: string;
}

/** @param out beside where the command runs, named after the data, where absent. */
export function attackFiles(data: string, out: string | undefined): AttackFiles {
  const name = basename(resolve(data));
  const folder = resolve(out ?? `${basename(name, extname(name))}-attack`);
  const file = (inside: string): string => join(folder, inside);
  return { folder, dataset: file('attacked'), patch: file('patch.png'), video: file('attacked.mp4'), report: file('report.html'), figures: file('attack.json'), search: file('search.json') };
}

/**
 * Makes the folder, before any long work. A search that was interrupted in it stays.
 *
 * @throws AppError ERR_OUTPUT_WRITE where attacked pictures are there already (and `force` doesn't remove them), or it can't be written.
 */
export async function prepareFiles({ folder, dataset }: AttackFiles, force: boolean): Promise<void> {
  if (await isFolder(dataset)) {
    if (!force) throw new AppError('ERR_OUTPUT_WRITE', `${dataset} is there already.`, { fix: 'Name another folder with --out, or overwrite it with --force.' });
    await rm(dataset, { recursive: true });
  }
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new AppError('ERR_OUTPUT_WRITE', `${folder} cannot be made: ${systemErrorCode(cause) ?? 'no details'}.`, { cause });
  }
}

/**
 * Writes the patch, the attacked pictures, and of a recording the video.
 *
 * @returns whether there is a video.
 * @throws AppError as `attackDataset` and `writeVideo`
 */
export async function writeAttack(files: AttackFiles, patch: PatchImage, plan: PlanOptions, onProgress: (done: number, total: number) => void): Promise<boolean> {
  await writeFile(files.patch, await patchPng(patch));
  await attackDataset({ ...plan, patch, folder: files.dataset, onProgress });
  const written = await readDataset(files.dataset);
  if (written.kind !== 'mot') return false;
  await writeVideo(written, files.video);
  return true;
}
