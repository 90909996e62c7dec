import { monotonicMs } from '../../core/clock.js';
import type { DeliveredFrame } from '../../core/result.js';
import type { Sink } from '../../core/sink.js';
import type { FrameRecord, SpanRecord } from '../../study/records.js';

/** What is kept of a frame until the run is over: writing it down meanwhile would be a disturbance of its own. */
export interface KeptFrame {
  readonly frame: DeliveredFrame;
  /** Monotonic time at which the sink had it. */
  readonly receivedMs: number;
}

/** Keeps a stream's frames after its warm-up. */
export class FrameRecorder implements Sink {
  readonly kind = 'study';
  readonly kept: KeptFrame[] = [];
  /** Resolves at the first frame after the warm-up. */
  readonly warm: Promise<void>;
  /** Resolves when there are as many as asked for. */
  readonly full: Promise<void>;
  readonly #warmupFrames: number;
  readonly #frames: number;
  #seen = 0;
  #setWarm!: () => void;
  #setFull!: () => void;

  constructor(warmupFrames: number, frames: number) {
    this.#warmupFrames = warmupFrames;
    this.#frames = frames;
    this.warm = new Promise((resolve) => (this.#setWarm = resolve));
    this.full = new Promise((resolve) => (this.#setFull = resolve));
  }

  deliver(frame: DeliveredFrame): void {
    this.#seen += 1;
    if (this.#seen <= this.#warmupFrames || this.kept.length >= this.#frames) return;
    if (this.kept.length === 0) this.#setWarm();
    this.kept.push({ frame, receivedMs: monotonicMs() });
    if (this.kept.length === this.#frames) this.#setFull();
  }

  close(): void {
    // Nothing is open.
  }
}

/**
 * A kept frame as a line. The span of `deliver` ends where the sink had the frame, and a client's begins there.
 *
 * @param zeroMs monotonic time that the run's own counts from. @param clientMs when the last subscriber had it; absent without any.
 */
export function frameRecord(run: number, { frame: { stream, result, timings }, receivedMs }: KeptFrame, zeroMs: number, clientMs?: number): FrameRecord {
  const at = (ms: number) => Number((ms - zeroMs).toFixed(3));
  const boxesBeforeNms = timings.find((timing) => timing.boxesBeforeNms !== undefined)?.boxesBeforeNms;
  const spans = timings.map(({ stage, queuedMs, startedMs, endedMs, worker, parts }): SpanRecord => {
    const end = stage === 'deliver' ? Math.max(endedMs, receivedMs) : endedMs;
    return {
      stage,
      at: [at(queuedMs), at(startedMs), at(end)],
      ...(worker === undefined ? {} : { worker }),
      ...(parts.length === 0 ? {} : { parts: parts.map(({ name, startMs, endMs }): [string, number, number] => [name, at(startMs), at(endMs)]) }),
    };
  });
  if (clientMs !== undefined) spans.push({ stage: 'client', at: [at(receivedMs), at(receivedMs), at(Math.max(clientMs, receivedMs))] });
  return {
    type: 'frame',
    run,
    stream,
    seq: result.frame.sequence,
    ptsMs: result.frame.ptsUs / 1e3,
    ...(boxesBeforeNms === undefined ? {} : { boxesBeforeNms }),
    ...(result.detections ? { detections: result.detections.count } : {}),
    spans,
  };
}
