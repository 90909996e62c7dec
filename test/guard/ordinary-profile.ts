import { GUARD_PROFILE_VERSION, type GuardProfile, type ShallowTap } from '../../src/guard/profile.js';
import { REGION_FEATURES } from '../../src/guard/search/region-features.js';

const SIZES = [3, 5];
const PIXEL_FEATURES = 3;

/** A profile that is complete and consistent, and says nothing in particular. */
export function ordinaryProfile(model: { readonly id: string; readonly sha256: string }, tap: ShallowTap, description = 'yard'): GuardProfile {
  const weights = zeros(tap.channels + PIXEL_FEATURES);
  const features = zeros(REGION_FEATURES.length);
  const region = { mean: features, deviation: features.map(() => 1), weights: features, bias: -3, trigger: 1 };
  return {
    version: GUARD_PROFILE_VERSION,
    modelId: model.id,
    modelSha256: model.sha256,
    tap,
    calibratedOn: { description, pictures: 300 },
    cells: { mean: zeros(tap.channels), deviation: zeros(tap.channels).map(() => 1), pixelMean: zeros(PIXEL_FEATURES), pixelDeviation: zeros(PIXEL_FEATURES).map(() => 1), weights: { colour: weights, grey: weights } },
    windows: { sizes: SIZES, scale: { colour: SIZES.map(() => 1), grey: SIZES.map(() => 1) } },
    region: { colour: region, grey: region },
    effect: { from: 0.1, share: 0.05, scale: 0.02 },
    evidence: { suspicion: { mean: 0.1, deviation: 0.2, quantiles: [0, 0.1, 0.2, 0.3, 0.4, 0.5] } },
    thresholds: { flag: 4, appearing: 5, scoreScale: 0.9 },
  };
}

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0);
}
