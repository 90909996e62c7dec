import { monotonicMs } from '../core/clock.js';
import { type AppError, toAppError } from '../core/errors.js';
import type { FrameResult, SpanPart } from '../core/result.js';
import type { Stage, StageContext } from '../core/stage.js';

/** When a stage worked on a frame, as far as the stage itself tells. */
export interface RawTiming {
  readonly stage: string;
  readonly queuedMs: number;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly worker: string | undefined;
  readonly boxesBeforeNms?: number | undefined;
  readonly parts: readonly SpanPart[];
}

/** A frame on its way through the graph, with what it has cost so far. */
export interface Envelope {
  readonly result: FrameResult;
  readonly timings: readonly RawTiming[];
  /** Monotonic time of the end of the last span: what comes after it is queue wait of the next stage. */
  readonly readyMs: number;
}

class SpanRecorder implements StageContext {
  startedMs: number;
  worker: string | undefined;
  boxes: number | undefined;
  readonly parts: SpanPart[] = [];

  constructor(startedMs: number) {
    this.startedMs = startedMs;
  }

  serviceStarted(atMs: number): void {
    this.startedMs = atMs;
  }

  part(name: string, startMs: number, endMs: number): void {
    this.parts.push({ name, startMs, endMs });
  }

  servedBy(worker: string): void {
    this.worker = worker;
  }

  boxesBeforeNms(count: number): void {
    this.boxes = count;
  }
}

/** Runs a stage on one envelope and adds the span to it; a failure of the stage goes to `onFailed`, whose result is returned. */
export async function runStage<Failed>(
  id: string,
  stage: Stage,
  envelope: Envelope,
  onFailed: (envelope: Envelope, error: AppError) => Failed,
): Promise<Envelope | Failed> {
  const context = new SpanRecorder(monotonicMs());
  try {
    const result = await stage.process(envelope.result, context);
    const endedMs = monotonicMs();
    // Clocks of threads agree to microseconds; a start before the queue's begin would make a negative wait.
    const startedMs = Math.min(Math.max(context.startedMs, envelope.readyMs), endedMs);
    const timing: RawTiming = { stage: id, queuedMs: envelope.readyMs, startedMs, endedMs, worker: context.worker, boxesBeforeNms: context.boxes, parts: context.parts };
    return { result, timings: [...envelope.timings, timing], readyMs: endedMs };
  } catch (error) {
    return onFailed(envelope, toAppError(error, 'ERR_STAGE_FAILED'));
  }
}
