/** Number of the profile's format; a profile of another one has to be calibrated again. */
export const GUARD_PROFILE_VERSION = 4;

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

/** What ordinary cells of the tap's grid are like, and what tells cells of something pasted in from them. */
export interface CellProfile {
  /** Of each channel of the tap. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  /** Of chroma gradient, luma gradient and saturation. */
  readonly pixelMean: readonly number[];
  readonly pixelDeviation: readonly number[];
  /** For each view, of the |deviation| of each channel, then of the standardised pixel features. */
  readonly weights: Readonly<Record<EvidenceView, readonly number[]>>;
}

/** What is looked for: things that stand out by their colours, and those without any. */
export const EVIDENCE_VIEWS = ['colour', 'grey'] as const;
export type EvidenceView = (typeof EVIDENCE_VIEWS)[number];

/**
 * Where regions come from that are looked at closely: `evidence` of the tap's cells and of pixels, the patch `finder` (a small network that was
 * trained to see what was pasted into a picture), or `both`.
 */
export const SEARCH_KINDS = ['evidence', 'finder', 'both'] as const;
export type SearchKind = (typeof SEARCH_KINDS)[number];

/** What a region is judged in: a view of the evidence, or what the finder says alone. */
export type SearchView = EvidenceView | 'finder';

export function usesEvidence(search: SearchKind): boolean {
  return search !== 'finder';
}

export function usesFinder(search: SearchKind): boolean {
  return search !== 'evidence';
}

/** Each has a model and a trigger of its own: what one of them hardly shows may stand out in another. */
export function viewsOf(search: SearchKind): readonly SearchView[] {
  return [...(usesEvidence(search) ? EVIDENCE_VIEWS : []), ...(usesFinder(search) ? (['finder'] as const) : [])];
}

/** How much the strongest windows of each size stand out on ordinary pictures. */
export interface WindowProfile {
  /** Sides of the windows, cells, rising. */
  readonly sizes: readonly number[];
  /** For each view, the contrast that one picture in ten reaches, for each size. */
  readonly scale: Readonly<Record<EvidenceView, readonly number[]>>;
}

/** Logistic regression on the features of a region: log odds of "pasted in" against "ordinary". */
export interface RegionModel {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  readonly weights: readonly number[];
  readonly bias: number;
}

/** How regions are judged in one view. */
export interface ViewModel extends RegionModel {
  /** Log odds from which on a region is worth a second pass. */
  readonly trigger: number;
}

/** How regions are judged by their looks: one for each view of the search. */
export type RegionProfile = Readonly<Partial<Record<SearchView, ViewModel | undefined>>>;

/** Upper end of a distribution: beyond `from`, the share of greater values falls as `share * exp(-(x - from) / scale)`. */
export interface Tail {
  readonly from: number;
  readonly share: number;
  readonly scale: number;
}

/** What thresholds follow from the clean pictures. */
export interface GuardThresholds {
  /** Log odds over the trigger and surprise of the effect together, from which on a region is adversarial. */
  readonly flag: number;
  /** Log odds over the trigger, from which on a region is adversarial that an object comes and goes with. */
  readonly appearing: number;
  /** Confidence that the detector's best boxes have: what effects are measured in. */
  readonly scoreScale: number;
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
  readonly search: SearchKind;
  /** The finder that it was calibrated with, where the search has one; with another the profile is refused. */
  readonly finder?: { readonly sha256: string } | undefined;
  /** Of a search by evidence. */
  readonly cells?: CellProfile | undefined;
  /** Of a search by evidence. */
  readonly windows?: WindowProfile | undefined;
  readonly region: RegionProfile;
  /** Of what ordinary regions seem to do when they are covered. */
  readonly effect: { readonly hiding: Tail; readonly makingUp: Tail };
  /** For people: log odds of the most suspicious region of a picture (`suspicion`), what regions seem to do (`hiding`, `makingUp`). */
  readonly evidence: Readonly<Record<string, CleanDistribution>>;
  readonly thresholds: GuardThresholds;
}

/** Surprise of a value: minus the natural logarithm of the share of ordinary values that are as great. 0 or more. */
export function surprise({ from, share, scale }: Tail, value: number): number {
  if (value <= 0) return 0;
  if (value >= from) return (value - from) / scale - Math.log(share);
  // Between nothing and where the tail begins, the share is only known at its ends.
  return (-Math.log(share) * value) / from;
}
