import type { Admission } from '../core/admission.js';
import type { FrameResult } from '../core/result.js';
import type { Stage, StageContext } from '../core/stage.js';
import type { FrameRedundancy } from './frame-redundancy.js';

/** The detector of a gated stream: runs it, on the frame or on a part, or says what is known. Adds `detections` and `redundancy`. */
export class GatedDetectStage implements Stage {
  readonly kind = 'detector.yolo';
  readonly #redundancy: FrameRedundancy;

  constructor(redundancy: FrameRedundancy) {
    this.#redundancy = redundancy;
  }

  get concurrency(): number {
    return this.#redundancy.concurrency;
  }

  get admission(): Admission {
    return this.#redundancy.admission;
  }

  process(input: FrameResult, context: StageContext): Promise<FrameResult> {
    return this.#redundancy.detect(input, context);
  }

  close(): void {
    // Nothing of its own.
  }
}
