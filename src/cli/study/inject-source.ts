import { setTimeout as wait } from 'node:timers/promises';
import { map, type Observable } from 'rxjs';
import { monotonicMs } from '../../core/clock.js';
import { Frame, type FrameFormat } from '../../core/frame.js';
import type { Source, SourceDropReason } from '../../core/source.js';
import { bounded } from '../../graph/operators/bounded.js';

/**
 * A source whose frames arrive later, one after the other: as a decoder that takes longer. The time is booked as the source's own.
 *
 * @param delayMs drawn once a frame.
 */
export function delayedSource(inner: Source, delayMs: () => number): Source {
  const delayed$ = inner.frames$.pipe(
    bounded(
      async (frame: Frame) => {
        const ms = delayMs();
        if (ms > 0) await wait(ms);
        return arrivedNow(frame);
      },
      { overflow: 'block', concurrency: 1, onDropped: (frame) => frame.release() },
    ),
  );
  return new WrappedSource(inner, delayed$);
}

/** A source whose pictures are changed in place; the time that it takes is the source's own. */
export function changedSource(inner: Source, change: (pixels: Uint8Array, format: FrameFormat, frame: Frame) => void): Source {
  const changed$ = inner.frames$.pipe(
    map((frame) => {
      change(frame.pixels, frame.format, frame);
      return arrivedNow(frame);
    }),
  );
  return new WrappedSource(inner, changed$);
}

/** The same picture, arrived at this moment; its buffer goes back when it is released. */
function arrivedNow(frame: Frame): Frame {
  const { source, sequence, ptsUs, capture, firstByteMs, sourceSize, format, fit, image, pixels } = frame;
  const facts = { source, sequence, ptsUs, capture, firstByteMs, arrivedMs: monotonicMs(), sourceSize, format, fit, ...(image ? { image } : {}) };
  return new Frame(facts, { bytes: pixels, free: () => frame.release() });
}

/** Another source's frames, changed; all else is the other's. */
class WrappedSource implements Source {
  readonly frames$: Observable<Frame>;
  readonly #inner: Source;

  constructor(inner: Source, frames$: Observable<Frame>) {
    this.#inner = inner;
    this.frames$ = frames$;
  }

  get name(): string {
    return this.#inner.name;
  }

  get kind(): string {
    return this.#inner.kind;
  }

  get delivery(): Source['delivery'] {
    return this.#inner.delivery;
  }

  get location(): string {
    return this.#inner.location;
  }

  get events$(): Source['events$'] {
    return this.#inner.events$;
  }

  get frameCount(): number | undefined {
    return this.#inner.frameCount;
  }

  get onDropped(): (reason: SourceDropReason, count: number) => void {
    return this.#inner.onDropped;
  }

  set onDropped(report: (reason: SourceDropReason, count: number) => void) {
    this.#inner.onDropped = report;
  }
}
