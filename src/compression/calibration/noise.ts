import type { PictureSet } from '../../core/picture-set.js';
import { generatedPictures, type GeneratedOptions } from './fractals.js';
import { SeededRandom } from '../../core/seeded-random.js';

const MEAN = 128;
const STANDARD_DEVIATION = 64;
/** Normal numbers are drawn from a table: a picture has 300,000 bytes and more. */
const TABLE_BITS = 16;

let table: Uint8Array | undefined;

/** Pictures of nothing but independent Gaussian noise, mean 128, standard deviation 64: the control beside any other calibration data. */
export function noisePictures({ count = 300, seed = 1 }: GeneratedOptions = {}): PictureSet {
  return generatedPictures(`${count} pictures of noise, seed ${seed}`, count, ({ width, height }, index) => {
    const random = new SeededRandom(seed, index);
    table ??= normalBytes();
    const normal = table;
    const planes = new Uint8Array(3 * width * height);
    for (let i = 0; i < planes.length; i += 1) planes[i] = normal[random.integer(normal.length)]!;
    return planes;
  });
}

function normalBytes(): Uint8Array {
  const random = new SeededRandom(0);
  return Uint8Array.from({ length: 2 ** TABLE_BITS }, () => Math.max(0, Math.min(255, Math.round(MEAN + STANDARD_DEVIATION * random.normal()))));
}
