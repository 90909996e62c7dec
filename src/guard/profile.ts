/** Number of the profile's format; a profile of another one has to be calibrated again. */
export const GUARD_PROFILE_VERSION = 1;

/** Where a model shows its shallow features: an output that was added to it. */
export interface ShallowTap {
  /** Name of the added output, float32 [1, channels, height, width]. */
  readonly output: string;
  /** Pixels of the model input for each cell. */
  readonly stride: number;
  readonly channels: number;
  readonly width: number;
  readonly height: number;
}

/** Distribution of one number on ordinary pictures. */
export interface CleanDistribution {
  readonly mean: number;
  readonly deviation: number;
  /** At .5, .9, .95, .99, .995, .999. */
  readonly quantiles: readonly number[];
}

/**
 * What is ordinary for one model and the pictures that it is used on. Every threshold of the guard is relative to it.
 * Kept with the model as `guard.json`.
 */
export interface GuardProfile {
  readonly version: number;
  readonly modelId: string;
  /** SHA-256 of the model that it was calibrated for; one of another model is refused. */
  readonly modelSha256: string;
  readonly tap: ShallowTap;
  readonly calibratedOn: { readonly description: string; readonly pictures: number };
  /** By channel of the tap. */
  readonly channels: { readonly mean: readonly number[]; readonly deviation: readonly number[] };
  /** By name of the evidence map or measure. */
  readonly evidence: Readonly<Record<string, CleanDistribution>>;
  /** Thresholds that follow from the distributions, by name. */
  readonly thresholds: Readonly<Record<string, number>>;
}
