import { median } from '../../core/median.js';

/** Pairs that are remembered. */
const REMEMBERED = 31;
/** So many pairs in a row without the fine part, then it is tried whatever it takes: what is never tried is never learnt anew. */
const MOST_SKIPPED = 32;
/** What all cells of the cube add to the fine part, by what it takes without any: most of it is matching, which is the same for all. */
const CELLS_SHARE = 0.3;

/**
 * What the fine part will take, from what it took: by the time of the coarse part of the same pair, so that a machine that is busy just now
 * is seen before the time is spent.
 */
export class FineCost {
  readonly #ratios: number[] = [];
  #skipped = 0;

  /** @param share of all cells, 0 to 1. Undefined before the first. */
  predictMs(coarseMs: number, share: number): number | undefined {
    return this.#ratios.length === 0 ? undefined : median(this.#ratios) * coarseMs * unitsOf(share);
  }

  /** Whether there is time for it: while nothing is known, and once after many pairs without, where any is left. */
  fits(coarseMs: number, share: number, leftMs: number): boolean {
    const isDue = this.#ratios.length === 0 || this.#skipped >= MOST_SKIPPED;
    const hasTime = leftMs > 0 && (isDue || (this.predictMs(coarseMs, share) ?? 0) <= leftMs);
    this.#skipped = hasTime ? 0 : this.#skipped + 1;
    return hasTime;
  }

  learn(coarseMs: number, share: number, fineMs: number): void {
    if (!(coarseMs > 0)) return;
    this.#ratios.push(fineMs / coarseMs / unitsOf(share));
    if (this.#ratios.length > REMEMBERED) this.#ratios.shift();
  }
}

function unitsOf(share: number): number {
  return 1 + CELLS_SHARE * share;
}
