import sharp from 'sharp';
import type { FrameFormat } from '../../core/frame.js';
import type { FittedPicture, PictureSet } from '../../core/picture-set.js';

export interface SheetOptions {
  /** Default 6. */
  readonly columns?: number;
  /** Default 3. */
  readonly rows?: number;
  /** Side of a picture, default 140. */
  readonly tilePx?: number;
}

const GAP_PX = 4;

/** The first pictures of a set side by side, to be looked at: a PNG. */
export async function contactSheet(pictures: PictureSet, { columns = 6, rows = 3, tilePx = 140 }: SheetOptions = {}): Promise<Uint8Array> {
  const format: FrameFormat = { size: { width: tilePx, height: tilePx }, fit: 'letterbox', padValue: 114 };
  const tiles: FittedPicture[] = [];
  for await (const picture of pictures.read(format)) {
    tiles.push(picture);
    if (tiles.length === columns * rows) break;
  }
  const step = tilePx + GAP_PX;
  const sheet = sharp({ create: { width: columns * step - GAP_PX, height: Math.max(1, Math.ceil(tiles.length / columns)) * step - GAP_PX, channels: 3, background: 'white' } });
  const placed = tiles.map(({ pixels }, index) => ({ input: Buffer.from(interleaved(pixels)), raw: { width: tilePx, height: tilePx, channels: 3 as const }, left: (index % columns) * step, top: Math.floor(index / columns) * step }));
  return sheet.composite(placed).png({ palette: true, quality: 90 }).toBuffer();
}

/** Planes G, B, R as pixels of red, green, blue. */
function interleaved(planes: Uint8Array): Uint8Array {
  const plane = planes.length / 3;
  const pixels = new Uint8Array(planes.length);
  for (let i = 0; i < plane; i += 1) {
    pixels[3 * i] = planes[2 * plane + i]!;
    pixels[3 * i + 1] = planes[i]!;
    pixels[3 * i + 2] = planes[plane + i]!;
  }
  return pixels;
}
