import type { Guard } from './frame-guard.js';
import { concludeUntouched } from './conclusion.js';
import type { GuardConclusion, GuardFrame } from './patch-guard.js';
import type { DeliveryThresholds, PassRequest, PassResponse } from './passes.js';

/** Local gradient smoothing of every frame in place of a guard: finds no regions and costs no extra pass. The baseline. */
export class SmoothingGuard implements Guard {
  readonly #thresholds: DeliveryThresholds;

  constructor(thresholds: DeliveryThresholds) {
    this.#thresholds = thresholds;
  }

  plan({ pixels, fit, sourceSize }: GuardFrame): PassRequest {
    return { pixels, fit, sourceSize, fills: [], search: false, smooth: true };
  }

  conclude(_frame: GuardFrame, _request: PassRequest, first: PassResponse): Promise<GuardConclusion> {
    return Promise.resolve(concludeUntouched(first, this.#thresholds, { state: 'guarded', extraPasses: 0 }));
  }
}
