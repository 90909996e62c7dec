import type { Size } from '../../core/size.js';

/** A small grey picture of a large one. */
export interface Thumbnail {
  readonly size: Size;
  readonly pixels: Uint8Array;
  /** Of the picture that it was made of. */
  readonly of: Size;
}

/** Wide enough for what pair checks look at: of 880 pixels one in four. */
const THUMBNAIL_WIDTH = 220;

/**
 * The mean of blocks of whole pixels, as large as makes it 220 pixels wide or up to twice that; smaller pictures are kept.
 *
 * @param plane grey, or the green one of a colour picture; more bytes may follow.
 */
export function thumbnailOf(plane: Uint8Array, of: Size): Thumbnail {
  const block = Math.max(1, Math.floor(of.width / THUMBNAIL_WIDTH));
  const size = { width: Math.floor(of.width / block), height: Math.floor(of.height / block) };
  const pixels = new Uint8Array(size.width * size.height);
  for (let y = 0, i = 0; y < size.height; y += 1) {
    for (let x = 0; x < size.width; x += 1, i += 1) {
      let sum = 0;
      for (let row = y * block; row < (y + 1) * block; row += 1) for (let at = row * of.width + x * block, end = at + block; at < end; at += 1) sum += plane[at]!;
      pixels[i] = Math.round(sum / (block * block));
    }
  }
  return { size, pixels, of };
}

/** The picture of a camera that hangs upside down, put upright. */
export function turnAround({ size, pixels, of }: Thumbnail): Thumbnail {
  return { size, of, pixels: pixels.slice().reverse() };
}
