import { assertNever } from '../core/assert.js';
import { SeededRandom } from '../core/seeded-random.js';
import type { DelayShape } from './injection.js';

/** The mean of a `gauss` delay in standard deviations: few are cut at 0. */
const MEAN_IN_DEVIATIONS = 2;

/** Draws delays, milliseconds: the same seed gives the same ones in the same order. */
export function delaysOf(delay: DelayShape, seed: number): () => number {
  const random = new SeededRandom(seed);
  return () => {
    switch (delay.shape) {
      case 'gauss':
        return Math.max(0, delay.ms * (MEAN_IN_DEVIATIONS + random.normal()));
      case 'uniform':
        return random.uniform(0, delay.ms);
      case 'fixed':
        return delay.ms;
      case 'spike':
        return random.chance(delay.share) ? delay.ms : 0;
      default:
        return assertNever(delay);
    }
  };
}
