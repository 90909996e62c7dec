import type { Detections } from '../../core/detections.js';
import type { ImageFit } from '../../core/image-fit.js';
import type { ModelInput } from '../../core/manifest.js';
import type { OutputTensor } from '../../detector/output-tensor.js';
import type { Candidate } from '../passes.js';
import type { GuardProfile } from '../profile.js';

/** What one pass gives to the search. Everything is only borrowed. */
export interface SearchInput {
  /** Planes G, B, R of the model input, as the network saw them. */
  readonly pixels: Uint8Array;
  /** The shallow features: float32 [1, channels, height, width]. */
  readonly tap: OutputTensor;
  /** Down to the guard's low threshold, in pixels of the source picture. */
  readonly detections: Detections;
  readonly fit: ImageFit;
}

/** Looks for candidates; owns its working memory: one a thread. */
export class PatchSearch {
  constructor(profile: GuardProfile, input: Pick<ModelInput, 'width' | 'height'>) {
    void profile;
    void input;
  }

  /** Most suspicious first. */
  find(input: SearchInput): Candidate[] {
    void input;
    return [];
  }
}
