import { monotonicMs } from '../core/clock.js';
import type { FrameResult } from '../core/result.js';
import type { Stage } from '../core/stage.js';

/** Of the target: results that are ready before are kept until then. What is left is for the timer and for the way to the outputs. */
const HOLD = 0.9;
/** Frames that come closer together than this can't all be held. */
const LEAST_PERIOD_MS = 10;

/**
 * Keeps results that are ready early until shortly before the target, so that what is built on them sees one latency, whatever the speed of
 * the machine and the point that a frame was worked on at (logical execution time: Henzinger, Horowitz and Kirsch, Giotto, 2003).
 * Late ones pass at once. The buffer of a frame stays with it.
 */
export class HoldStage implements Stage {
  readonly kind = 'governor.hold';
  readonly concurrency: number;
  readonly #holdMs: number;

  /** @param targetMs latency from a frame's first byte to its results. */
  constructor(targetMs: number) {
    this.#holdMs = targetMs * HOLD;
    this.concurrency = Math.ceil(targetMs / LEAST_PERIOD_MS) + 1;
  }

  process(input: FrameResult): FrameResult | Promise<FrameResult> {
    const waitMs = input.frame.firstByteMs + this.#holdMs - monotonicMs();
    // Timers have a resolution of a millisecond.
    if (waitMs < 1) return input;
    return new Promise((resolve) => setTimeout(resolve, waitMs, input));
  }

  close(): void {
    // Nothing is held for longer than the target.
  }
}
