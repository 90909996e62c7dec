import type { IntegralImage } from './integral-image.js';
import type { CellRegion } from './refine-region.js';

/** Sides of the windows in cells, and the contrast that is usual for each at most. */
export interface WindowSizes {
  readonly sizes: readonly number[];
  readonly scale: readonly number[];
}

/** A square window on the grid of cells. */
export interface FoundWindow {
  readonly cells: CellRegion;
  /** Contrast in units of what one ordinary picture in ten reaches in windows of this size. */
  readonly score: number;
}

/** Windows that share more of the smaller one than this are about the same thing. */
const SAME_SHARE = 0.3;
/** Side of a window in parts that it is moved by. */
const STEPS_PER_SIDE = 3;
/** Sides of a block in cells: the best window with its middle in a block stands for it. */
const BLOCK = 4;
/** Windows of a block compete within classes of size, so that a small one doesn't hide a large one. */
const SIZE_CLASSES = 3;

/** Looks at square windows of many sizes all over the map. Owns its memory: one a thread. */
export class WindowSearch {
  readonly #profile: WindowSizes;
  readonly #columns: number;
  readonly #rows: number;
  readonly #scores: Float32Array;
  /** Left, top and size of the best window of each block and class. */
  readonly #places: Int16Array;

  /** @param width and `height` of the map in cells */
  constructor(profile: WindowSizes, width: number, height: number) {
    this.#profile = profile;
    this.#columns = Math.ceil(width / BLOCK);
    this.#rows = Math.ceil(height / BLOCK);
    const entries = SIZE_CLASSES * this.#columns * this.#rows;
    this.#scores = new Float32Array(entries);
    this.#places = new Int16Array(3 * entries);
  }

  /** Scores every window. */
  update(evidence: IntegralImage): void {
    this.#scores.fill(0);
    const { sizes, scale } = this.#profile;
    for (let i = 0; i < sizes.length; i += 1) this.#scoreSize(evidence, sizes[i]!, 1 / scale[i]!, Math.floor((i * SIZE_CLASSES) / sizes.length));
  }

  /** The strongest windows that don't lie on each other, strongest first. */
  strongest(limit: number): FoundWindow[] {
    const picked: FoundWindow[] = [];
    while (picked.length < limit) {
      const next = this.strongestWhere((left, top, size) => !picked.some(({ cells }) => isSame(cells, left, top, size)));
      if (!next) break;
      picked.push(next);
    }
    return picked;
  }

  /** The strongest window that `accepts` says yes to. */
  strongestWhere(accepts: (left: number, top: number, size: number) => boolean): FoundWindow | undefined {
    let best = -1;
    let bestScore = 0;
    for (let i = 0; i < this.#scores.length; i += 1) {
      if (this.#scores[i]! <= bestScore) continue;
      if (!accepts(this.#places[3 * i]!, this.#places[3 * i + 1]!, this.#places[3 * i + 2]!)) continue;
      best = i;
      bestScore = this.#scores[i]!;
    }
    if (best < 0) return undefined;
    const [left, top, size] = [this.#places[3 * best]!, this.#places[3 * best + 1]!, this.#places[3 * best + 2]!];
    return { cells: [left, top, left + size, top + size], score: bestScore };
  }

  /** Greatest contrast of each size, unscaled: what the profile's scale is made of. */
  static greatestBySize(evidence: IntegralImage, sizes: readonly number[]): number[] {
    return sizes.map((size) => {
      const step = stepOf(size);
      let greatest = 0;
      for (let top = 0; top + size <= evidence.height; top += step) {
        for (let left = 0; left + size <= evidence.width; left += step) greatest = Math.max(greatest, evidence.contrast(left, top, left + size, top + size));
      }
      return greatest;
    });
  }

  #scoreSize(evidence: IntegralImage, size: number, inverse: number, sizeClass: number): void {
    const step = stepOf(size);
    const half = size >> 1;
    const scores = this.#scores;
    const places = this.#places;
    for (let top = 0; top + size <= evidence.height; top += step) {
      const row = (sizeClass * this.#rows + Math.floor((top + half) / BLOCK)) * this.#columns;
      for (let left = 0; left + size <= evidence.width; left += step) {
        const score = evidence.contrast(left, top, left + size, top + size) * inverse;
        const block = row + Math.floor((left + half) / BLOCK);
        if (score <= scores[block]!) continue;
        scores[block] = score;
        places[3 * block] = left;
        places[3 * block + 1] = top;
        places[3 * block + 2] = size;
      }
    }
  }
}

function stepOf(size: number): number {
  return Math.max(1, Math.floor(size / STEPS_PER_SIDE));
}

function isSame(cells: CellRegion, left: number, top: number, size: number): boolean {
  const width = Math.min(cells[2], left + size) - Math.max(cells[0], left);
  const height = Math.min(cells[3], top + size) - Math.max(cells[1], top);
  if (width <= 0 || height <= 0) return false;
  return width * height > SAME_SHARE * Math.min((cells[2] - cells[0]) * (cells[3] - cells[1]), size * size);
}
