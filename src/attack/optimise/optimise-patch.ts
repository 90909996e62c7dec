import { AppError } from '../../core/errors.js';
import { beginningQueries, chooseBeginning } from './beginnings.js';
import { naturalEvolution } from './nes.js';
import type { PatchObjective, SearchMethod, SearchSettings, SearchState } from './objective.js';
import { squareSearch } from './square-search.js';

export const SEARCH_METHODS = { square: squareSearch, nes: naturalEvolution } as const satisfies Record<string, SearchMethod>;

export type SearchMethodName = keyof typeof SEARCH_METHODS;

/** A point of the curve of a search. */
export interface CurvePoint {
  readonly queries: number;
  /** Means over the steps since the last point. */
  readonly loss: number;
}

export interface OptimisedPatch extends SearchState {
  readonly curve: readonly CurvePoint[];
}

export interface OptimiseOptions extends SearchSettings {
  readonly method: SearchMethodName;
  readonly objective: PatchObjective;
  /** Colours to begin with; the best of some stripes where absent. */
  readonly begin?: Float32Array | undefined;
  /** Goes on from here; settings have to be the same. */
  readonly resume?: OptimisedPatch | undefined;
  /** Called with the state about `SAVES` times, and at the end: for checkpoints and progress. */
  readonly onProgress?: (state: OptimisedPatch) => void | Promise<void>;
}

/** Points of a curve, and calls of `onProgress`. */
const SAVES = 60;

/**
 * Searches for a patch by queries alone. Ends before the step that would take more than the budget. The same settings and objective give
 * the same patch, interrupted or not.
 *
 * @throws AppError ERR_USAGE where the budget doesn't suffice for a step.
 */
export async function optimisePatch(options: OptimiseOptions): Promise<OptimisedPatch> {
  const { method: name, objective, begin, resume, budget, onProgress } = options;
  const method = SEARCH_METHODS[name];
  const stepQueries = method.lossesPerStep * objective.queriesPerLoss;
  const least = stepQueries + (begin ? 0 : beginningQueries(objective));
  if (budget < least) throw new AppError('ERR_USAGE', `Expected ${least} queries or more for a beginning and a step of ${name} but found ${budget}.`, { fix: 'Allow more queries.' });
  let state = resume ?? (await beginSearch(options));
  let sum = 0;
  let steps = 0;
  while (state.queries + stepQueries <= budget) {
    const next = await method.step(state, objective, options);
    sum += next.loss;
    steps += 1;
    const isPoint = pointOf(next.queries, budget) > pointOf(state.queries, budget);
    state = { ...next, curve: isPoint ? [...state.curve, { queries: next.queries, loss: sum / steps }] : state.curve };
    if (!isPoint) continue;
    [sum, steps] = [0, 0];
    await onProgress?.(state);
  }
  await onProgress?.(state);
  return state;
}

async function beginSearch({ begin, objective, ...settings }: OptimiseOptions): Promise<OptimisedPatch> {
  const colours = begin ?? (await chooseBeginning(objective, settings));
  return { step: 0, queries: begin ? 0 : beginningQueries(objective), loss: Number.POSITIVE_INFINITY, curve: [], colours, momentum: new Float32Array(colours.length) };
}

function pointOf(queries: number, budget: number): number {
  return Math.floor((SAVES * queries) / budget);
}
