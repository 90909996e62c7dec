import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, systemErrorCode } from '../../core/errors.js';
import type { Picture } from './dataset.js';
import { inspectPicture, type Turning } from './inspect-picture.js';

/** Headers read at a time: enough to keep a disk busy. */
const PARALLEL_READS = 16;

/** Numbers within names count as numbers: `img2` before `img10`. */
const NAME_ORDER = new Intl.Collator('en', { numeric: true });

/** By number, then by code unit, so that the order is the same on every machine. */
export function compareNames(a: string, b: string): number {
  return NAME_ORDER.compare(a, b) || (a < b ? -1 : Number(a > b));
}

export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
}

export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.isFile(),
    () => false,
  );
}

const PICTURE_NAME = /\.(?:jpe?g|png|bmp|webp|tiff?|pgm|ppm)$/i;

/** Names of the pictures in a folder, in order; hidden files are none. */
export async function pictureNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.') && PICTURE_NAME.test(entry.name)).map(({ name }) => name);
  return names.sort(compareNames);
}

/** Names of the folders in a folder, in order. */
export async function folderNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = await Promise.all(entries.map(async ({ name }) => ((await isFolder(join(folder, name))) && !name.startsWith('.') ? name : undefined)));
  return names.filter((name) => name !== undefined).sort(compareNames);
}

/** The headers of pictures, in the order asked for. */
export async function inspectPictures(wanted: readonly { readonly path: string; readonly turning: Turning }[]): Promise<Picture[]> {
  const pictures = new Array<Picture>(wanted.length);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < wanted.length) {
      const index = next++;
      const { path, turning } = wanted[index]!;
      pictures[index] = await inspectPicture(path, turning);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_READS }, work));
  return pictures;
}

/** The text of a file, or undefined where there is none. @throws AppError ERR_DATASET_INVALID where it can't be read */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === 'ENOENT') return undefined;
    throw new AppError('ERR_DATASET_INVALID', `${path} cannot be read: ${code ?? (cause as Error).message}.`, { cause });
  }
}

/** A line of a table. */
export interface Row {
  readonly fields: readonly string[];
  /** For messages: `gt/gt.txt, line 7`. */
  readonly place: string;
}

/** The lines of a table that aren't empty. */
export function readRows(text: string, path: string, separator: RegExp): Row[] {
  return text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [{ fields: line.trim().split(separator), place: `${path}, line ${i + 1}` }]));
}

/** @throws AppError ERR_DATASET_INVALID where the field isn't a finite number */
export function readNumber({ fields, place }: Row, index: number, name: string): number {
  const text = fields[index] ?? '';
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw invalid(place, `expected a number for ${name} but found ${text === '' ? 'nothing' : JSON.stringify(text)}`);
}

/** @throws AppError ERR_DATASET_INVALID where the field isn't a whole number of `least` or more */
export function readInteger(row: Row, index: number, name: string, least: number): number {
  const value = readNumber(row, index, name);
  if (Number.isInteger(value) && value >= least) return value;
  throw invalid(row.place, `expected a whole number of ${least} or more for ${name} but found ${value}`);
}

export function invalid(place: string, problem: string, fix?: string): AppError {
  return new AppError('ERR_DATASET_INVALID', `${place}: ${problem}.`, fix === undefined ? {} : { fix });
}

export function empty(folder: string): AppError {
  return new AppError('ERR_DATASET_EMPTY', `Expected pictures in ${folder} but found none.`, {
    fix: 'Name the folder that holds the pictures (JPEG, PNG, BMP, WebP, TIFF, PGM, PPM), or the one above it in the layout of COCO, MOTChallenge or KITTI.',
  });
}
