import { SeededRandom } from '../../core/seeded-random.js';
import type { SearchMethod, SearchSettings, SearchState } from './objective.js';

/** Share of the patch that the first squares change, and the progress at which that share is halved: Square Attack's schedule. */
const FIRST_SHARE = 0.4;
const HALVED_AT = [0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8];
/** Steps in the same circumstances: then the patch is judged anew, in others. */
const STEPS_PER_DRAW = 20;
const STEP_STREAM = 0x51;

/**
 * Random search by squares: a square of the patch gets another colour at random, and keeps it where the loss falls. It asks for nothing but
 * the loss (Andriushchenko et al., "Square Attack", ECCV 2020; one colour a square as the patches of Croce et al., "Sparse-RS", AAAI 2022).
 */
export const squareSearch: SearchMethod = {
  lossesPerStep: 2,
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

/** Another colour, from the corners of the colour cube, for a square anywhere. */
function changeSquare({ colours, step, queries }: SearchState, { grid, seed, budget }: SearchSettings): Float32Array {
  const random = new SeededRandom(seed, STEP_STREAM + step);
  const side = Math.max(1, Math.round(Math.sqrt(shareAt(queries / budget)) * grid));
  const [left, top] = [random.integer(grid - side + 1), random.integer(grid - side + 1)];
  const colour = [random.integer(2), random.integer(2), random.integer(2)];
  const changed = Float32Array.from(colours);
  for (let y = top; y < top + side; y += 1) {
    for (let x = left; x < left + side; x += 1) changed.set(colour, 3 * (y * grid + x));
  }
  return changed;
}

function shareAt(progress: number): number {
  return FIRST_SHARE / 2 ** HALVED_AT.filter((at) => progress >= at).length;
}
