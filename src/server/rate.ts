/**
 * Lets through at most `ratePerSecond` on average, evenly: what comes before its time is refused.
 * The schedule doesn't drift (10 a second of 25 are 10, not 8.3), and a pause earns no burst.
 */
export class Pacer {
  readonly #intervalMs: number;
  #dueMs = -Infinity;

  constructor(ratePerSecond: number) {
    this.#intervalMs = 1e3 / ratePerSecond;
  }

  admits(nowMs: number): boolean {
    if (nowMs < this.#dueMs) return false;
    const late = nowMs - this.#dueMs > this.#intervalMs;
    this.#dueMs = (late ? nowMs : this.#dueMs) + this.#intervalMs;
    return true;
  }
}

/** Allows bursts of `burst` and `ratePerSecond` on average. */
export class TokenBucket {
  readonly #ratePerMs: number;
  readonly #burst: number;
  #tokens: number;
  #lastMs: number;

  constructor(ratePerSecond: number, burst: number, nowMs: number) {
    this.#ratePerMs = ratePerSecond / 1e3;
    this.#burst = burst;
    this.#tokens = burst;
    this.#lastMs = nowMs;
  }

  take(nowMs: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#lastMs) * this.#ratePerMs);
    this.#lastMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
