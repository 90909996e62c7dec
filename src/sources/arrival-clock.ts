import type { CaptureTime } from '../core/frame.js';

/** A minimum is looked for over one to two of these: long enough to see an unhindered frame, short enough to follow clock drift (50 ppm is 1 ms in 20 s). */
const SPAN_MS = 10_000;
/** Until frames have come for so long, their jitter is not known. */
const SETTLING_MS = 1000;
const UNSETTLED_UNCERTAINTY_MS = 500;
/** Where the time of a frame isn't known from the next one yet. */
const FIRST_INTERVAL_MS = 40;
/** Weight of the newest frame in the mean jitter: a second or two of memory, so that the backlog of a connection's start is soon forgotten. */
const JITTER_WEIGHT = 1 / 32;

/**
 * Estimates when frames were captured from when they arrived.
 *
 * Arrival is capture plus a delay that varies; presentation times hold the true distances. The least delay seen lately maps one to the
 * other, so that jitter doesn't get into the estimate. What stays unknown is that least delay itself (camera, network and decoder,
 * usually 40 to 300 ms): the estimate is late by it. The stated uncertainty is a frame's time (a decoder knows that a frame is whole
 * when the next one begins) and the mean jitter.
 */
export class ArrivalClock {
  #spanMinMs = Infinity;
  #spanBeforeMinMs = Infinity;
  #spanStartMs: number | undefined;
  #firstMs: number | undefined;
  #lastPtsMs: number | undefined;
  #intervalMs = FIRST_INTERVAL_MS;
  #jitterMs = 0;

  /** @param arrivedEpochMs wall clock at arrival; @param ptsUs presentation time, rising. */
  observe(ptsUs: number, arrivedEpochMs: number): CaptureTime {
    const ptsMs = ptsUs / 1e3;
    const delayMs = arrivedEpochMs - ptsMs;
    const leastDelayMs = this.#noteDelay(delayMs, arrivedEpochMs);
    this.#noteInterval(ptsMs);
    this.#jitterMs += (delayMs - leastDelayMs - this.#jitterMs) * JITTER_WEIGHT;
    return { clock: 'rtp_arrival', epochMs: ptsMs + leastDelayMs, uncertaintyMs: this.#uncertaintyMs(arrivedEpochMs) };
  }

  #uncertaintyMs(nowMs: number): number {
    this.#firstMs ??= nowMs;
    const uncertaintyMs = this.#intervalMs + this.#jitterMs;
    return nowMs - this.#firstMs >= SETTLING_MS ? uncertaintyMs : Math.max(uncertaintyMs, UNSETTLED_UNCERTAINTY_MS);
  }

  #noteInterval(ptsMs: number): void {
    if (this.#lastPtsMs !== undefined) this.#intervalMs = Math.min(1000, Math.max(1, ptsMs - this.#lastPtsMs));
    this.#lastPtsMs = ptsMs;
  }

  /** The minimum over the current span and the one before: a window of 10 to 20 s without keeping samples. */
  #noteDelay(delayMs: number, nowMs: number): number {
    this.#spanStartMs ??= nowMs;
    if (nowMs - this.#spanStartMs >= SPAN_MS) {
      this.#spanBeforeMinMs = this.#spanMinMs;
      this.#spanMinMs = Infinity;
      this.#spanStartMs = nowMs;
    }
    this.#spanMinMs = Math.min(this.#spanMinMs, delayMs);
    return Math.min(this.#spanMinMs, this.#spanBeforeMinMs);
  }
}
