import { SeededRandom } from '../../core/seeded-random.js';
import type { PatchObjective, SearchSettings } from './objective.js';

/** Patterns that are tried, and circumstances that each is tried in. */
const PATTERNS = 12;
const DRAWS = 4;
const STREAM = 0xb0;

/** What a beginning costs. */
export function beginningQueries({ queriesPerLoss }: PatchObjective): number {
  return PATTERNS * DRAWS * queriesPerLoss;
}

/**
 * The best of some striped patterns, half of them upright: stripes upset detectors more than other patterns drawn at random, and Square
 * Attack begins with them (Andriushchenko et al., ECCV 2020).
 */
export async function chooseBeginning(objective: PatchObjective, { grid, seed }: SearchSettings): Promise<Float32Array> {
  const patterns = Array.from({ length: PATTERNS }, (_, i) => stripes(grid, i % 2 === 0, new SeededRandom(seed, STREAM + i)));
  const sums = new Array<number>(PATTERNS).fill(0);
  for (let draw = 0; draw < DRAWS; draw += 1) (await objective.losses(patterns, draw)).forEach((loss, i) => (sums[i]! += loss));
  return patterns[sums.indexOf(Math.min(...sums))]!;
}

/** One colour a column or row, from the corners of the colour cube. */
function stripes(grid: number, upright: boolean, random: SeededRandom): Float32Array {
  const colours = Array.from({ length: 3 * grid }, () => random.integer(2));
  return Float32Array.from({ length: 3 * grid * grid }, (_, i) => {
    const [cell, channel] = [Math.floor(i / 3), i % 3];
    return colours[3 * (upright ? cell % grid : Math.floor(cell / grid)) + channel]!;
  });
}
