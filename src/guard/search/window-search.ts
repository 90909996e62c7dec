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
const STEPS_PER_SIDE = 4;

/** Looks at square windows of many sizes all over the map. Owns its memory: one a thread. */
export class WindowSearch {
  readonly #profile: WindowSizes;
  #scores = new Float32Array(0);
  #places = new Int32Array(0);
  #count = 0;

  constructor(profile: WindowSizes) {
    this.#profile = profile;
  }

  /** Scores every window; those that don't stand out at all are left out. */
  update(evidence: IntegralImage): void {
    this.#count = 0;
    this.#profile.sizes.forEach((size, sizeIndex) => this.#scoreSize(evidence, size, sizeIndex));
  }

  /** The strongest windows that don't lie on each other, strongest first. */
  strongest(limit: number): FoundWindow[] {
    return this.#pickFrom(limit, () => true);
  }

  /** The strongest window that `accepts` says yes to. */
  strongestWhere(accepts: (left: number, top: number, size: number) => boolean): FoundWindow | undefined {
    return this.#pickFrom(1, accepts)[0];
  }

  /** Greatest contrast of each size, unscaled: what the profile's scale is made of. */
  static greatestBySize(evidence: IntegralImage, sizes: readonly number[]): number[] {
    return sizes.map((size) => {
      let greatest = 0;
      forEachPlace(evidence, size, (left, top) => {
        greatest = Math.max(greatest, evidence.contrast(left, top, left + size, top + size));
      });
      return greatest;
    });
  }

  #scoreSize(evidence: IntegralImage, size: number, sizeIndex: number): void {
    const inverse = 1 / this.#profile.scale[sizeIndex]!;
    forEachPlace(evidence, size, (left, top) => {
      const score = evidence.contrast(left, top, left + size, top + size) * inverse;
      if (score > 0.15) this.#keep(score, left, top, sizeIndex);
    });
  }

  #keep(score: number, left: number, top: number, sizeIndex: number): void {
    if (this.#count === this.#scores.length) this.#grow();
    this.#scores[this.#count] = score;
    this.#places.set([left, top, sizeIndex], 3 * this.#count);
    this.#count += 1;
  }

  #grow(): void {
    const capacity = Math.max(4096, 2 * this.#scores.length);
    const scores = new Float32Array(capacity);
    const places = new Int32Array(3 * capacity);
    scores.set(this.#scores);
    places.set(this.#places);
    this.#scores = scores;
    this.#places = places;
  }

  /** A scan for each pick: few are picked, and sorting all would cost more. */
  #pickFrom(limit: number, accepts: (left: number, top: number, size: number) => boolean): FoundWindow[] {
    const picked: FoundWindow[] = [];
    while (picked.length < limit) {
      let best = -1;
      let bestScore = 0;
      for (let i = 0; i < this.#count; i += 1) {
        if (this.#scores[i]! <= bestScore) continue;
        const [left, top, size] = this.#place(i);
        if (!accepts(left, top, size) || picked.some(({ cells }) => isSame(cells, left, top, size))) continue;
        best = i;
        bestScore = this.#scores[i]!;
      }
      if (best < 0) break;
      const [left, top, size] = this.#place(best);
      picked.push({ cells: [left, top, left + size, top + size], score: bestScore });
    }
    return picked;
  }

  #place(i: number): [left: number, top: number, size: number] {
    return [this.#places[3 * i]!, this.#places[3 * i + 1]!, this.#profile.sizes[this.#places[3 * i + 2]!]!];
  }
}

function forEachPlace({ width, height }: IntegralImage, size: number, visit: (left: number, top: number) => void): void {
  const step = Math.max(1, Math.floor(size / STEPS_PER_SIDE));
  for (let top = 0; top + size <= height; top += step) {
    for (let left = 0; left + size <= width; left += step) visit(left, top);
  }
}

function isSame(cells: CellRegion, left: number, top: number, size: number): boolean {
  const width = Math.min(cells[2], left + size) - Math.max(cells[0], left);
  const height = Math.min(cells[3], top + size) - Math.max(cells[1], top);
  if (width <= 0 || height <= 0) return false;
  return width * height > SAME_SHARE * Math.min((cells[2] - cells[0]) * (cells[3] - cells[1]), size * size);
}
