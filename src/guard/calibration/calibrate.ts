import type { ModelManifest } from '../../core/manifest.js';
import type { PictureSet } from '../../core/picture-set.js';
import type { GuardProfile, ShallowTap } from '../profile.js';

export interface CalibrationOptions {
  readonly manifest: ModelManifest;
  /** The prepared model with the tap as an additional output. */
  readonly modelPath: string;
  readonly tap: ShallowTap;
  /** Ordinary pictures, without patches. */
  readonly pictures: PictureSet;
  /** Of inference. */
  readonly threads: number;
  /** Called after each picture with the number of those done. */
  readonly onPicture?: (done: number) => void;
}

/**
 * Learns what is ordinary: runs the model on clean pictures and keeps the distributions that the guard's thresholds are relative to.
 *
 * @throws AppError ERR_DATASET_EMPTY where there are too few pictures.
 */
export function calibrateGuard(options: CalibrationOptions): Promise<GuardProfile> {
  return Promise.reject(new Error(`not yet: ${options.manifest.id}`));
}
