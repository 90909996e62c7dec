import { openSync, readdirSync, readSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it, test } from 'vitest';
import type { PictureCodec } from '../../../src/sources/dataset/dataset.js';
import { readPictureHeader } from '../../../src/sources/dataset/picture-header.js';
import { missingShared, SHARED_FIXTURES, sharedFixture } from '../../fixtures/index.js';
import { type Kind, KINDS, picture } from './pictures.js';

const CODECS: Readonly<Record<Kind, PictureCodec>> = {
  ...{ jpeg: 'mjpeg', progressive: 'mjpeg', 'gray-jpeg': 'mjpeg', 'cmyk-jpeg': 'mjpeg', png: 'png', 'rgba-png': 'png', 'palette-png': 'png' },
  ...{ png16: 'png', 'gray-png': 'png', webp: 'webp', 'lossless-webp': 'webp', tiff: 'tiff', bmp: 'bmp', pgm: 'pgm', ppm: 'ppm' },
} as const;

describe('the header of a picture', () => {
  test.each(KINDS)('%s', async (kind) => {
    const bytes = await picture(kind, { width: 331, height: 17 });
    expect(readPictureHeader(bytes)).toEqual({ codec: CODECS[kind], size: { width: 331, height: 17 }, orientation: 1 });
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('JPEG with EXIF orientation %i keeps its stored size', async (orientation) => {
    const bytes = await picture('jpeg', { width: 40, height: 20, orientation });
    expect(readPictureHeader(bytes)).toEqual({ codec: 'mjpeg', size: { width: 40, height: 20 }, orientation });
  });

  it('WebP with transparency and metadata states its size elsewhere', async () => {
    const bytes = await sharp({ create: { width: 301, height: 77, channels: 4, background: { r: 1, g: 2, b: 3, alpha: 0.5 } } })
      .withMetadata({ orientation: 1 })
      .webp()
      .toBuffer();
    expect(bytes.toString('latin1', 12, 16)).toBe('VP8X');
    expect(readPictureHeader(bytes)).toMatchObject({ codec: 'webp', size: { width: 301, height: 77 } });
  });

  it('a BMP from top to bottom has a negative height', async () => {
    const bytes = await picture('bmp', { width: 8, height: 4 });
    bytes.writeInt32LE(-4, 22);
    expect(readPictureHeader(bytes)).toMatchObject({ size: { width: 8, height: 4 } });
  });

  it('JPEG within TIFF, whose colours come out wrong, is refused', async () => {
    const bytes = await sharp(await picture('png')).tiff({ compression: 'jpeg' }).toBuffer();
    expect(readPictureHeader(bytes)).toBe('unknown');
  });

  it('a JPEG whose size stands behind a long profile wants more bytes', async () => {
    const bytes = await picture('jpeg');
    const profile = Buffer.alloc(60_004, 1);
    profile.writeUInt32BE(0xffe2ea62, 0); // APP2 of 60002 bytes
    const file = Buffer.concat([bytes.subarray(0, 2), profile, bytes.subarray(2)]);
    expect(readPictureHeader(file.subarray(0, 4096))).toBe('more');
    expect(readPictureHeader(file)).toMatchObject({ size: { width: 96, height: 64 } });
  });

  it('fill bytes between segments are passed over', async () => {
    const bytes = await picture('jpeg');
    expect(readPictureHeader(Buffer.concat([bytes.subarray(0, 2), Buffer.alloc(5, 0xff), bytes.subarray(2)]))).toMatchObject({ codec: 'mjpeg' });
  });

  it('damaged EXIF is no reason to refuse a picture', async () => {
    const bytes = await picture('jpeg', { orientation: 6 });
    const exif = bytes.indexOf('Exif\0\0');
    bytes.writeUInt32LE(0x7fffffff, exif + 10); // the directory is said to lie far outside
    expect(readPictureHeader(bytes)).toMatchObject({ orientation: 1, size: { width: 96, height: 64 } });
  });

  test.each([
    ['nothing', ''],
    ['text', 'hello world, this is no picture'],
    ['HTML of an error page', '<!doctype html><html>'],
    ['GIF, which may move', 'GIF89a\x10\0\x10\0'],
    ['a JPEG that goes straight to its pixels', '\xff\xd8\xff\xda\0\x08\x01\x01\0\0\x3f\0'],
    ['a JPEG with a segment of no length', '\xff\xd8\xff\xe0\0\0\0\0'],
    ['a PNG that does not begin with its header', '\x89PNG\r\n\x1a\n\0\0\0\x0dIDATxxxxxxxxxxxxx'],
    ['a PNG of no width', '\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\0\0\0\0\x05\x08\x02\0\0\0'],
  ])('%s is no picture', (_, text) => {
    expect(readPictureHeader(Buffer.from(text, 'latin1'))).toBe('unknown');
  });

  it('never fails, wherever a file is cut', async () => {
    for (const kind of KINDS) {
      const bytes = await picture(kind, { orientation: 6 });
      for (let length = 0; length < Math.min(bytes.length, 700); length += 1) {
        const cut = readPictureHeader(bytes.subarray(0, length));
        if (typeof cut === 'object') expect(cut.size).toEqual({ width: 96, height: 64 });
      }
    }
  });

  it('never fails, whatever bytes follow the first', () => {
    const starts = ['\xff\xd8\xff', '\xff\xd8\xff\xe1\0\x40Exif\0\0II*\0', '\x89PNG\r\n\x1a\n', 'RIFFxxxxWEBPVP8 ', 'RIFFxxxxWEBPVP8L', 'RIFFxxxxWEBPVP8X', 'BM', 'II*\0', 'MM\0*', 'P5 ', 'P6 1'];
    fc.assert(
      fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 200 }), (start, rest) => {
        const header = readPictureHeader(Buffer.concat([Buffer.from(start, 'latin1'), rest]));
        if (typeof header === 'object') expect(header.size.width * header.size.height).toBeGreaterThan(0);
        else expect(['more', 'unknown']).toContain(header);
      }),
      { numRuns: 2000 },
    );
  });

  const coco = sharedFixture('coco128');
  it.skipIf(!coco)(`agrees with libvips about photographs${coco ? '' : ` (${missingShared(SHARED_FIXTURES.coco128.path)})`}`, async () => {
    const folder = join(coco!, 'images');
    for (const name of readdirSync(folder).slice(0, 32)) {
      const { width, height } = await sharp(join(folder, name)).metadata();
      expect(readPictureHeader(firstBytes(join(folder, name), 65_536)), name).toMatchObject({ codec: 'mjpeg', size: { width, height } });
    }
  });
});

function firstBytes(path: string, count: number): Uint8Array {
  const file = openSync(path, 'r');
  const bytes = Buffer.alloc(count);
  const read = readSync(file, bytes);
  closeSync(file);
  return bytes.subarray(0, read);
}
