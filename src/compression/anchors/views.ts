import type { FittedPicture, PictureSet } from '../../core/picture-set.js';
import type { Size } from '../../core/size.js';

/** How a picture is seen again: mirrored, and a window of it blown up or the whole of it shrunk. */
interface View {
  readonly mirrored: boolean;
  /** Side of the window over the picture's: below 1 is a closer look, above 1 a look from further away. */
  readonly window: number;
  /** Where the window lies in the room that is left, 0 to 1. */
  readonly at: readonly [number, number];
}

/** Plain first. The others are fixed, not random: the same pictures give the same fit. */
const VIEWS: readonly View[] = [
  { mirrored: false, window: 1, at: [0, 0] },
  { mirrored: true, window: 1, at: [0, 0] },
  { mirrored: false, window: 0.7, at: [0.3, 0.4] },
  { mirrored: true, window: 1.4, at: [0.5, 0.5] },
  { mirrored: true, window: 0.75, at: [0.8, 0.7] },
  { mirrored: false, window: 1.25, at: [0.2, 0.6] },
  { mirrored: false, window: 0.85, at: [1, 0.2] },
  { mirrored: true, window: 1.8, at: [0.4, 0.5] },
];

export const MAX_VIEWS = VIEWS.length;

/**
 * A set whose pictures are seen several times over, for fitting without labels: what a network says of a mirrored picture is as good
 * a teacher as what it says of the picture.
 *
 * @param views of each picture, 1 to `MAX_VIEWS`.
 */
export function withViews(pictures: PictureSet, views: number): PictureSet {
  return {
    description: views === 1 ? pictures.description : `${pictures.description}, each seen ${views} times (mirrored, nearer, further)`,
    count: pictures.count * views,
    async *read(format) {
      for await (const picture of pictures.read(format)) {
        for (const view of VIEWS.slice(0, views)) yield seen(picture, format.size, format.padValue, view);
      }
    },
  };
}

function seen(picture: FittedPicture, size: Size, padValue: number, { mirrored, window, at }: View): FittedPicture {
  if (!mirrored && window === 1) return picture;
  const { width, height } = size;
  const columns = samplePlaces(width, window, at[0], mirrored);
  const rows = samplePlaces(height, window, at[1], false);
  const pixels = new Uint8Array(picture.pixels.length);
  for (let plane = 0; plane < 3; plane += 1) {
    const from = picture.pixels.subarray(plane * width * height, (plane + 1) * width * height);
    resample(from, width, height, columns, rows, padValue, pixels.subarray(plane * width * height, (plane + 1) * width * height));
  }
  return { ...picture, pixels };
}

/** For each pixel of a line the place in the old line that it shows; outside of it there is padding. */
function samplePlaces(length: number, window: number, at: number, mirrored: boolean): Float64Array {
  const start = (1 - window) * at * length;
  return Float64Array.from({ length }, (_, i) => {
    const place = start + (i + 0.5) * window - 0.5;
    return mirrored ? length - 1 - place : place;
  });
}

/** Bilinear. */
function resample(from: Uint8Array, width: number, height: number, columns: Float64Array, rows: Float64Array, padValue: number, to: Uint8Array): void {
  for (let y = 0; y < height; y += 1) {
    const row = rows[y]!;
    for (let x = 0; x < width; x += 1) {
      const column = columns[x]!;
      const isInside = row > -0.5 && column > -0.5 && row < height - 0.5 && column < width - 0.5;
      to[y * width + x] = isInside ? sample(from, width, height, column, row) : padValue;
    }
  }
}

function sample(from: Uint8Array, width: number, height: number, column: number, row: number): number {
  const x = Math.min(Math.max(column, 0), width - 1);
  const y = Math.min(Math.max(row, 0), height - 1);
  const left = Math.floor(x);
  const top = Math.floor(y);
  const right = Math.min(left + 1, width - 1);
  const bottom = Math.min(top + 1, height - 1);
  const upper = from[top * width + left]! * (left + 1 - x) + from[top * width + right]! * (x - left);
  const lower = from[bottom * width + left]! * (left + 1 - x) + from[bottom * width + right]! * (x - left);
  return Math.round(upper * (top + 1 - y) + lower * (y - top));
}
