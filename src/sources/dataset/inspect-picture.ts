import { open } from 'node:fs/promises';
import { systemErrorCode } from '../../core/errors.js';
import type { Size } from '../../core/frame.js';
import type { Orientation, Picture } from './dataset.js';
import { type PictureHeader, readPictureHeader } from './picture-header.js';

/** Which way up a picture is used: as stored, as its EXIF says, or whichever gives the size that the annotations state. */
export type Turning = 'stored' | 'exif' | Size;

/** The size stands in the first kilobytes, unless profiles and thumbnails stand before it. */
const FIRST_READ_BYTES = 4096;
const NEXT_READ_FACTOR = 16;
const LONGEST_HEADER_BYTES = FIRST_READ_BYTES * NEXT_READ_FACTOR ** 3;

/** Looks at the header of a picture. A file that is missing, empty or no picture is a fault, not an error. */
export async function inspectPicture(path: string, turning: Turning): Promise<Picture> {
  try {
    const header = await readHeader(path);
    if (typeof header === 'string') return { path, fault: header };
    const { codec } = header;
    const orientation = orientationFor(header, turning);
    return { path, codec, orientation, size: turnedSize(header.size, orientation) };
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    return { path, fault: code === 'ENOENT' ? 'the file is missing' : code === 'EACCES' ? 'the file may not be read' : `the file cannot be read (${code})` };
  }
}

async function readHeader(path: string): Promise<PictureHeader | string> {
  const file = await open(path);
  try {
    for (let length = FIRST_READ_BYTES; ; length *= NEXT_READ_FACTOR) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, 0);
      if (bytesRead === 0) return 'the file is empty';
      const header = readPictureHeader(buffer.subarray(0, bytesRead));
      if (header === 'unknown') return 'it is no JPEG, PNG, BMP, WebP, TIFF, PGM or PPM picture';
      if (header !== 'more') return header;
      if (bytesRead < length || length >= LONGEST_HEADER_BYTES) return 'it ends within its header';
    }
  } finally {
    await file.close();
  }
}

/** Boxes of COCO are in the pixels that its file states: mostly stored ones, turned ones for a few pictures with EXIF. */
function orientationFor({ orientation, size }: PictureHeader, turning: Turning): Orientation {
  if (turning === 'stored') return 1;
  if (turning === 'exif') return orientation;
  return isSame(size, turning) || !isSame(turnedSize(size, orientation), turning) ? 1 : orientation;
}

/** From 5 on, orientations exchange width and height. */
function turnedSize({ width, height }: Size, orientation: Orientation): Size {
  return orientation >= 5 ? { width: height, height: width } : { width, height };
}

function isSame(a: Size, b: Size): boolean {
  return a.width === b.width && a.height === b.height;
}
