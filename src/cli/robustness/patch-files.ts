import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { greyscalePatch, loadPatch, type PatchImage } from '../../attack/patch-image.js';
import { AppError } from '../../core/errors.js';
import { pictureNames } from '../../sources/dataset/dataset-files.js';

/**
 * The patches of a folder in the order of their names, or the one of a file.
 *
 * @throws AppError ERR_FILE_NOT_FOUND, ERR_SOURCE_FORMAT, ERR_DATASET_EMPTY (a folder without pictures).
 */
export async function loadPatches(path: string, { greyscale }: { readonly greyscale: boolean }): Promise<PatchImage[]> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  const files = isFolder ? (await pictureNames(path)).map((name) => join(path, name)) : [path];
  if (files.length === 0) throw new AppError('ERR_DATASET_EMPTY', `Expected pictures of patches in ${path} but found none.`, { fix: 'Name a picture, or a folder of them (PNG, JPEG, WebP).' });
  const patches: PatchImage[] = [];
  for (const file of files) patches.push(await loadPatch(file));
  return greyscale ? patches.map(greyscalePatch) : patches;
}
