import { PresentationClock } from './presentation-clock.js';

/** Without a word about it a budget saves up passes for so many seconds, and never less than one verification with its repetition needs. */
const BURST_SECONDS = 1;
const LEAST_BURST = 3;

export interface PassBudgetOptions {
  /** In the long run, by presentation time; no limit where absent. */
  readonly maxExtraPassesPerSecond?: number;
  /** Passes that may be taken at once after a quiet time; those of a second, and 3 at least, by default. */
  readonly burst?: number;
}

/**
 * Limits the extra passes of a stream: a token bucket that fills with presentation time. A jump ahead fills it once, a jump back or an equal stamp
 * not at all.
 */
export class PassBudget {
  readonly #rate: number;
  readonly #burst: number;
  readonly #clock = new PresentationClock();
  #available: number;
  #taken = 0;
  #refused = 0;

  constructor({ maxExtraPassesPerSecond: rate = Number.POSITIVE_INFINITY, burst = Math.max(LEAST_BURST, BURST_SECONDS * rate) }: PassBudgetOptions = {}) {
    this.#rate = rate;
    // Nothing is saved up where nothing is given: a rate of 0 means no extra passes.
    this.#burst = rate === 0 ? 0 : burst;
    this.#available = this.#burst;
  }

  /** Whole passes that `take` would give now. */
  get available(): number {
    return Math.floor(this.#available);
  }

  /** Passes given so far. */
  get taken(): number {
    return this.#taken;
  }

  /** Passes asked for and not given. */
  get refused(): number {
    return this.#refused;
  }

  /** To be called once a frame, before its `take`s. */
  advance(ptsUs: number): void {
    const stepUs = this.#clock.advance(ptsUs);
    // An endless rate times no time would be no number.
    if (stepUs > 0) this.#available = Math.min(this.#burst, this.#available + (this.#rate * stepUs) / 1e6);
  }

  /** All of the passes or none: half a verification is worth nothing. What is refused is counted. */
  take(passes: number): boolean {
    // A second's worth of small steps doesn't add up to exactly 1.
    if (passes > this.#available + 1e-9) {
      this.#refused += passes;
      return false;
    }
    this.#available = Math.max(0, this.#available - passes);
    this.#taken += passes;
    return true;
  }
}
