import { median } from '../core/median.js';

/** Frames whose median is taken for the machine's own speed at that moment. */
const NEAR = 5;
/** Frames that are remembered. */
const KEPT = 64;
/** Share of frames that are at most so much slower. */
const SHARE = 0.95;
/** Less is not believed after a few frames; more is no variation of frames but a speed that jumps about. */
const LEAST = 1.02;
const MOST = 1.4;

/** How much single frames differ from those around them: what a target has to leave room for, whatever the speed does in the long run. */
export class Variation {
  readonly #near: number[] = [];
  readonly #ratios: number[] = [];

  /** @param slowness of a frame, in any unit that stays the same from point to point. */
  add(slowness: number): void {
    keep(this.#near, slowness, NEAR);
    if (this.#near.length === NEAR) keep(this.#ratios, slowness / median(this.#near), KEPT);
  }

  /** Nineteen of twenty frames take at most this many times what is usual around them; 1.02 to 1.4. */
  get factor(): number {
    if (this.#ratios.length < NEAR) return LEAST;
    const sorted = this.#ratios.toSorted((a, b) => a - b);
    return Math.min(MOST, Math.max(LEAST, sorted[Math.floor(SHARE * (sorted.length - 1))]!));
  }
}

function keep(values: number[], value: number, count: number): void {
  values.push(value);
  if (values.length > count) values.shift();
}
