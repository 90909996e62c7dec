import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import sharp from 'sharp';
import { AppError, systemErrorCode } from '../core/errors.js';
import { SeededRandom } from '../core/seeded-random.js';
import type { Size } from '../core/size.js';

/** What is pasted: a picture of its own, square or not; pasting makes it square. */
export interface PatchImage {
  /** For tables and file names: the file's name without its ending, `grey`, `noise`. */
  readonly name: string;
  readonly size: Size;
  /** Packed RGB, `3 * width * height` bytes. */
  readonly rgb: Uint8Array;
}

/** The controls that every attack is reported beside. A plain square already hurts some detectors; only what goes beyond it is the attack's. */
export type ControlPatch = 'grey' | 'noise';

export const CONTROL_PATCHES: readonly ControlPatch[] = ['grey', 'noise'];

/** Pixels a side: as large as published patches mostly are. */
const CONTROL_SIDE_PX = 300;
const MIDDLE_GREY = 128;
/** Greater ones are scaled down on loading: no patch covers more of a picture. */
const LARGEST_SIDE_PX = 2048;

/** @throws AppError ERR_FILE_NOT_FOUND, ERR_SOURCE_FORMAT where it is no picture. */
export async function loadPatch(path: string): Promise<PatchImage> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    const reason = systemErrorCode(cause) ?? String(cause);
    throw new AppError('ERR_FILE_NOT_FOUND', `Expected the picture of a patch at ${path} but it cannot be read (${reason}).`, { cause, fix: 'Check the path, or use --patch grey, noise or optimise.' });
  });
  try {
    // What is transparent isn't printed: paper shows.
    const picture = sharp(bytes).rotate().resize({ width: LARGEST_SIDE_PX, height: LARGEST_SIDE_PX, fit: 'inside', withoutEnlargement: true }).toColourspace('srgb').flatten({ background: '#fff' });
    const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
    return { name: basename(path, extname(path)), size: { width: info.width, height: info.height }, rgb: packedRgb(data, info.channels) };
  } catch (cause) {
    throw new AppError('ERR_SOURCE_FORMAT', `${path} is no picture that can be read: ${(cause as Error).message}`, { cause, fix: 'Give the patch as PNG, JPEG or WebP.' });
  }
}

/** `grey` is one middle grey, `noise` independent uniform bytes. @param seed of the noise */
export function controlPatch(kind: ControlPatch, seed: number): PatchImage {
  const size = { width: CONTROL_SIDE_PX, height: CONTROL_SIDE_PX };
  const rgb = new Uint8Array(3 * size.width * size.height).fill(MIDDLE_GREY);
  if (kind === 'noise') {
    const random = new SeededRandom(seed);
    for (let i = 0; i < rgb.length; i += 1) rgb[i] = random.integer(256);
  }
  return { name: kind, size, rgb };
}

/** The same patch as a black and white printer gives it: luma of ITU-R BT.601. */
export function greyscalePatch({ name, size, rgb }: PatchImage): PatchImage {
  const grey = new Uint8Array(rgb.length);
  for (let i = 0; i < rgb.length; i += 3) grey.fill(Math.round(0.299 * rgb[i]! + 0.587 * rgb[i + 1]! + 0.114 * rgb[i + 2]!), i, i + 3);
  return { name: `${name}-greyscale`, size, rgb: grey };
}

/** The patch as a PNG file. */
export async function patchPng({ size, rgb }: PatchImage): Promise<Uint8Array> {
  return new Uint8Array(await sharp(rgb, { raw: { ...size, channels: 3 } }).png().toBuffer());
}

function packedRgb(data: Buffer, channels: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data);
  const rgb = new Uint8Array((data.length / channels) * 3);
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) rgb.fill(data[from]!, to, to + 3);
  return rgb;
}
