import { join, resolve } from 'node:path';
import { AppError } from '../../core/errors.js';
import type { StereoSide } from '../../core/stereo-source.js';
import { isFault, type Picture } from '../dataset/dataset.js';
import { compareNames, empty, folderNames, inspectPictures, invalid, isFolder, pictureNames } from '../dataset/dataset-files.js';

/** Two pictures of one moment, as far as they are there. */
export interface PicturePair {
  /** Relative to the folder of its side, the same on both. */
  readonly fileName: string;
  readonly left: Picture | undefined;
  readonly right: Picture | undefined;
}

export interface StereoFolder {
  readonly folder: string;
  readonly pairs: readonly PicturePair[];
}

/** Colour before grey: stereo 2012 and 2015, then raw data and tracking, then grey ones, then anybody's. */
const FOLDER_PAIRS = [
  ['image_2', 'image_3'],
  ['image_02', 'image_03'],
  ['colored_0', 'colored_1'],
  ['image_0', 'image_1'],
  ['image_00', 'image_01'],
  ['left', 'right'],
] as const;

/**
 * A folder of stereo pictures in the layout of KITTI: `image_2/` and `image_3/` (or another of its pairs), partners by the same name,
 * also one folder deeper (`image_02/data/`, `image_02/0000/`).
 *
 * @throws AppError ERR_FILE_NOT_FOUND, ERR_DATASET_INVALID (no such folders, partners of different sizes), ERR_DATASET_EMPTY.
 */
export async function readStereoFolder(folder: string): Promise<StereoFolder> {
  const root = resolve(folder);
  if (!(await isFolder(root))) throw new AppError('ERR_FILE_NOT_FOUND', `Expected a folder of stereo pictures at ${folder} but there is none.`, { fix: 'Check the path.' });
  const sides = await findSides(root);
  const [left, right] = [await readSide(sides.left), await readSide(sides.right)];
  const names = [...new Set([...left.keys(), ...right.keys()])].sort(compareNames);
  if (names.length === 0) throw empty(sides.left);
  const pairs = names.map((fileName) => ({ fileName, left: left.get(fileName), right: right.get(fileName) }));
  for (const pair of pairs) checkSizes(pair);
  return { folder, pairs };
}

async function findSides(root: string): Promise<Record<StereoSide, string>> {
  for (const names of FOLDER_PAIRS) {
    const [left, right] = names.map((name) => join(root, name)) as [string, string];
    if ((await isFolder(left)) && (await isFolder(right))) return { left, right };
  }
  throw invalid(root, 'expected a folder for each camera but found no such pair', `Name them ${FOLDER_PAIRS.map((names) => names.join(' and ')).join(', or ')}.`);
}

async function readSide(folder: string): Promise<Map<string, Picture>> {
  const deeper = await Promise.all((await folderNames(folder)).map(async (name) => (await pictureNames(join(folder, name))).map((picture) => `${name}/${picture}`)));
  const names = [...(await pictureNames(folder)), ...deeper.flat()];
  const pictures = await inspectPictures(names.map((name) => ({ path: join(folder, name), turning: 'stored' })));
  return new Map(names.map((name, i) => [name, pictures[i]!]));
}

/** Partners come from a rectified pair of cameras: other sizes are other recordings. */
function checkSizes({ fileName, left, right }: PicturePair): void {
  if (!left || !right || isFault(left) || isFault(right)) return;
  const [l, r] = [left.size, right.size];
  if (l.width !== r.width || l.height !== r.height) {
    throw invalid(right.path, `expected ${l.width} x ${l.height} pixels, as its partner ${fileName} of the left has, but found ${r.width} x ${r.height}`);
  }
}
