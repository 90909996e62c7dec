/** Of the boxes that are delivered, this share is less sure than the scale. */
const SHARE = 0.9;
/** How far one box moves the scale: a hundred boxes bring it from one model's to another's. */
const STEP = 0.02;
/** Where it starts, between models that say .95 of what they see well and those that say .6. */
const START = 0.8;

/**
 * What a model says of an object that it sees well. *Half sure* is another number for each model, so a tracker's limits are shares of this scale:
 * the running 90 % quantile of the confidences of delivered boxes (stochastic approximation, Robbins and Monro 1951).
 */
export class ScoreScale {
  readonly #least: number;
  #value: number;

  /** @param confidenceThreshold from which on boxes are delivered; the scale is at least twice as much (and at most 1): where only noise is seen, noise isn't sure. */
  constructor(confidenceThreshold: number) {
    this.#least = Math.min(1, 2 * confidenceThreshold);
    this.#value = Math.max(START, this.#least);
  }

  /** 0 to 1. */
  get value(): number {
    return this.#value;
  }

  /** Learns of a delivered box. */
  add(confidence: number): void {
    const moved = this.#value + STEP * (confidence > this.#value ? SHARE : SHARE - 1);
    this.#value = Math.min(1, Math.max(this.#least, moved));
  }
}
