import type { Size } from '../../core/size.js';
import type { InputRegion } from '../region.js';
import type { IntegralImage } from './integral-image.js';

const CLIMB_STEPS = 12;
/** Sides of a region don't differ by more. */
const MAX_ASPECT = 1.67;
/** How far a side may move to an edge, in parts of the region's size, and at least so many pixels. */
const SNAP_REACH = 0.22;
const MIN_REACH_PX = 2;
const SNAP_ROUNDS = 2;
/** Difference between neighbouring pixels, summed over the planes, that counts as a clear edge. */
const CLEAR_EDGE = 60;
/** Greatest sum of differences over three planes. */
const MAX_DIFFERENCE = 765;
/** Of each sum of differences: a line along the whole side counts more than one strong spot. */
const STRENGTH = Float32Array.from({ length: MAX_DIFFERENCE + 1 }, (_, difference) => Math.sqrt(difference));
const CLEARNESS = Float32Array.from({ length: MAX_DIFFERENCE + 1 }, (_, difference) => Math.min(1, difference / CLEAR_EDGE));

/** Left, top, right, bottom in cells. */
export type CellRegion = [left: number, top: number, right: number, bottom: number];

const MOVES: readonly CellRegion[] = [
  [-1, 0, 0, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 1, 0, 0], [0, 0, -1, 0], [0, 0, 1, 0], [0, 0, 0, -1], [0, 0, 0, 1],
  [1, 0, 1, 0], [-1, 0, -1, 0], [0, 1, 0, 1], [0, -1, 0, -1],
];

/** Moves the sides cell by cell to where the region stands out most, larger ones preferred a little. */
export function climb(evidence: IntegralImage, start: Readonly<CellRegion>): CellRegion {
  let best: CellRegion = [...start];
  let bestScore = climbScore(evidence, best);
  for (let step = 0; step < CLIMB_STEPS; step += 1) {
    let next: CellRegion | undefined;
    for (const move of MOVES) {
      const tried = best.map((side, i) => side + move[i]!) as CellRegion;
      const score = climbScore(evidence, tried);
      if (score > bestScore + 1e-9) {
        bestScore = score;
        next = tried;
      }
    }
    if (!next) break;
    best = next;
  }
  return best;
}

function climbScore(evidence: IntegralImage, [left, top, right, bottom]: CellRegion): number {
  const width = right - left;
  const height = bottom - top;
  if (left < 0 || top < 0 || right > evidence.width || bottom > evidence.height || width < 2 || height < 2) return Number.NEGATIVE_INFINITY;
  if (width > MAX_ASPECT * height || height > MAX_ASPECT * width) return Number.NEGATIVE_INFINITY;
  return evidence.contrast(left, top, right, bottom) * (width * height) ** 0.25;
}

/** Sums the absolute differences between neighbouring pixels over the three planes. */
export class EdgeReader {
  readonly #size: Size;
  #pixels: Uint8Array = new Uint8Array(0);

  constructor(size: Size) {
    this.#size = size;
  }

  /** @param pixels planes of the picture that is read from now on */
  use(pixels: Uint8Array): void {
    this.#pixels = pixels;
  }

  /** Moves each side to the nearest straight edge: pasted things end in straight lines, and the fill has to cover all of them. */
  snap({ left, top, right, bottom }: InputRegion): InputRegion {
    let region = { left, top, right, bottom };
    for (let round = 0; round < SNAP_ROUNDS; round += 1) {
      const width = region.right - region.left;
      const height = region.bottom - region.top;
      const reachX = Math.max(MIN_REACH_PX, SNAP_REACH * width);
      const reachY = Math.max(MIN_REACH_PX, SNAP_REACH * height);
      const ys: readonly [number, number] = [region.top + 0.1 * height, region.bottom - 0.1 * height];
      const xs: readonly [number, number] = [region.left + 0.1 * width, region.right - 0.1 * width];
      const l = this.#bestLine('x', region.left, reachX, ys);
      const r = this.#bestLine('x', region.right, reachX, ys);
      const t = this.#bestLine('y', region.top, reachY, xs);
      const b = this.#bestLine('y', region.bottom, reachY, xs);
      if (r - l > 0.5 * width && r - l < 1.6 * width) region = { ...region, left: l, right: r };
      if (b - t > 0.5 * height && b - t < 1.6 * height) region = { ...region, top: t, bottom: b };
    }
    return region;
  }

  /** How clear the four sides are as lines, 0 to 1: their mean, and the least clear one (0 where a side is at the border). */
  sides({ left, top, right, bottom }: InputRegion): { readonly mean: number; readonly least: number } {
    const lines = [
      this.#clearness('x', left, [top + 1, bottom - 1]),
      this.#clearness('x', right, [top + 1, bottom - 1]),
      this.#clearness('y', top, [left + 1, right - 1]),
      this.#clearness('y', bottom, [left + 1, right - 1]),
    ];
    return { mean: lines.reduce((sum, line) => sum + line, 0) / 4, least: Math.min(...lines) };
  }

  #bestLine(axis: 'x' | 'y', from: number, reach: number, along: readonly [number, number]): number {
    const length = axis === 'x' ? this.#size.width : this.#size.height;
    const first = Math.max(1, Math.floor(from - reach));
    const last = Math.min(length - 1, Math.ceil(from + reach));
    let best = from;
    let bestStrength = -1;
    for (let at = first; at <= last; at += 1) {
      // Near ones are preferred.
      const strength = this.#mean(axis, at, along[0], along[1], STRENGTH) * (1 - (0.3 * Math.abs(at - from)) / reach);
      if (strength > bestStrength) {
        bestStrength = strength;
        best = at;
      }
    }
    return best;
  }

  #clearness(axis: 'x' | 'y', at: number, along: readonly [number, number]): number {
    const length = axis === 'x' ? this.#size.width : this.#size.height;
    const line = Math.round(at);
    if (line < 1 || line >= length - 1) return 0;
    return this.#mean(axis, line, along[0], along[1], CLEARNESS);
  }

  /** Mean over a line of what the table says of the difference across it. */
  #mean(axis: 'x' | 'y', line: number, from: number, to: number, table: Float32Array): number {
    const { width, height } = this.#size;
    const plane = width * height;
    const across = axis === 'x' ? 1 : width;
    const alongStep = axis === 'x' ? width : 1;
    const first = Math.max(0, Math.ceil(from));
    const last = Math.min((axis === 'x' ? height : width) - 1, Math.floor(to));
    if (last < first) return 0;
    const pixels = this.#pixels;
    let sum = 0;
    for (let i = first, at = first * alongStep + line * across; i <= last; i += 1, at += alongStep) {
      let difference = Math.abs(pixels[at]! - pixels[at - across]!);
      difference += Math.abs(pixels[at + plane]! - pixels[at + plane - across]!);
      difference += Math.abs(pixels[at + 2 * plane]! - pixels[at + 2 * plane - across]!);
      sum += table[difference]!;
    }
    return sum / (last - first + 1);
  }
}
