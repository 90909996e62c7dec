import type { PatchImage } from '../../attack/patch-image.js';
import type { PastePlacement } from '../../attack/placement.js';
import type { CleanProfile } from '../robustness/clean-profile.js';
import type { Measurement } from '../robustness/measure.js';
import type { AttackFiles } from './attack-files.js';
import type { AttackOptions } from './attack-options.js';
import type { SearchedPatch } from './search-patch.js';

/** All that is known when an attack is over. */
export interface AttackOutcome {
  readonly data: string;
  readonly options: AttackOptions;
  readonly placement: PastePlacement;
  readonly patch: PatchImage;
  /** Where the patch was searched for. */
  readonly search: SearchedPatch | undefined;
  readonly measured: Measurement;
  /** Where the guard was measured, too: what it takes for ordinary. */
  readonly profile: CleanProfile | undefined;
  /** Without the video where there is none. */
  readonly files: Omit<AttackFiles, 'video'> & { readonly video: string | undefined };
}
