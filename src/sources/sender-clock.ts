import type { CaptureTime } from '../core/frame.js';
import type { ReferenceTime } from './prft-reader.js';

/** So many frames in a row must agree before they are believed. */
const WINDOW = 16;
/** Reference times come in whole milliseconds. */
const AGREEMENT_MS = 2;
/**
 * Without sender reports ffmpeg fills in the time of day at which it wrote the box: it comes to us at that very time. A sender's time is
 * older by a frame's time at least, for a box is written when the next frame has come.
 */
const OWN_CLOCK_MS = 8;
/** Captured longer ago than this, or after it arrived: that camera's clock isn't set. */
const OLDEST_MS = 5000;
const FUTURE_MS = 50;

/**
 * Capture time by the sender's clock, as its RTCP sender reports give it.
 *
 * Where a camera sends none, or its clock is plainly wrong, there is no answer, and arrival has to do.
 */
export class SenderClock {
  readonly #offsetsMs: number[] = [];
  readonly #lagsMs: number[] = [];
  #offsetMs: number | undefined;

  /** @param nowEpochMs wall clock when the reference time was read. */
  observe({ mediaUs, epochMs, boxEpochMs }: ReferenceTime, nowEpochMs: number): void {
    push(this.#offsetsMs, epochMs - mediaUs / 1e3);
    push(this.#lagsMs, nowEpochMs - boxEpochMs);
    if (this.#offsetsMs.length < WINDOW) return;
    if (this.#agree() && !this.#isOwnClock()) this.#offsetMs = this.#offsetsMs.at(-1);
    else if (this.#isOwnClock()) this.#offsetMs = undefined;
  }

  /**
   * When the frame of `ptsUs` was captured; undefined where the sender doesn't say, or says what can't be.
   *
   * @param arrivedEpochMs wall clock when it came.
   */
  captureOf(ptsUs: number, arrivedEpochMs: number): CaptureTime | undefined {
    if (this.#offsetMs === undefined) return undefined;
    const epochMs = ptsUs / 1e3 + this.#offsetMs;
    const ageMs = arrivedEpochMs - epochMs;
    if (ageMs > OLDEST_MS || ageMs < -FUTURE_MS) return undefined;
    return { clock: 'rtcp_sr', epochMs, uncertaintyMs: AGREEMENT_MS };
  }

  #agree(): boolean {
    return Math.max(...this.#offsetsMs) - Math.min(...this.#offsetsMs) <= AGREEMENT_MS;
  }

  #isOwnClock(): boolean {
    const sorted = [...this.#lagsMs].sort((a, b) => a - b);
    return Math.abs(sorted[WINDOW >> 1]!) <= OWN_CLOCK_MS;
  }
}

function push(window: number[], value: number): void {
  window.push(value);
  if (window.length > WINDOW) window.shift();
}
