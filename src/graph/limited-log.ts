import type { Logger } from '../core/logger.js';

const EVERY_MS = 1_000;

/** Says the same thing at most once a second, and then how often it happened meanwhile. */
export class LimitedLog {
  readonly #log: Logger;
  readonly #said = new Map<string, { atMs: number; suppressed: number }>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param key what counts as the same; few and fixed. @param nowMs monotonic. */
  warn(key: string, nowMs: number, fields: object, message: string): void {
    const entry = this.#said.get(key);
    if (entry && nowMs - entry.atMs < EVERY_MS) {
      entry.suppressed += 1;
      return;
    }
    this.#log.warn({ ...fields, ...(entry?.suppressed ? { repeated: entry.suppressed } : {}) }, message);
    this.#said.set(key, { atMs: nowMs, suppressed: 0 });
  }
}
