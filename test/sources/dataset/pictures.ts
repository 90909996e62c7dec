import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import sharp from 'sharp';

export type Kind = 'jpeg' | 'progressive' | 'gray-jpeg' | 'cmyk-jpeg' | 'png' | 'rgba-png' | 'palette-png' | 'png16' | 'gray-png' | 'webp' | 'lossless-webp' | 'tiff' | 'bmp' | 'pgm' | 'ppm';
export const KINDS: readonly Kind[] = [
  ...(['jpeg', 'progressive', 'gray-jpeg', 'cmyk-jpeg', 'png', 'rgba-png', 'palette-png', 'png16', 'gray-png'] as const),
  ...(['webp', 'lossless-webp', 'tiff', 'bmp', 'pgm', 'ppm'] as const),
];

export interface PictureOptions {
  readonly width?: number;
  readonly height?: number;
  /** Each gives another picture. */
  readonly seed?: number;
  /** EXIF orientation to write, where the format holds it. */
  readonly orientation?: number;
}

/** Smooth colours, so that every codec and scaler agrees about them, and no symmetry, so that a wrong turn shows. */
function pixels(width: number, height: number, seed: number): Buffer {
  const data = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = (y * width + x) * 3;
      data[at] = 30 + Math.round((200 * x) / width);
      data[at + 1] = 30 + Math.round((200 * y) / height);
      data[at + 2] = (seed * 40) % 250;
    }
  }
  return data;
}

/** A picture file in memory. */
export async function picture(kind: Kind, { width = 96, height = 64, seed = 0, orientation }: PictureOptions = {}): Promise<Buffer> {
  const rgb = pixels(width, height, seed);
  const image = sharp(rgb, { raw: { width, height, channels: 3 } });
  if (orientation !== undefined) image.withMetadata({ orientation });
  switch (kind) {
    case 'jpeg':
      return image.jpeg({ quality: 95 }).toBuffer();
    case 'progressive':
      return image.jpeg({ quality: 95, progressive: true }).toBuffer();
    case 'gray-jpeg':
      return image.grayscale().jpeg({ quality: 95 }).toBuffer();
    case 'cmyk-jpeg':
      return image.toColourspace('cmyk').jpeg({ quality: 95 }).toBuffer();
    case 'png':
      return image.png().toBuffer();
    case 'rgba-png':
      return image.ensureAlpha(1).png().toBuffer();
    case 'palette-png':
      return image.png({ palette: true }).toBuffer();
    case 'png16':
      return image.toColourspace('rgb16').png().toBuffer();
    case 'gray-png':
      return image.grayscale().png().toBuffer();
    case 'webp':
      return image.webp({ quality: 95 }).toBuffer();
    case 'lossless-webp':
      return image.webp({ lossless: true }).toBuffer();
    case 'tiff':
      return image.tiff({ compression: 'lzw' }).toBuffer();
    case 'bmp':
      return bmp(rgb, width, height);
    case 'pgm':
      return Buffer.concat([Buffer.from(`P5\n# a comment\n${width} ${height}\n255\n`), Buffer.from(rgb.filter((_, i) => i % 3 === 0))]);
    case 'ppm':
      return Buffer.concat([Buffer.from(`P6 ${width} ${height} 255\n`), rgb]);
  }
}

/** 24 bits, rows from bottom to top, each filled up to whole words. */
function bmp(rgb: Buffer, width: number, height: number): Buffer {
  const rowBytes = Math.ceil((width * 3) / 4) * 4;
  const file = Buffer.alloc(54 + rowBytes * height);
  file.write('BM');
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(54, 10);
  file.writeUInt32LE(40, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(height, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = (y * width + x) * 3;
      const to = 54 + (height - 1 - y) * rowBytes + x * 3;
      for (const channel of [0, 1, 2]) file[to + channel] = rgb[from + 2 - channel]!;
    }
  }
  return file;
}

/** Writes a file, and the folders above it. */
export function put(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
