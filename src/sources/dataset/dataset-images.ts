import type { Size } from '../../core/frame.js';
import { type DatasetImage, isFault, type Picture } from './dataset.js';
import { invalid } from './dataset-files.js';

interface ImageEntry {
  readonly id: number;
  readonly fileName: string;
  readonly picture: Picture;
  /** The size that the annotations state. */
  readonly stated?: Size | undefined;
  /** For messages: where they state it. */
  readonly statedIn?: string;
}

/** @throws AppError ERR_DATASET_INVALID where a picture has another size than its annotations say: its boxes would lie elsewhere */
export function datasetImages(entries: readonly ImageEntry[]): DatasetImage[] {
  return entries.map(({ id, fileName, picture, stated, statedIn = 'the annotations' }) => {
    if (isFault(picture)) return { id, fileName, picture, size: stated };
    const { size, path } = picture;
    if (stated && (size.width !== stated.width || size.height !== stated.height)) {
      const found = `${path} has ${size.width} x ${size.height}`;
      throw invalid(statedIn, `expected a picture of ${stated.width} x ${stated.height} pixels but ${found}`, 'Boxes are in pixels: use the pictures that were annotated, unscaled.');
    }
    return { id, fileName, picture, size };
  });
}
