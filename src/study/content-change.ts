import type { FrameFormat } from '../core/frame.js';
import { SeededRandom } from '../core/seeded-random.js';
import type { ContentChange } from './injection.js';

const PLANES = 3;
const GREY = 114;
const DARK_SHIFT = 3;

export interface ContentChangeOptions {
  readonly change: ContentChange;
  /** Of a mosaic, along each side. */
  readonly tiles: number;
  /** Of the pictures, 0 to 1. */
  readonly share: number;
  readonly seed: number;
}

/** Changes a share of the pictures in place; the same seed chooses the same ones. Gives true where it did. */
export function contentChanger({ change, tiles, share, seed }: ContentChangeOptions): (pixels: Uint8Array, format: FrameFormat) => boolean {
  const random = new SeededRandom(seed, 2);
  const noise = new SeededRandom(seed, 3);
  return (pixels, format) => {
    if (!random.chance(share)) return false;
    switch (change) {
      case 'mosaic':
        mosaic(pixels, format, tiles);
        break;
      case 'noise':
        for (let i = 0; i < pixels.length; i += 1) pixels[i] = noise.integer(256);
        break;
      case 'dark':
        for (let i = 0; i < pixels.length; i += 1) pixels[i] = pixels[i]! >> DARK_SHIFT;
        break;
      case 'blank':
        pixels.fill(GREY);
        break;
    }
    return true;
  };
}

/** The picture `tiles` times beside and below itself, each pixel the first of those it stands for. */
function mosaic(pixels: Uint8Array, { size: { width, height } }: FrameFormat, tiles: number): void {
  const before = pixels.slice();
  for (let plane = 0; plane < PLANES; plane += 1) {
    const base = plane * width * height;
    for (let y = 0; y < height; y += 1) {
      const row = base + ((y * tiles) % height) * width;
      for (let x = 0; x < width; x += 1) pixels[base + y * width + x] = before[row + ((x * tiles) % width)]!;
    }
  }
}
