import { join } from 'node:path';
import type { Dataset } from './dataset.js';
import { empty, inspectPictures, isFolder, pictureNames } from './dataset-files.js';
import { datasetImages } from './dataset-images.js';

/** Pictures without ground truth, in the order of their names: the folder's own, or else those of its `images/`. EXIF turns them upright. */
export async function readImageFolder(folder: string): Promise<Dataset> {
  for (const candidate of [folder, join(folder, 'images')]) {
    const names = (await isFolder(candidate)) ? await pictureNames(candidate) : [];
    if (names.length === 0) continue;
    const pictures = await inspectPictures(names.map((name) => ({ path: join(candidate, name), turning: 'exif' })));
    const images = datasetImages(names.map((fileName, i) => ({ id: i + 1, fileName, picture: pictures[i]! })));
    return { kind: 'images', folder, images, categories: [], boxes: [], frameRateFps: undefined };
  }
  throw empty(folder);
}
