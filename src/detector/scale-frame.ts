import type { ImageFit } from '../core/image-fit.js';
import type { Size } from '../core/size.js';

/** Weights are whole numbers of 1/128: two of them and a pixel stay within 22 bits, where small integers are fast. */
const ONE = 128;
const SHIFT = 14;
const HALF = 1 << (SHIFT - 1);

/** Which two pixels of a row (or rows of a picture) each one of a smaller picture is made of. */
interface Taps {
  /** The first of the two. */
  readonly at: Int32Array;
  /** What the second weighs, 0 to 128; the first has the rest. */
  readonly weight: Int32Array;
}

/** How frames of one size become those of another. */
export interface FrameScaling {
  readonly from: Size;
  readonly to: Size;
  readonly columns: Taps;
  readonly rows: Taps;
}

/** @param from and `to`, at least 2 pixels a side. Below half the size pixels are skipped, which shows as flicker of fine texture. */
export function planScaling(from: Size, to: Size): FrameScaling {
  return { from, to, columns: tapsOf(from.width, to.width), rows: tapsOf(from.height, to.height) };
}

/**
 * Scales planes bilinearly: one pixel of four neighbours, pixel centres at halves, as all resizers of the field count them. A box goes
 * back by the ratio of the sizes.
 *
 * @param frame planes of the one size, @param out of the other: equally many.
 */
export function scaleFrame(frame: Uint8Array, { from, to, columns, rows }: FrameScaling, out: Uint8Array): void {
  const planes = out.length / (to.width * to.height);
  let o = 0;
  for (let plane = 0; plane < planes; plane += 1) {
    const base = plane * from.width * from.height;
    for (let y = 0; y < to.height; y += 1) {
      const upper = base + rows.at[y]! * from.width;
      const lower = upper + from.width;
      const down = rows.weight[y]!;
      for (let x = 0; x < to.width; x += 1) {
        const left = columns.at[x]!;
        const right = columns.weight[x]!;
        const above = frame[upper + left]! * (ONE - right) + frame[upper + left + 1]! * right;
        const below = frame[lower + left]! * (ONE - right) + frame[lower + left + 1]! * right;
        out[o] = (above * (ONE - down) + below * down + HALF) >> SHIFT;
        o += 1;
      }
    }
  }
}

/** Where the source picture lies in the scaled input. */
export function scaleFit({ scaleX, scaleY, padX, padY }: ImageFit, { from, to }: Pick<FrameScaling, 'from' | 'to'>): ImageFit {
  const x = to.width / from.width;
  const y = to.height / from.height;
  return { scaleX: scaleX * x, scaleY: scaleY * y, padX: padX * x, padY: padY * y };
}

function tapsOf(from: number, to: number): Taps {
  const at = new Int32Array(to);
  const weight = new Int32Array(to);
  for (let i = 0; i < to; i += 1) {
    const centre = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    at[i] = Math.min(Math.floor(centre), from - 2);
    weight[i] = Math.round((centre - at[i]!) * ONE);
  }
  return { at, weight };
}
