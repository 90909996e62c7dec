import { type CellProfile, type EvidenceView, GUARD_PROFILE_VERSION, type GuardProfile, type SearchView, type ShallowTap, type ViewModel, viewsOf, type WindowProfile } from '../../src/guard/profile.js';
import { regionFeatureNames } from '../../src/guard/search/region-features.js';

const SIZES = [3, 5];
const PIXEL_FEATURES = 3;
/** Of no file. */
export const FINDER_SHA256 = 'f'.repeat(64);

/** Of a search by evidence. */
export interface EvidenceProfile extends GuardProfile {
  readonly cells: CellProfile;
  readonly windows: WindowProfile;
  readonly region: Readonly<Record<EvidenceView, ViewModel>>;
}

interface ModelFacts {
  readonly id: string;
  readonly sha256: string;
}

/** A profile that is complete and consistent, and says nothing in particular. */
export function ordinaryProfile(model: ModelFacts, tap: ShallowTap, description = 'yard'): EvidenceProfile {
  return { ...commonParts(model, tap, description), search: 'evidence', ...ordinaryCells(tap), region: { colour: ordinaryRegion('colour'), grey: ordinaryRegion('grey') } };
}

/** The same of a search with the patch finder. */
export function ordinaryFinderProfile(model: ModelFacts, tap: ShallowTap, search: 'finder' | 'both', sha256 = FINDER_SHA256): GuardProfile {
  const region = Object.fromEntries(viewsOf(search).map((view) => [view, ordinaryRegion(view)]));
  return { ...commonParts(model, tap, 'yard'), search, finder: { sha256 }, ...(search === 'both' && ordinaryCells(tap)), region };
}

function commonParts(model: ModelFacts, tap: ShallowTap, description: string): Omit<GuardProfile, 'search' | 'region'> {
  return {
    version: GUARD_PROFILE_VERSION,
    modelId: model.id,
    modelSha256: model.sha256,
    tap,
    calibratedOn: { description, pictures: 300 },
    effect: { hiding: { from: 0.1, share: 0.05, scale: 0.02 }, makingUp: { from: 0.2, share: 0.05, scale: 0.1 } },
    evidence: { suspicion: { mean: 0.1, deviation: 0.2, quantiles: [0, 0.1, 0.2, 0.3, 0.4, 0.5] } },
    thresholds: { flag: 4, appearing: 5, scoreScale: 0.9 },
  };
}

function ordinaryRegion(view: SearchView): ViewModel {
  const features = zeros(regionFeatureNames(view).length);
  return { mean: features, deviation: features.map(() => 1), weights: features, bias: -3, trigger: 1 };
}

function ordinaryCells({ channels }: ShallowTap): Pick<EvidenceProfile, 'cells' | 'windows'> {
  const weights = zeros(channels + PIXEL_FEATURES);
  return {
    cells: { mean: zeros(channels), deviation: zeros(channels).map(() => 1), pixelMean: zeros(PIXEL_FEATURES), pixelDeviation: zeros(PIXEL_FEATURES).map(() => 1), weights: { colour: weights, grey: weights } },
    windows: { sizes: SIZES, scale: { colour: SIZES.map(() => 1), grey: SIZES.map(() => 1) } },
  };
}

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0);
}
