import { median } from '../core/median.js';

/** Frames whose median is taken for the machine's own speed at that moment. */
const NEAR = 5;
/** Frames that are remembered. */
const KEPT = 128;
/** Shares of frames that are at most so much slower: of those that come often, and of all but the rarest. */
const OFTEN = 0.9;
const NEARLY_ALL = 0.985;
/** Less is not believed after a few frames; more is no variation of frames but a speed that jumps about. */
const LEAST = 1.02;
const MOST = 2;

/** How much single frames differ from those around them: what a target has to leave room for, whatever the speed does in the long run. */
export class Variation {
  readonly #near: number[] = [];
  readonly #ratios: number[] = [];
  #often = LEAST;
  #nearlyAll = LEAST;

  /** @param slowness of a frame, in any unit that stays the same from point to point. */
  add(slowness: number): void {
    keep(this.#near, slowness, NEAR);
    if (this.#near.length < NEAR) return;
    keep(this.#ratios, slowness / median(this.#near), KEPT);
    if (this.#ratios.length < NEAR) return;
    const sorted = this.#ratios.toSorted((a, b) => a - b);
    this.#often = within(sorted[Math.floor(OFTEN * (sorted.length - 1))]!);
    this.#nearlyAll = within(sorted[Math.floor(NEARLY_ALL * (sorted.length - 1))]!);
  }

  /** Nine of ten frames take at most this many times what is usual around them; 1.02 to 2. */
  get often(): number {
    return this.#often;
  }

  /** The same of nearly all frames: one or two of a hundred take longer. */
  get nearlyAll(): number {
    return this.#nearlyAll;
  }
}

function within(ratio: number): number {
  return Math.min(MOST, Math.max(LEAST, ratio));
}

function keep(values: number[], value: number, count: number): void {
  values.push(value);
  if (values.length > count) values.shift();
}
