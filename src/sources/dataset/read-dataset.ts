import { resolve } from 'node:path';
import { AppError } from '../../core/errors.js';
import type { Dataset } from './dataset.js';
import { findCoco, readCoco } from './coco.js';
import { isFolder } from './dataset-files.js';
import { readImageFolder } from './image-folder.js';
import { isKittiTracking, readKittiTracking } from './kitti-tracking.js';
import { isMot, readMot } from './mot.js';

export type { Dataset, DatasetCategory, DatasetImage, DatasetKind, GroundTruthBox } from './dataset.js';

/**
 * Reads a folder of pictures with its ground truth, where it has one: COCO, MOTChallenge, KITTI tracking, or just pictures.
 * Pictures that are broken stay in their places, as faults.
 *
 * @throws AppError ERR_FILE_NOT_FOUND, ERR_DATASET_EMPTY, ERR_DATASET_INVALID (names the file and the line or key).
 */
export async function readDataset(folder: string): Promise<Dataset> {
  const root = resolve(folder);
  if (!(await isFolder(root))) {
    throw new AppError('ERR_FILE_NOT_FOUND', `Expected a dataset folder at ${folder} but there is none.`, { fix: 'Check the path; for a single video name the file.' });
  }
  const coco = await findCoco(root);
  if (coco) return readCoco(root, coco);
  if (await isMot(root)) return readMot(root);
  if (await isKittiTracking(root)) return readKittiTracking(root);
  return readImageFolder(root);
}
