import type { Admission } from '../core/admission.js';
import { type FrameResult, withDetections } from '../core/result.js';
import type { Stage, StageContext } from '../core/stage.js';
import type { DecodeThresholds } from './decoder.js';
import type { DetectorService } from './detector-service.js';

/** Finds objects with a YOLO (or any model with a manifest): adds `detections`, in pixels of the source picture. */
export class YoloStage implements Stage {
  readonly kind = 'detector.yolo';
  readonly #service: DetectorService;
  readonly #thresholds: DecodeThresholds;

  constructor(service: DetectorService, thresholds: DecodeThresholds) {
    this.#service = service;
    this.#thresholds = thresholds;
  }

  get concurrency(): number {
    return this.#service.capacity;
  }

  get admission(): Admission {
    return this.#service.turns;
  }

  async process(input: FrameResult, context: StageContext): Promise<FrameResult> {
    try {
      const { response, worker } = await this.#service.detect(input.frame, this.#thresholds);
      const { startedMs, inferredMs, decodedMs, endedMs, detections } = response;
      context.serviceStarted(startedMs);
      context.part('infer', startedMs, inferredMs);
      context.part('decode', inferredMs, decodedMs);
      context.part('nms', decodedMs, endedMs);
      context.servedBy(worker);
      context.boxesBeforeNms(detections.boxesBeforeNms);
      return withDetections(input, detections);
    } finally {
      this.#service.turns.release();
    }
  }

  /** The service is shared: who started it closes it. */
  close(): void {
    // Nothing of its own.
  }
}
