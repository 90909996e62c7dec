import { setTimeout as wait } from 'node:timers/promises';
import type { Sink } from '../core/sink.js';
import type { Stage } from '../core/stage.js';

/**
 * A stage whose work takes longer: the delay comes after the inner stage's own work and within its span.
 *
 * @param delayMs drawn once a frame, in the order in which frames come.
 */
export function delayedStage(inner: Stage, delayMs: () => number): Stage {
  return {
    kind: inner.kind,
    get concurrency() {
      return inner.concurrency;
    },
    ...(inner.admission ? { admission: inner.admission } : {}),
    process: async (input, context) => {
      const ms = delayMs();
      const result = await inner.process(input, context);
      if (ms > 0) await wait(ms);
      return result;
    },
    close: () => inner.close(),
  };
}

/** A sink that gets its frames later, one after the other; a lossless stream waits for it. */
export function delayedSink(inner: Sink, delayMs: () => number): Sink {
  return {
    kind: inner.kind,
    deliver: async (frame) => {
      const ms = delayMs();
      if (ms > 0) await wait(ms);
      await inner.deliver(frame);
    },
    event: (stream, event) => inner.event?.(stream, event),
    close: () => inner.close(),
  };
}
