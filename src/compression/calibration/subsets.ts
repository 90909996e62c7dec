import type { FrameFormat } from '../../core/frame.js';
import type { FittedPicture, PictureSet } from '../../core/picture-set.js';

/** The first pictures of a set, all where it has no more than `count`. */
export function firstPictures(pictures: PictureSet, count: number): PictureSet {
  if (pictures.count <= count) return pictures;
  return { description: `${pictures.description}, the first ${count}`, count, read: (format) => firstOf(pictures.read(format), count) };
}

/** The first pictures of a set, read once and kept in memory in one format: for work that reads a few of them many times. */
export async function keptPictures(pictures: PictureSet, format: FrameFormat, count: number): Promise<PictureSet> {
  const kept: FittedPicture[] = [];
  for await (const picture of firstOf(pictures.read(format), count)) kept.push(picture);
  return { description: pictures.description, count: kept.length, read: () => each(kept) };
}

async function* firstOf<Item>(items: AsyncIterable<Item>, count: number): AsyncIterable<Item> {
  let given = 0;
  for await (const item of items) {
    yield item;
    given += 1;
    if (given === count) return;
  }
}

async function* each(pictures: readonly FittedPicture[]): AsyncIterable<FittedPicture> {
  for (const picture of pictures) yield await Promise.resolve(picture);
}
