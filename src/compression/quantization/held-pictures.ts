import type { FrameFormat } from '../../core/frame.js';
import type { FittedPicture, PictureSet } from '../../core/picture-set.js';

/** Pictures decoded once for many candidates. */
export async function holdPictures(pictures: PictureSet, format: FrameFormat, limit = Number.POSITIVE_INFINITY): Promise<FittedPicture[]> {
  const held: FittedPicture[] = [];
  for await (const picture of pictures.read(format)) {
    held.push(picture);
    if (held.length >= limit) break;
  }
  return held;
}
