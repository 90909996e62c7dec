import type { Size } from '../../core/frame.js';
import type { Orientation, PictureCodec } from './dataset.js';

/** What the first bytes of a picture say. */
export interface PictureHeader {
  readonly codec: PictureCodec;
  /** As stored, before any turn. */
  readonly size: Size;
  readonly orientation: Orientation;
}

/** `more`: it begins like a picture, but its size stands further behind. `unknown`: no picture that ffmpeg reads, or a broken one. */
export type HeaderReading = PictureHeader | 'more' | 'unknown';

type Reader = (bytes: DataView) => HeaderReading;

/** The first bytes tell the format; file names may lie. */
const FORMATS: readonly { readonly magic: RegExp; readonly read: Reader }[] = [
  { magic: /^\xff\xd8\xff/, read: readJpeg },
  { magic: /^\x89PNG\r\n\x1a\n/, read: readPng },
  { magic: /^RIFF[^]{4}WEBP/, read: readWebp },
  { magic: /^BM/, read: readBmp },
  { magic: /^(?:II\*\0|MM\0\*)/, read: readTiff },
  { magic: /^P[56]\s/, read: readPnm },
];

/** Reads the header of a picture from the beginning of its file. */
export function readPictureHeader(bytes: Uint8Array): HeaderReading {
  const start = latin1(bytes, 0, 12);
  const format = FORMATS.find(({ magic }) => magic.test(start));
  if (!format) return 'unknown';
  try {
    const header = format.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
    return typeof header === 'object' && header.size.width * header.size.height === 0 ? 'unknown' : header;
  } catch (error) {
    if (error instanceof RangeError) return 'more'; // read behind the bytes that are here
    throw error;
  }
}

/** Segments of a JPEG up to the start of frame, which holds the size. */
function readJpeg(view: DataView): HeaderReading {
  let orientation: Orientation = 1;
  for (let at = 2; ; ) {
    if (view.getUint8(at) !== 0xff) return 'unknown';
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1; // a fill byte
      continue;
    }
    const lengthBytes = view.getUint16(at + 2);
    if (lengthBytes < 2 || marker === 0xda || marker === 0xd9) return 'unknown'; // pixels or the end without a size
    if (isStartOfFrame(marker)) return { codec: 'mjpeg', size: { width: view.getUint16(at + 7), height: view.getUint16(at + 5) }, orientation };
    if (marker === 0xe1) orientation = exifOrientation(view, at + 4, lengthBytes - 2) ?? orientation;
    at += 2 + lengthBytes;
  }
}

/** C0 to CF, but for Huffman tables, an extension and arithmetic conditioning. */
function isStartOfFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** EXIF is a TIFF behind six bytes. Damaged EXIF is no reason to refuse a picture. */
function exifOrientation(view: DataView, at: number, lengthBytes: number): Orientation | undefined {
  const segment = subview(view, at, lengthBytes);
  if (lengthBytes < 14 || segment.getUint32(0) !== 0x45786966) return undefined;
  try {
    return tiffTags(subview(segment, 6)).orientation;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function readPng(view: DataView): HeaderReading {
  if (view.getUint32(12) !== 0x49484452) return 'unknown'; // IHDR comes first
  return upright('png', view.getUint32(16), view.getUint32(20));
}

function readBmp(view: DataView): HeaderReading {
  const headerBytes = view.getUint32(14, true);
  if (headerBytes === 12) return upright('bmp', view.getUint16(18, true), view.getUint16(20, true));
  // A negative height: rows from top to bottom.
  return upright('bmp', Math.abs(view.getInt32(18, true)), Math.abs(view.getInt32(22, true)));
}

function readWebp(view: DataView): HeaderReading {
  switch (view.getUint32(12)) {
    case 0x56503820: // 'VP8 '
      return upright('webp', view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff);
    case 0x5650384c: {
      // 'VP8L': two numbers of 14 bits, less one
      const bits = view.getUint32(21, true);
      return upright('webp', (bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1);
    }
    case 0x56503858: // 'VP8X': two numbers of 24 bits, less one
      return upright('webp', (view.getUint32(24, true) & 0xffffff) + 1, (view.getUint32(26, true) >>> 8) + 1);
    default:
      return 'unknown';
  }
}

function readTiff(view: DataView): HeaderReading {
  const { width, height, compression = 1 } = tiffTags(view);
  if (width === undefined || height === undefined || !TIFF_COMPRESSIONS.has(compression)) return 'unknown';
  return upright('tiff', width, height);
}

/** None, LZW, Deflate (two numbers), PackBits. ffmpeg takes JPEG within TIFF too, and gets its colours wrong. */
const TIFF_COMPRESSIONS: ReadonlySet<number> = new Set([1, 5, 8, 32_773, 32_946]);

interface TiffTags {
  readonly compression?: number;
  readonly width?: number;
  readonly height?: number;
  readonly orientation?: Orientation;
}

/** The first directory of a TIFF. */
function tiffTags(view: DataView): TiffTags {
  const little = view.getUint16(0) === 0x4949;
  const directory = view.getUint32(4, little);
  const count = view.getUint16(directory, little);
  const values = new Map<number, number>();
  for (let i = 0; i < count; i += 1) {
    const entry = directory + 2 + 12 * i;
    const isShort = view.getUint16(entry + 2, little) === 3;
    values.set(view.getUint16(entry, little), isShort ? view.getUint16(entry + 8, little) : view.getUint32(entry + 8, little));
  }
  const [width, height, compression, orientation] = [values.get(0x100), values.get(0x101), values.get(0x103), values.get(0x112)];
  return {
    ...(width === undefined ? {} : { width }),
    ...(height === undefined ? {} : { height }),
    ...(compression === undefined ? {} : { compression }),
    ...(isOrientation(orientation) ? { orientation } : {}),
  };
}

/** `P6`, then width, height and the greatest value, with comments between. */
function readPnm(view: DataView): HeaderReading {
  const text = latin1(view, 0, 1024).replace(/#[^\n]*(?:\n|$)/g, ' ');
  const fields = /^P([56])\s+(\d+)\s+(\d+)\s+\d+\s/.exec(text);
  if (!fields) return text.length < 1024 ? 'more' : 'unknown';
  return upright(fields[1] === '5' ? 'pgm' : 'ppm', Number(fields[2]), Number(fields[3]));
}

function upright(codec: PictureCodec, width: number, height: number): PictureHeader {
  return { codec, size: { width, height }, orientation: 1 };
}

function isOrientation(value: number | undefined): value is Orientation {
  return value !== undefined && value >= 1 && value <= 8;
}

function subview(view: DataView, at: number, length = view.byteLength - at): DataView {
  return new DataView(view.buffer, view.byteOffset + at, length);
}

function latin1(bytes: Uint8Array | DataView, from: number, to: number): string {
  const array = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return String.fromCharCode(...array.subarray(from, to));
}
