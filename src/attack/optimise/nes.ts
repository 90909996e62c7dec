import { SeededRandom } from '../../core/seeded-random.js';
import type { SearchMethod, SearchSettings } from './objective.js';

/** Deviation of the noise that the slope is felt with. */
const NOISE = 0.15;
/** Directions a step; each is tried both ways. */
const DIRECTIONS = 8;
const LEARNING_RATE = 0.05;
const MOMENTUM = 0.8;
const STEP_STREAM = 0x4e;

/**
 * Natural evolution strategies with antithetic Gaussian directions, steps by the sign of the moving mean of gradients (Ilyas et al.,
 * "Black-box Adversarial Attacks with Limited Queries and Information", ICML 2018; Wierstra et al., JMLR 2014). All candidates of a step
 * are judged in the same circumstances, and each step in others.
 */
export const naturalEvolution: SearchMethod = {
  lossesPerStep: 2 * DIRECTIONS,
  step: async (state, objective, settings) => {
    const directions = drawDirections(state.step, settings);
    const candidates = directions.flatMap((direction) => [moved(state.colours, direction, NOISE), moved(state.colours, direction, -NOISE)]);
    const losses = await objective.losses(candidates, state.step);
    const momentum = state.momentum.map((value) => MOMENTUM * value);
    for (const [i, direction] of directions.entries()) {
      const slope = ((losses[2 * i]! - losses[2 * i + 1]!) / (2 * NOISE * DIRECTIONS)) * (1 - MOMENTUM);
      for (let k = 0; k < momentum.length; k += 1) momentum[k]! += slope * direction[k]!;
    }
    const loss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
    const colours = moved(state.colours, momentum.map(Math.sign), -LEARNING_RATE);
    return { step: state.step + 1, queries: state.queries + losses.length * objective.queriesPerLoss, colours, loss, momentum };
  },
};

function drawDirections(step: number, { grid, seed }: SearchSettings): Float32Array[] {
  const random = new SeededRandom(seed, STEP_STREAM + step);
  return Array.from({ length: DIRECTIONS }, () => Float32Array.from({ length: 3 * grid * grid }, () => random.normal()));
}

/** `colours + factor * direction`, within 0 and 1. */
function moved(colours: Float32Array, direction: Float32Array, factor: number): Float32Array {
  return colours.map((value, i) => Math.min(1, Math.max(0, value + factor * direction[i]!)));
}
