import type { Admission } from '../core/admission.js';
import { type FrameResult, withDetections } from '../core/result.js';
import type { Stage, StageContext } from '../core/stage.js';
import type { FrameGuard } from './frame-guard.js';

/** The detector of a guarded stream: its inference is the guard's first pass. Adds `detections` as any detector does; `PatchGuardStage` follows. */
export class GuardedDetectStage implements Stage {
  readonly kind = 'detector.yolo';
  readonly #guard: FrameGuard;

  constructor(guard: FrameGuard) {
    this.#guard = guard;
  }

  get concurrency(): number {
    return this.#guard.gate.room;
  }

  get admission(): Admission {
    return this.#guard.gate;
  }

  async process(input: FrameResult, context: StageContext): Promise<FrameResult> {
    return withDetections(input, await this.#guard.runFirstPass(input.frame, context));
  }

  /** The workers are shared: who started them closes them. */
  close(): void {
    // Nothing of its own.
  }
}
