import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isFault } from '../sources/dataset/dataset.js';
import { writeDataset } from '../sources/dataset/write-dataset.js';
import { packedTarget, pastePatch, patchPyramid } from './paste.js';
import type { PatchImage } from './patch-image.js';
import { type PatchRegion, planPatches, type PlanOptions } from './plan-patches.js';

export type { PatchRegion } from './plan-patches.js';

export interface AttackDatasetOptions extends PlanOptions {
  readonly patch: PatchImage;
  /** Made where it is missing; has to be empty. */
  readonly folder: string;
  /** Called after each picture. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface AttackedDataset {
  /** For `readDataset`: the same layout, ids and boxes as the dataset that was attacked. */
  readonly folder: string;
  /** Of every picture that carries a patch, by image id. */
  readonly regions: ReadonlyMap<number, readonly PatchRegion[]>;
}

/** Beside the ground truth: where the patches are. */
export const REGIONS_FILE = 'patches.json';

/**
 * Writes a dataset again with patches in its pictures (lossless PNG) and `patches.json`. The same input and seed give the same bytes.
 *
 * @throws AppError as `planPatches` and `writeDataset`.
 */
export async function attackDataset(options: AttackDatasetOptions): Promise<AttackedDataset> {
  const { dataset, patch, placement, folder, seed, onProgress } = options;
  const planned = planPatches(options);
  const pyramid = patchPyramid(patch);
  await writeDataset({
    dataset,
    folder,
    draw: ({ id }, rgb, size) => {
      for (const { placed } of planned.get(id) ?? []) pastePatch(packedTarget(rgb, size), pyramid, placed);
    },
    onPicture: (done) => onProgress?.(done, dataset.images.length),
  });
  const broken = new Set(dataset.images.filter(({ picture }) => isFault(picture)).map(({ id }) => id));
  const regions = new Map([...planned].filter(([id]) => !broken.has(id)).map(([id, patches]) => [id, patches.map(regionOf)]));
  const written = [...regions.values()].flat().map(({ imageId, objectId = null, xyxy, polygon }) => ({ image_id: imageId, object_id: objectId, xyxy, polygon }));
  await writeFile(join(folder, REGIONS_FILE), `${JSON.stringify({ patch: patch.name, seed, placement, regions: written }, null, 1)}\n`);
  return { folder, regions };
}

function regionOf({ imageId, objectId, xyxy, polygon }: PatchRegion): PatchRegion {
  return { imageId, objectId, xyxy, polygon };
}
