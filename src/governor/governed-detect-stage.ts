import { TurnQueue } from '../core/admission.js';
import { monotonicMs } from '../core/clock.js';
import type { FrameResult } from '../core/result.js';
import type { Stage, StageContext } from '../core/stage.js';
import type { DecodeThresholds } from '../detector/decoder.js';
import { BoxMover } from '../redundancy/motion/box-mover.js';
import { sightOf } from '../redundancy/sight.js';
import type { GovernedDetector } from './governed-detector.js';

/**
 * A detector that keeps its time: adds `detections`, in pixels of the source picture, and `operatingPoint`.
 *
 * At points that don't infer every frame, boxes of the frames between are those of the last inference, moved with what they show.
 */
export class GovernedDetectStage implements Stage {
  readonly kind = 'detector.yolo';
  readonly concurrency: number;
  readonly admission: TurnQueue;
  readonly #detector: GovernedDetector;
  readonly #thresholds: DecodeThresholds;
  readonly #mover = new BoxMover();
  /** Since the last inference whose boxes can be moved; without end where there is none. */
  #framesSince = Infinity;

  constructor(detector: GovernedDetector, thresholds: DecodeThresholds) {
    this.#detector = detector;
    this.#thresholds = thresholds;
    this.concurrency = detector.sessions;
    this.admission = new TurnQueue(this.concurrency);
  }

  async process(input: FrameResult, context: StageContext): Promise<FrameResult> {
    try {
      this.#framesSince += 1;
      return this.#framesSince < this.#detector.every ? this.#move(input, context) : await this.#infer(input, context);
    } finally {
      this.admission.release();
    }
  }

  close(): Promise<void> {
    return this.#detector.close();
  }

  async #infer(input: FrameResult, context: StageContext): Promise<FrameResult> {
    const { frame } = input;
    this.#framesSince = Infinity;
    const { response, worker, point } = await this.#detector.detect(frame, this.#thresholds);
    const { startedMs, inferredMs, decodedMs, endedMs, detections } = response;
    context.serviceStarted(startedMs);
    context.part('infer', startedMs, inferredMs);
    context.part('decode', inferredMs, decodedMs);
    context.part('nms', decodedMs, endedMs);
    context.servedBy(worker);
    context.boxesBeforeNms(detections.boxesBeforeNms);
    if (this.#detector.every > 1) {
      this.#mover.seen(sightOf(frame), detections);
      this.#framesSince = 0;
    }
    return { ...input, detections, operatingPoint: point };
  }

  #move(input: FrameResult, context: StageContext): FrameResult {
    const startedMs = monotonicMs();
    const detections = this.#mover.move(sightOf(input.frame));
    context.part('move', startedMs, monotonicMs());
    return { ...input, detections, operatingPoint: this.#detector.point };
  }
}
