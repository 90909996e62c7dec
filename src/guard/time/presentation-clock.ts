/**
 * Time that has gone by in a stream, by its presentation times: those of a file that starts again or of a camera that sets its clock jump back, and then
 * no time has passed.
 */
export class PresentationClock {
  #lastPtsUs: number | undefined;
  #elapsedUs = 0;

  /** Microseconds since the first frame: never less than before. */
  get elapsedUs(): number {
    return this.#elapsedUs;
  }

  /** @returns microseconds since the last frame: 0 for the first one, for equal stamps and for a jump back. */
  advance(ptsUs: number): number {
    const stepUs = this.#lastPtsUs === undefined ? 0 : Math.max(0, ptsUs - this.#lastPtsUs);
    this.#lastPtsUs = ptsUs;
    this.#elapsedUs += stepUs;
    return stepUs;
  }
}
