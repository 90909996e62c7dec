import type { DeliveredFrame, StageTiming } from '../core/result.js';

/** What one delivered frame cost, without the frame: to be kept for a while, when its buffer has long gone back to the pool. */
export interface FrameSpans {
  readonly stream: string;
  readonly sequence: number;
  /** Monotonic. */
  readonly firstByteMs: number;
  readonly endToEndMs: number;
  readonly timings: readonly StageTiming[];
  readonly detections: number;
  readonly boxesBeforeNms: number;
  readonly droppedSinceLast: Readonly<Record<string, number>>;
}

export function spansOf({ stream, result: { frame, detections }, timings, endToEndMs, droppedSinceLast }: DeliveredFrame): FrameSpans {
  const { sequence, firstByteMs } = frame;
  return { stream, sequence, firstByteMs, endToEndMs, timings, detections: detections?.count ?? 0, boxesBeforeNms: detections?.boxesBeforeNms ?? 0, droppedSinceLast };
}
