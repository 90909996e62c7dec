import type { FrameResult } from '../core/result.js';
import type { Stage } from '../core/stage.js';
import type { FrameRedundancy } from './frame-redundancy.js';

/** Looks at every frame on its way to the detector; adds nothing. `GatedDetectStage` follows. */
export class RedundancyGateStage implements Stage {
  readonly kind = 'gate.redundancy';
  readonly concurrency = 1;
  readonly #redundancy: FrameRedundancy;

  constructor(redundancy: FrameRedundancy) {
    this.#redundancy = redundancy;
  }

  process(input: FrameResult): FrameResult {
    this.#redundancy.look(input.frame);
    return input;
  }

  close(): void {
    // Nothing of its own.
  }
}
