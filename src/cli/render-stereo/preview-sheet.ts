import { join } from 'node:path';
import sharp, { type OverlayOptions } from 'sharp';
import type { Size } from '../../core/size.js';
import { PAIR_FOLDERS, pictureName } from './write-pair.js';

const MOST_ROWS = 12;
const TILE_WIDTH_PX = 400;
const GAP_PX = 4;

/** Left, right and disparity of pairs from all over a set, one below the other: a PNG. */
export async function writePreviewSheet(folder: string, count: number, size: Size): Promise<void> {
  const tile: Size = { width: TILE_WIDTH_PX, height: Math.max(1, Math.round((TILE_WIDTH_PX * size.height) / size.width)) };
  const rows = Math.min(MOST_ROWS, count);
  const placed: OverlayOptions[] = [];
  for (let row = 0; row < rows; row += 1) {
    const name = pictureName(Math.floor((row * count) / rows));
    const tiles = [await colourTile(join(folder, PAIR_FOLDERS.left, name), tile), await colourTile(join(folder, PAIR_FOLDERS.right, name), tile), await disparityTile(join(folder, PAIR_FOLDERS.disparity, name), tile)];
    tiles.forEach((input, column) => placed.push({ input, left: column * (tile.width + GAP_PX), top: row * (tile.height + GAP_PX) }));
  }
  const sheet = { width: 3 * (tile.width + GAP_PX) - GAP_PX, height: rows * (tile.height + GAP_PX) - GAP_PX, channels: 3 as const, background: 'white' };
  await sharp({ create: sheet }).composite(placed).png({ palette: true, quality: 90 }).toFile(join(folder, 'preview.png'));
}

function colourTile(path: string, { width, height }: Size): Promise<Buffer> {
  return sharp(path).resize(width, height).png().toBuffer();
}

async function disparityTile(path: string, { width, height }: Size): Promise<Buffer> {
  // Nearest: between a thing and what is behind it there is no disparity.
  const { data } = await sharp(path).resize(width, height, { kernel: 'nearest' }).toColourspace('grey16').raw({ depth: 'ushort' }).toBuffer({ resolveWithObject: true });
  return sharp(colours(new Uint16Array(data.buffer, data.byteOffset, width * height)), { raw: { width, height, channels: 3 } }).png().toBuffer();
}

/** From dark blue (far) over green to red (near); black where there is none. Each picture by its own nearest. */
function colours(codes: Uint16Array): Uint8Array {
  const sorted = codes.filter((code) => code > 0).sort();
  const most = Math.log(1 + (sorted[Math.floor(0.99 * sorted.length)] ?? 1));
  const pixels = new Uint8Array(3 * codes.length);
  codes.forEach((code, at) => {
    if (code > 0) pixels.set(spectrum(Math.min(1, Math.log(1 + code) / most) ** 3), 3 * at);
  });
  return pixels;
}

function spectrum(share: number): [r: number, g: number, b: number] {
  const band = (middle: number) => 255 * Math.max(0, Math.min(1, 1.5 - Math.abs(4 * share - middle)));
  return [band(3), band(2), band(1)];
}
