import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { AppError, systemErrorCode } from '../../core/errors.js';
import type { Size } from '../../core/size.js';

/** Disparities of the left picture. */
export interface DisparityPicture {
  readonly size: Size;
  /** By pixel, from the upper left; 0 where it isn't known. */
  readonly disparityPx: Float32Array;
}

/** KITTI's share of a pixel in its PNGs of 16 bits. */
const KITTI_SCALE = 256;

/**
 * Reads a disparity picture: PFM (Middlebury 2014), or PNG of 16 bits (KITTI: 1/256 px) or 8 bits (Middlebury 2001 to 2006).
 *
 * @param scale values a pixel of an 8-bit PNG: 4 in most sets of 2001 and 2003, 1 for full sizes of 2005 and 2006.
 * @throws AppError ERR_FILE_NOT_FOUND, ERR_DATASET_INVALID
 */
export async function readDisparity(path: string, scale: number): Promise<DisparityPicture> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new AppError('ERR_FILE_NOT_FOUND', `Expected a disparity picture at ${path} but it cannot be read: ${systemErrorCode(cause) ?? 'unknown'}.`, { cause, fix: 'Check the path.' });
  });
  return /\.pfm$/i.test(path) ? parsePfm(bytes, path) : decodePng(bytes, scale, path);
}

async function decodePng(bytes: Buffer, scale: number, path: string): Promise<DisparityPicture> {
  try {
    const { depth, width, height } = await sharp(bytes).metadata();
    const isDeep = depth === 'ushort';
    const { data } = await sharp(bytes).toColourspace(isDeep ? 'grey16' : 'b-w').extractChannel(0).raw({ depth: isDeep ? 'ushort' : 'uchar' }).toBuffer({ resolveWithObject: true });
    const values = isDeep ? new Uint16Array(data.buffer, data.byteOffset, width * height) : data;
    return { size: { width, height }, disparityPx: Float32Array.from(values, (value) => value / (isDeep ? KITTI_SCALE : scale)) };
  } catch (cause) {
    throw new AppError('ERR_DATASET_INVALID', `${path} is no picture: ${(cause as Error).message}.`, { cause, fix: 'Replace the file.' });
  }
}

/**
 * Portable float map: `Pf`, width and height, a scale whose sign tells the order of bytes, then rows from the lowest to the uppermost.
 *
 * @throws AppError ERR_DATASET_INVALID
 */
export function parsePfm(bytes: Uint8Array, path: string): DisparityPicture {
  // Its three lines are short; latin1 keeps a byte a character.
  const header = /^Pf\s+(\d{1,6})\s+(\d{1,6})\s+([-+]?[\d.eE+-]+)\s/.exec(Buffer.from(bytes.subarray(0, 200)).toString('latin1'));
  const [width, height, scale] = header ? header.slice(1).map(Number) as [number, number, number] : [0, 0, 0];
  if (!header || width * height === 0 || !(Math.abs(scale) > 0)) throw badPfm(path, 'expected the header of a grey PFM');
  const offset = header[0].length;
  if (bytes.length < offset + 4 * width * height) throw badPfm(path, `expected ${4 * width * height} bytes of pixels but found ${bytes.length - offset}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
  const disparityPx = new Float32Array(width * height);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 4) {
      const value = view.getFloat32(at, scale < 0);
      // Middlebury's unknown disparities are endless.
      disparityPx[(height - 1 - y) * width + x] = value > 0 && value < Infinity ? value : 0;
    }
  }
  return { size: { width, height }, disparityPx };
}

function badPfm(path: string, message: string): AppError {
  return new AppError('ERR_DATASET_INVALID', `${path}: ${message}.`, { fix: 'Replace the file.' });
}
