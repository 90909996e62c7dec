import type { Disagreements } from './box-disagreement.js';

/** As if it had been seen, before anything is measured, that of one box within a second this share goes wrong. */
const PRIOR_RATE_PER_S = 0.6;
const PRIOR_BOX_SECONDS = 1;
/** Until so many boxes were seen twice where nothing changed, less flicker than there is is taken off. */
const PRIOR_STILL_BOXES = 5;
/** A box is still where nothing has changed for so long; in less, nothing has had time to. */
const STILL_MS = 100;
/** What was measured counts half after so long: a street is not the same at noon. */
const HALF_LIFE_S = 10;
/** So many seconds of earnings are kept at most: a quiet hour doesn't pay for a wild minute. */
const MOST_SAVED_S = 2;
/** An empty picture stands for half a box: what isn't known is missed there. */
const LEAST_BOXES = 0.5;

/**
 * What may go wrong with boxes that the model doesn't look after, and what probably does. Unit: boxes, weighted with their confidence.
 *
 * Every frame earns `maxLoss` of its boxes. A frame with moved boxes spends those that are expected to be wrong: boxes times age times a rate. The
 * rate (share of the boxes that goes wrong in a second) is learnt whenever the model looks again, from moved boxes against found ones, less the
 * share on which the detector doesn't agree with itself where nothing changed. What is spent is never more than what was earned, so over all
 * frames the expected share of wrong boxes stays below `maxLoss`, whatever moves.
 */
export class LossBudget {
  readonly #maxLoss: number;
  #wrong = 0;
  #boxes = 0;
  #boxSeconds = 0;
  #stillWrong = 0;
  #stillBoxes = 0;
  #saved = 0;
  #earningPerS = 0;
  #lastUs: number | undefined;

  /** @param maxLoss share of the boxes that may be wrong, 0 to 1. */
  constructor(maxLoss: number) {
    this.#maxLoss = maxLoss;
  }

  /** Share of the boxes that goes wrong in a second without an inference, 0 or more. */
  get ratePerS(): number {
    const wrong = Math.max(0, this.#wrong - this.flicker * this.#boxes);
    return (wrong + PRIOR_RATE_PER_S * PRIOR_BOX_SECONDS) / (this.#boxSeconds + PRIOR_BOX_SECONDS);
  }

  /** Share of the boxes on which two inferences don't agree where nothing changed, 0 to 1. */
  get flicker(): number {
    return this.#stillWrong / (this.#stillBoxes + PRIOR_STILL_BOXES);
  }

  /** Whether a frame may have moved boxes of this age. @param boxes those at which the picture has changed, their confidences' sum. */
  allows(boxes: number, ageMs: number): boolean {
    return this.#cost(boxes, ageMs) <= this.#saved;
  }

  /** For each frame, in order: it earns. @param boxes that are delivered with it, their confidences' sum. @param ptsUs presentation time. */
  frame(boxes: number, ptsUs: number): void {
    const stepS = this.#lastUs === undefined ? 0 : Math.max(0, (ptsUs - this.#lastUs) / 1e6);
    this.#lastUs = ptsUs;
    const earning = this.#maxLoss * Math.max(LEAST_BOXES, boxes);
    if (stepS > 0) this.#earningPerS = earning / stepS;
    this.#saved = Math.min(this.#saved + earning, Math.max(earning, MOST_SAVED_S * this.#earningPerS));
    const kept = 0.5 ** (stepS / HALF_LIFE_S);
    this.#wrong *= kept;
    this.#boxes *= kept;
    this.#boxSeconds *= kept;
    this.#stillWrong *= kept;
    this.#stillBoxes *= kept;
  }

  /** For each frame with moved boxes: as `allows`. */
  spend(boxes: number, ageMs: number): void {
    this.#saved -= this.#cost(boxes, ageMs);
  }

  /** The model has looked again. @param ageMs since it did so before. */
  learn({ changed, still }: Disagreements, ageMs: number): void {
    if (ageMs >= STILL_MS) {
      this.#stillWrong += still.wrong;
      this.#stillBoxes += still.boxes;
    }
    this.#wrong += changed.wrong;
    this.#boxes += changed.boxes;
    this.#boxSeconds += (changed.boxes * ageMs) / 1e3;
  }

  #cost(boxes: number, ageMs: number): number {
    return (this.ratePerS * Math.max(LEAST_BOXES, boxes) * ageMs) / 1e3;
  }
}
