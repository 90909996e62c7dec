/** Further off than this, presentation times have jumped, or we were stopped: start counting anew instead of waiting or rushing. */
const JUMP_MS = 2000;

/**
 * Paces frames by their presentation times. Being late is made up for, so that the mean rate holds; a jump starts a new count.
 */
export class Pacer {
  /** Monotonic time of presentation time 0. */
  #originMs: number | undefined;

  /** How long the frame of `ptsUs` has to wait at `nowMs` (monotonic); 0 where it is due or late. */
  delayMs(ptsUs: number, nowMs: number): number {
    const ptsMs = ptsUs / 1e3;
    this.#originMs ??= nowMs - ptsMs;
    const earlyMs = this.#originMs + ptsMs - nowMs;
    if (Math.abs(earlyMs) <= JUMP_MS) return Math.max(0, earlyMs);
    this.#originMs = nowMs - ptsMs;
    return 0;
  }
}
