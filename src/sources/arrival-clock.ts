import type { CaptureTime } from '../core/frame.js';

/** A minimum is looked for over one to two of these: long enough to see an unhindered frame, short enough to follow clock drift (50 ppm is 1 ms in 20 s). */
const SPAN_MS = 10_000;
/** Until frames have come for so long, their jitter is not known. */
const SETTLING_MS = 1000;
const UNSETTLED_UNCERTAINTY_MS = 500;
/** Where the time of a frame isn't known from the next one yet. */
const FIRST_INTERVAL_MS = 40;

interface DelayRange {
  minMs: number;
  maxMs: number;
}

/**
 * Estimates when frames were captured from when they arrived.
 *
 * Arrival is capture plus a delay that varies; presentation times hold the true distances. The least delay seen lately maps one to the
 * other, so that jitter doesn't get into the estimate. What stays unknown is that least delay itself (camera, network and decoder,
 * usually 30 to 300 ms): the estimate is late by it. The stated uncertainty is the spread of delays, at least a frame's time.
 */
export class ArrivalClock {
  #current: DelayRange | undefined;
  #previous: DelayRange | undefined;
  #spanStartMs = 0;
  #firstMs: number | undefined;
  #lastPtsMs: number | undefined;
  #intervalMs = FIRST_INTERVAL_MS;

  /** @param arrivedEpochMs wall clock at arrival; @param ptsUs presentation time, rising. */
  observe(ptsUs: number, arrivedEpochMs: number): CaptureTime {
    const ptsMs = ptsUs / 1e3;
    this.#noteInterval(ptsMs);
    const range = this.#noteDelay(arrivedEpochMs - ptsMs, arrivedEpochMs);
    this.#firstMs ??= arrivedEpochMs;
    const settled = arrivedEpochMs - this.#firstMs >= SETTLING_MS;
    const spreadMs = Math.max(this.#intervalMs, range.maxMs - range.minMs);
    const uncertaintyMs = settled ? spreadMs : Math.max(spreadMs, UNSETTLED_UNCERTAINTY_MS);
    return { clock: 'rtp_arrival', epochMs: ptsMs + range.minMs, uncertaintyMs };
  }

  #noteInterval(ptsMs: number): void {
    if (this.#lastPtsMs !== undefined) this.#intervalMs = Math.min(1000, Math.max(1, ptsMs - this.#lastPtsMs));
    this.#lastPtsMs = ptsMs;
  }

  /** Extremes over the current span and the one before: a window of 10 to 20 s without keeping samples. */
  #noteDelay(delayMs: number, nowMs: number): DelayRange {
    if (!this.#current || nowMs - this.#spanStartMs >= SPAN_MS) {
      this.#previous = this.#current;
      this.#current = { minMs: delayMs, maxMs: delayMs };
      this.#spanStartMs = nowMs;
    }
    this.#current.minMs = Math.min(this.#current.minMs, delayMs);
    this.#current.maxMs = Math.max(this.#current.maxMs, delayMs);
    const before = this.#previous ?? this.#current;
    return { minMs: Math.min(before.minMs, this.#current.minMs), maxMs: Math.max(before.maxMs, this.#current.maxMs) };
  }
}
