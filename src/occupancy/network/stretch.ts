import { assert } from '../../core/assert.js';
import type { Size } from '../../core/size.js';

/** Which pixels an output pixel is the mean of, along one axis. */
interface AxisPlan {
  /** By output pixel: where its weights begin, and at the end their number. */
  readonly begins: Uint32Array;
  /** By weight: the input pixel that it belongs to. */
  readonly from: Uint32Array;
  /** Those of an output pixel add up to 1. */
  readonly weights: Float32Array;
}

/** Everything that stretching pictures of one size to another needs beside the pixels. Made once a rig. */
export interface StretchPlan {
  readonly from: Size;
  readonly to: Size;
  readonly rows: AxisPlan;
  readonly columns: AxisPlan;
  /** Room for one row of input. */
  readonly row: Float32Array;
}

export function planStretch(from: Size, to: Size): StretchPlan {
  return { from, to, rows: planAxis(from.height, to.height), columns: planAxis(from.width, to.width), row: new Float32Array(from.width) };
}

/**
 * Stretches a picture by the mean of the area that each output pixel covers (OpenCV's INTER_AREA where a picture gets smaller; a picture
 * that gets larger keeps its pixels as squares), rounded. One that has the size already is copied.
 *
 * @param planes three of `plan.from`, a byte a pixel; may be shared memory.
 * @param out as many of `plan.to`; all of it is written.
 */
export function stretchPlanes(planes: Uint8Array, plan: StretchPlan, out: Uint8Array): void {
  const { from, to } = plan;
  const [pixels, seen] = [from.width * from.height, to.width * to.height];
  assert(planes.length === 3 * pixels && out.length === 3 * seen, `expected ${3 * pixels} bytes of pixels for ${3 * seen}, got ${planes.length} for ${out.length}`);
  if (from.width === to.width && from.height === to.height) {
    out.set(planes);
    return;
  }
  const isHalf = from.width === 2 * to.width && from.height === 2 * to.height && from.width % 4 === 0 && planes.byteOffset % 4 === 0;
  // Rows of three planes that lie one below the other are those of one picture.
  if (isHalf) halve(new Uint32Array(planes.buffer, planes.byteOffset, (3 * pixels) / 4), from.width / 4, out);
  else for (let plane = 0; plane < 3; plane += 1) stretchPlane(planes.subarray(plane * pixels, (plane + 1) * pixels), plan, out.subarray(plane * seen, (plane + 1) * seen));
}

/** Shares of the input pixels that an output pixel reaches over. */
function planAxis(from: number, to: number): AxisPlan {
  const begins = new Uint32Array(to + 1);
  const [sources, weights]: [number[], number[]] = [[], []];
  for (let i = 0; i < to; i += 1) {
    const [low, high] = [(i * from) / to, ((i + 1) * from) / to];
    for (let source = Math.floor(low); source < Math.min(from, Math.ceil(high)); source += 1) {
      const share = Math.min(high, source + 1) - Math.max(low, source);
      if (share <= 0) continue;
      sources.push(source);
      weights.push(share / (high - low));
    }
    begins[i + 1] = sources.length;
  }
  return { begins, from: Uint32Array.from(sources), weights: Float32Array.from(weights) };
}

/** Means of 2x2: four bytes are read at once, and sums of two pixels kept in the halves of a number. @param words pixels of a row by four */
function halve(pixels: Uint32Array, words: number, out: Uint8Array): void {
  for (let upper = 0, at = 0; at < out.length; upper += 2 * words) {
    for (let word = upper; word < upper + words; word += 1, at += 2) {
      const a = pixels[word]!;
      const b = pixels[word + words]!;
      const means = ((a & 0xff00ff) + ((a >>> 8) & 0xff00ff) + (b & 0xff00ff) + ((b >>> 8) & 0xff00ff) + 0x20002) >>> 2;
      out[at] = means & 0xff;
      out[at + 1] = (means >>> 16) & 0xff;
    }
  }
}

function stretchPlane(pixels: Uint8Array, { from, to, rows, columns, row }: StretchPlan, out: Uint8Array): void {
  for (let y = 0, at = 0; y < to.height; y += 1) {
    row.fill(0);
    for (let i = rows.begins[y]!; i < rows.begins[y + 1]!; i += 1) {
      const weight = rows.weights[i]!;
      const first = rows.from[i]! * from.width;
      for (let x = 0; x < from.width; x += 1) row[x] = row[x]! + weight * pixels[first + x]!;
    }
    for (let x = 0; x < to.width; x += 1, at += 1) {
      let sum = 0.5;
      for (let i = columns.begins[x]!; i < columns.begins[x + 1]!; i += 1) sum += columns.weights[i]! * row[columns.from[i]!]!;
      out[at] = sum;
    }
  }
}
