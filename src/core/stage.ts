import type { Admission } from './admission.js';
import type { FrameResult } from './result.js';

/** What a stage may say about its work on a frame; times are monotonic milliseconds. */
export interface StageContext {
  /** A stage with a queue of its own (in front of a worker) tells when work really began: what was before is queue wait. */
  serviceStarted(atMs: number): void;
  /** A named part of the service time. */
  part(name: string, startMs: number, endMs: number): void;
  servedBy(worker: string): void;
  /** How many boxes went into suppression: what the time of `nms` depends on. */
  boxesBeforeNms(count: number): void;
}

/**
 * One step of the graph: finds something in a frame and adds it to the result.
 *
 * Pure of timing, dropping, retrying and logging: `graph` wraps those around it. It borrows the frame while `process` runs.
 * Throwing an `AppError` loses the frame (counted, with its code) and not the stream.
 */
export interface Stage {
  /** `detector.yolo`. */
  readonly kind: string;
  /** How many frames it can hold at once with profit (workers, and a frame waiting for each). */
  readonly concurrency: number;
  /** Where streams share what serves them: a frame is taken when its stream's turn comes, and is the newest then. */
  readonly admission?: Admission;
  process(input: FrameResult, context: StageContext): FrameResult | Promise<FrameResult>;
  close(): void | Promise<void>;
}
