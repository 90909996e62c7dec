import type { FrameFormat } from './frame.js';
import type { ImageFit } from './image-fit.js';
import type { Size } from './size.js';

/** A picture as a model takes it. */
export interface FittedPicture {
  /** As the annotations name it; the place in the set, from 0, where there are none. */
  readonly imageId: number;
  /** Planes G, B, R of `width * height` bytes, the caller's own. */
  readonly pixels: Uint8Array;
  readonly fit: ImageFit;
  readonly sourceSize: Size;
}

/** Pictures that can be had again and again, in any model's format: a dataset, a recording, or generated ones. */
export interface PictureSet {
  /** For reports: `coco128, 64 of 128 pictures`. */
  readonly description: string;
  /** At most; pictures that can't be decoded are left out. */
  readonly count: number;
  read(format: FrameFormat): AsyncIterable<FittedPicture>;
}
