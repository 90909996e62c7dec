import { SeededRandom } from '../core/seeded-random.js';
import type { Size } from '../core/size.js';
import { type Recipe, RECIPES } from './photometry.js';
import type { PairRequest } from './render-pair.js';
import { drawRig, type RigName, RIGS } from './rigs.js';

/** A set of pairs: as many as one likes, each of them the same whether the others are rendered or not. */
export interface StereoSet {
  readonly rig: RigName;
  /** Of all pairs, or one drawn for each. */
  readonly recipe: Recipe | 'mixed';
  /** With shapes that training sets never have, and from other random numbers than a training set of the same seed. */
  readonly isHeldOut: boolean;
  readonly size: Size;
  readonly seed: number;
}

/** What is drawn for a set's pair beside its scene has random numbers of its own: a recipe more wouldn't change the scenes. */
const RIG_STREAM = 0x40000000;

/** What a pair of a set is rendered from. */
export function pairRequest({ rig, recipe, isHeldOut, size, seed }: StereoSet, index: number): PairRequest {
  const random = new SeededRandom(seed, RIG_STREAM + index);
  const drawn = RECIPES[random.integer(RECIPES.length)]!;
  return { ...drawRig(rig, size, random), rangeM: RIGS[rig].rangeM, recipe: recipe === 'mixed' ? drawn : recipe, isHeldOut, seed, index };
}
