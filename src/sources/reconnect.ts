export interface BackoffOptions {
  /** Longest wait before the first retry, milliseconds; it doubles with each. */
  readonly initialMs?: number;
  /** Longest wait of all, milliseconds. */
  readonly maxMs?: number;
  /** A connection that gave frames for so long counts as good: the next failure starts from the beginning. */
  readonly stableMs?: number;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

export interface Retry {
  /** From 1; back to 1 after a good connection. */
  readonly attempt: number;
  readonly retryInMs: number;
}

const DEFAULTS = { initialMs: 500, maxMs: 30_000, stableMs: 10_000, random: Math.random };
/** Share of the span that is always waited: a refused connect is over in a millisecond, and jitter may come out as nothing. */
const LEAST_SHARE = 0.1;

/**
 * How long to wait before each retry: exponential, with full jitter so that a hundred streams that lost one server don't come back to it
 * in step.
 */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #attempt = 0;

  constructor(options: BackoffOptions = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** @param framesForMs how long the connection that just ended gave frames; 0 where it never did. */
  next(framesForMs: number): Retry {
    const { initialMs, maxMs, stableMs, random } = this.#options;
    this.#attempt = framesForMs >= stableMs ? 1 : this.#attempt + 1;
    const spanMs = Math.min(maxMs, initialMs * 2 ** (this.#attempt - 1));
    const retryInMs = Math.round(spanMs * (LEAST_SHARE + (1 - LEAST_SHARE) * random()));
    return { attempt: this.#attempt, retryInMs };
  }
}
