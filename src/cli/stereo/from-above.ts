import sharp from 'sharp';

/**
 * How high the uppermost occupied cell of each column of cells lies, seen from above.
 *
 * @param cells `side` a side, y down. @returns `[z, x]`: 0 where there is none, 1 for the lowest cell, `side` for the uppermost.
 */
export function heightsFromAbove(cells: Uint8Array, side: number): Uint8Array {
  const heights = new Uint8Array(side * side);
  for (let z = 0; z < side; z += 1) {
    for (let x = 0; x < side; x += 1) {
      for (let y = 0; y < side && heights[x + side * z] === 0; y += 1) if (cells[x + side * (y + side * z)] !== 0) heights[x + side * z] = side - y;
    }
  }
  return heights;
}

const BACKGROUND = [24, 27, 30] as const;
/** Colours from the ground up; what is higher than the last has its colour. */
const COLOURS = [
  [52, 62, 92],
  [44, 118, 168],
  [52, 168, 118],
  [228, 196, 64],
  [226, 92, 56],
] as const;
/** Cells of 64 a side from one colour to the next: up to a quarter of the cube, where most things end. */
const HEIGHT_STEP = 1 / 16;

/** A picture of heights: the camera stands in the middle below, what is far is above. @returns a JPEG file */
export async function drawFromAbove(heights: Uint8Array, sizePx: number): Promise<Uint8Array> {
  const side = Math.sqrt(heights.length);
  const pixels = new Uint8Array(3 * heights.length);
  for (let z = 0; z < side; z += 1) for (let x = 0; x < side; x += 1) pixels.set(colourOf(heights[x + side * z]!, side), 3 * (x + side * (side - 1 - z)));
  return sharp(pixels, { raw: { width: side, height: side, channels: 3 } }).resize(sizePx, sizePx, { kernel: 'nearest' }).jpeg({ quality: 90 }).toBuffer();
}

function colourOf(height: number, side: number): readonly number[] {
  if (height === 0) return BACKGROUND;
  const place = Math.min(COLOURS.length - 1, (height - 1) / side / HEIGHT_STEP);
  const [lower, upper] = [COLOURS[Math.floor(place)]!, COLOURS[Math.ceil(place)]!];
  return lower.map((value, i) => value + (upper[i]! - value) * (place % 1));
}
