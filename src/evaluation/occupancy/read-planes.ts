import sharp from 'sharp';
import { AppError } from '../../core/errors.js';
import type { Size } from '../../core/size.js';

/**
 * A picture as a frame's pixels: planes G, B, R (`core/frame.ts`). Grey pictures have three equal planes.
 *
 * @throws AppError ERR_DATASET_INVALID where it isn't of this size, or can't be decoded
 */
export async function readPlanes(path: string, { width, height }: Size): Promise<Uint8Array> {
  const { data, info } = await sharp(path)
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw new AppError('ERR_DATASET_INVALID', `${path} cannot be decoded: ${(cause as Error).message}`, { cause, fix: 'Replace the file.' });
    });
  if (info.width !== width || info.height !== height) throw new AppError('ERR_DATASET_INVALID', `${path}: expected a picture of ${width} x ${height} but found ${info.width} x ${info.height}`);
  const pixels = width * height;
  const planes = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i += 1) {
    planes[i] = data[3 * i + 1]!;
    planes[pixels + i] = data[3 * i + 2]!;
    planes[2 * pixels + i] = data[3 * i]!;
  }
  return planes;
}
