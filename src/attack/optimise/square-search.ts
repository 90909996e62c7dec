import { SeededRandom } from '../../core/seeded-random.js';
import type { SearchMethod, SearchSettings, SearchState } from './objective.js';

/** Share of the patch that the first squares change, and the progress at which that share is halved: Square Attack's schedule. */
const FIRST_SHARE = 0.4;
const HALVED_AT = [0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8];
/** Steps in the same circumstances: then the patch is judged anew, in others. */
const STEPS_PER_DRAW = 20;
/**
 * How often along the patch a square is repeated: detectors are most easily upset by textures, and a texture has few numbers to find
 * (Co et al., "Procedural Noise Adversarial Examples", CCS 2019, attack by textures alone).
 */
const REPEATS = [1, 1, 2, 3, 4, 6];
const STEP_STREAM = 0x51;

/**
 * Random search by squares: a square of the patch gets another colour at random, and keeps it where the loss falls. It asks for nothing but
 * the loss (Andriushchenko et al., "Square Attack", ECCV 2020; one colour a square as the patches of Croce et al., "Sparse-RS", AAAI 2022).
 */
export const squareSearch: SearchMethod = {
  lossesPerStep: 2,
  start: ({ grid, seed }) => ({ colours: stripes(grid, new SeededRandom(seed, STEP_STREAM)), momentum: new Float32Array(0) }),
  step: async (state, objective, settings) => {
    const draw = Math.floor(state.step / STEPS_PER_DRAW);
    const isNewDraw = state.step % STEPS_PER_DRAW === 0;
    const candidate = changeSquare(state, settings);
    const [first, second] = await objective.losses(isNewDraw ? [candidate, state.colours] : [candidate], draw);
    const before = isNewDraw ? second! : state.loss;
    const queries = state.queries + (isNewDraw ? 2 : 1) * objective.queriesPerLoss;
    const next = first! < before ? { colours: candidate, loss: first! } : { colours: state.colours, loss: before };
    return { ...state, ...next, step: state.step + 1, queries };
  },
};

/** One colour a column, from the corners of the colour cube: Square Attack's start. */
function stripes(grid: number, random: SeededRandom): Float32Array {
  const row = Array.from({ length: 3 * grid }, () => random.integer(2));
  return Float32Array.from({ length: 3 * grid * grid }, (_, i) => row[i % (3 * grid)]!);
}

/** Another colour for a square, at one place or repeated all over the patch. */
function changeSquare({ colours, step, queries }: SearchState, { grid, seed, budget }: SearchSettings): Float32Array {
  const random = new SeededRandom(seed, STEP_STREAM + 1 + step);
  const period = Math.max(1, Math.round(grid / REPEATS[random.integer(REPEATS.length)]!));
  const side = Math.max(1, Math.round(Math.sqrt(shareAt(queries / budget)) * period));
  const [left, top] = [random.integer(period - side + 1), random.integer(period - side + 1)];
  const colour = [random.unit(), random.unit(), random.unit()];
  const changed = Float32Array.from(colours);
  const isIn = (place: number, from: number): boolean => place % period >= from && place % period < from + side;
  for (let y = 0; y < grid; y += 1) {
    if (!isIn(y, top)) continue;
    for (let x = 0; x < grid; x += 1) if (isIn(x, left)) changed.set(colour, 3 * (y * grid + x));
  }
  return changed;
}

function shareAt(progress: number): number {
  return FIRST_SHARE / 2 ** HALVED_AT.filter((at) => progress >= at).length;
}
