import type { FrameResult } from '../core/result.js';
import type { Stage, StageContext } from '../core/stage.js';
import type { FrameGuard } from './frame-guard.js';

/** Verifies what looked suspicious in the first pass, takes away the effect of patches, and reports what it did: sets `detections` and `guard`. */
export class PatchGuardStage implements Stage {
  readonly kind = 'guard.patch';
  readonly #guard: FrameGuard;

  constructor(guard: FrameGuard) {
    this.#guard = guard;
  }

  get concurrency(): number {
    return this.#guard.gate.room;
  }

  process(input: FrameResult, context: StageContext): Promise<FrameResult> {
    return this.#guard.conclude(input, context);
  }

  close(): void {
    // Nothing of its own.
  }
}
