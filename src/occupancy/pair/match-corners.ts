import type { Thumbnail } from './thumbnail.js';

/** A place of the left thumbnail that was found again in the right one. */
export interface CornerMatch {
  /** How far it lies to the left of where it was, as parallax is counted, pixels of the thumbnail. */
  readonly parallaxPx: number;
  /** How far below, parts of a pixel. */
  readonly rowsDown: number;
}

export interface CornerMatches {
  /** Corners that were looked for. */
  readonly corners: number;
  readonly matches: readonly CornerMatch[];
}

/** Half a patch's side less half a pixel. */
const RADIUS = 4;
const PATCH = (2 * RADIUS + 1) ** 2;
/** One corner a cell of so many pixels: all over the picture, and never too many. */
const CELL = 14;
/** The lesser eigenvalue of the patch's gradients, grey levels squared a pixel: below, a place is an edge, or noise. */
const MIN_CORNER = 12;
/** Rows up and down that are looked through. */
const ROWS = 5;
/** Columns to both sides, of the width. */
const COLUMNS_SHARE = 0.25;
/** Correlation of a find, and by how much it is to beat the next best elsewhere. */
const MIN_CORRELATION = 0.8;
const MIN_LEAD = 0.08;
const SAME_PLACE_PX = 3;

/**
 * Looks for the corners of one thumbnail in another of the same size, by normalised correlation, so that exposure doesn't matter. A find
 * counts where it is clear, unique and leads back to where it came from.
 */
export function matchCorners(left: Thumbnail, right: Thumbnail): CornerMatches {
  const [from, to] = [prepare(left), prepare(right)];
  const corners = cornersOf(from);
  const matches: CornerMatch[] = [];
  for (const corner of corners) {
    const found = find(from, to, corner);
    if (!found) continue;
    const back = find(to, from, found.y * to.width + found.x);
    const [x, y] = [corner % from.width, Math.floor(corner / from.width)];
    if (back && Math.abs(back.x - x) <= 1 && Math.abs(back.y - y) <= 1) matches.push({ parallaxPx: x - found.x, rowsDown: found.y + found.part - y });
  }
  return { corners: corners.length, matches };
}

interface Prepared {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
  /** Of the patch about each pixel: its sum, and the root of its squared deviations; 0 near the border. */
  readonly sum: Float32Array;
  readonly deviation: Float32Array;
}

function prepare({ size: { width, height }, pixels }: Thumbnail): Prepared {
  const sum = new Float32Array(width * height);
  const deviation = new Float32Array(width * height);
  for (let y = RADIUS; y < height - RADIUS; y += 1) {
    for (let x = RADIUS; x < width - RADIUS; x += 1) {
      let [total, squares] = [0, 0];
      for (let row = y - RADIUS; row <= y + RADIUS; row += 1) {
        for (let at = row * width + x - RADIUS, end = at + 2 * RADIUS; at <= end; at += 1) {
          total += pixels[at]!;
          squares += pixels[at]! * pixels[at]!;
        }
      }
      sum[y * width + x] = total;
      deviation[y * width + x] = Math.sqrt(Math.max(0, squares - (total * total) / PATCH));
    }
  }
  return { width, height, pixels, sum, deviation };
}

/** The best corner of each cell, if it is one. */
function cornersOf(picture: Prepared): number[] {
  const { width, height } = picture;
  const border = RADIUS + 1;
  const corners: number[] = [];
  for (let top = border; top + CELL <= height - border; top += CELL) {
    for (let start = border; start + CELL <= width - border; start += CELL) {
      let [best, strongest] = [-1, MIN_CORNER];
      // Every other pixel: patches overlap.
      for (let y = top; y < top + CELL; y += 2) {
        for (let x = start; x < start + CELL; x += 2) {
          const strength = cornerAt(picture, x, y);
          if (strength > strongest) [best, strongest] = [y * width + x, strength];
        }
      }
      if (best >= 0) corners.push(best);
    }
  }
  return corners;
}

/** Lesser eigenvalue of the structure tensor, a pixel (Shi and Tomasi 1994). */
function cornerAt({ width, pixels }: Prepared, x: number, y: number): number {
  let [xx, xy, yy] = [0, 0, 0];
  for (let row = y - RADIUS; row <= y + RADIUS; row += 1) {
    for (let at = row * width + x - RADIUS, end = at + 2 * RADIUS; at <= end; at += 1) {
      const gx = (pixels[at + 1]! - pixels[at - 1]!) / 2;
      const gy = (pixels[at + width]! - pixels[at - width]!) / 2;
      xx += gx * gx;
      xy += gx * gy;
      yy += gy * gy;
    }
  }
  return ((xx + yy) / 2 - Math.hypot((xx - yy) / 2, xy)) / PATCH;
}

interface Find {
  readonly x: number;
  readonly y: number;
  /** To be added to `y`: where the correlation peaks between rows. */
  readonly part: number;
}

function find(from: Prepared, to: Prepared, corner: number): Find | undefined {
  const { width, height } = from;
  const [x, y] = [corner % width, Math.floor(corner / width)];
  const reach = Math.round(COLUMNS_SHARE * width);
  const [left, right] = [Math.max(RADIUS, x - reach), Math.min(width - 1 - RADIUS, x + reach)];
  const [top, bottom] = [Math.max(RADIUS, y - ROWS), Math.min(height - 1 - RADIUS, y + ROWS)];
  const columns = right - left + 1;
  const scores = new Float32Array(columns * (bottom - top + 1));
  let best = 0;
  for (let v = top, i = 0; v <= bottom; v += 1) {
    for (let u = left; u <= right; u += 1, i += 1) {
      scores[i] = correlation(from, corner, to, v * width + u);
      if (scores[i]! > scores[best]!) best = i;
    }
  }
  const [bestX, bestY] = [best % columns, Math.floor(best / columns)];
  const next = scores.reduce((most, score, i) => (score > most && Math.max(Math.abs((i % columns) - bestX), Math.abs(Math.floor(i / columns) - bestY)) > SAME_PLACE_PX ? score : most), 0);
  if (scores[best]! < MIN_CORRELATION || scores[best]! - next < MIN_LEAD) return undefined;
  // A peak at the end of the search is one of what lies beyond it.
  if (bestY === 0 || bestY === bottom - top) return undefined;
  return { x: left + bestX, y: top + bestY, part: peakOf(scores[best - columns]!, scores[best]!, scores[best + columns]!) };
}

/** Where the parabola through three scores peaks, -0.5 to 0.5. */
function peakOf(before: number, at: number, after: number): number {
  const bend = before - 2 * at + after;
  return bend < 0 ? (before - after) / (2 * bend) : 0;
}

function correlation(from: Prepared, a: number, to: Prepared, b: number): number {
  const scale = from.deviation[a]! * to.deviation[b]!;
  if (scale === 0) return 0;
  const { width } = from;
  let products = 0;
  for (let row = -RADIUS; row <= RADIUS; row += 1) {
    let p = a + row * width - RADIUS;
    let q = b + row * width - RADIUS;
    for (const end = p + 2 * RADIUS; p <= end; p += 1, q += 1) products += from.pixels[p]! * to.pixels[q]!;
  }
  return (products - (from.sum[a]! * to.sum[b]!) / PATCH) / scale;
}
