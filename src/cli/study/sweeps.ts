import { AppError } from '../../core/errors.js';
import type { StreamDefinition } from '../../config/stream-definition.js';
import type { ModelStore } from '../../model-store/store.js';
import type { PlannedRun, Sweep } from '../../study/design.js';
import { type Perspective, PERSPECTIVES } from '../../study/perspectives.js';
import { CROSSED, type FactorContext, FACTORS, type StudyFactor } from './factors.js';
import { OtherInputs } from './other-inputs.js';
import { patchOf } from './paste-patch.js';
import type { PatchRequest } from './run-request.js';
import type { Setup } from './setup.js';

/** What is asked for: a whole perspective, or one factor of it. */
export interface FactorChoice {
  readonly perspective: Perspective;
  readonly factor?: string;
}

export interface SweepPlan {
  readonly sweeps: readonly Sweep[];
  /** What couldn't be planned here, and why. */
  readonly notes: readonly string[];
  /** The usual setup with the levels of a run. */
  setupOf(usual: Setup, run: PlannedRun): Setup;
  /** Removes what was made for it. */
  close(): Promise<void>;
}

export interface SweepOptions {
  readonly choices: readonly FactorChoice[];
  readonly patch: PatchRequest;
  readonly store: Pick<ModelStore, 'list'>;
}

/** Everything, as far as it can be varied with the input. */
export const ALL_FACTORS: readonly FactorChoice[] = PERSPECTIVES.map((perspective) => ({ perspective }));

/**
 * Reads `runtime` or `runtime.spinning`.
 *
 * @throws AppError `ERR_USAGE` with what there is
 */
export function parseFactorChoice(text: string): FactorChoice {
  const [head = '', factor, ...more] = text.split('.');
  const perspective = PERSPECTIVES.find((one) => one === head);
  if (!perspective || more.length > 0) throw new AppError('ERR_USAGE', `Expected a perspective or a factor of one, found '${text}'`, { fix: `Perspectives: ${PERSPECTIVES.join(', ')}.` });
  if (factor === undefined) return { perspective };
  const known = Object.keys(FACTORS[perspective]);
  if (known.includes(factor)) return { perspective, factor };
  throw new AppError('ERR_USAGE', `The perspective ${perspective} has no factor '${factor}'`, { fix: `Its factors: ${known.map((name) => `${perspective}.${name}`).join(', ')}.` });
}

/**
 * What is tried, on this machine with these models and this input. A perspective varies its factors one at a time, but for a few that are
 * crossed; factors that are asked for by name are crossed with each other.
 *
 * @throws AppError of a patch that can't be read
 */
export async function planSweeps(definition: StreamDefinition, { choices, patch, store }: SweepOptions): Promise<SweepPlan> {
  if (patch.file !== undefined) await patchOf(patch, 0);
  const notes: string[] = [];
  let inputs: OtherInputs | undefined;
  const context: FactorContext = { definition, listed: await store.list(), patch, otherInputs: async () => (inputs ??= await OtherInputs.create()), note: (text) => notes.push(text) };
  const made = new Map<Perspective, readonly StudyFactor[]>();
  const sweeps: Sweep[] = [];
  for (const perspective of PERSPECTIVES) {
    const own = choices.filter((choice) => choice.perspective === perspective);
    if (own.length === 0) continue;
    const factors = await makeFactors(perspective, own, context);
    made.set(perspective, factors);
    if (factors.length === 0) notes.push(`${perspective}: nothing to vary with this input on this machine`);
    else sweeps.push(sweepOf(perspective, factors, own));
  }
  return {
    sweeps,
    notes,
    setupOf: (usual, { perspective, levels }) => {
      const factors = perspective === 'injection' ? [] : (made.get(perspective) ?? []);
      return factors.reduce((setup, { name, levels: known }) => known.find((level) => level.name === levels[name])?.apply(setup) ?? setup, usual);
    },
    close: async () => inputs?.close(),
  };
}

/** Those with more than one level. */
async function makeFactors(perspective: Perspective, choices: readonly FactorChoice[], context: FactorContext): Promise<StudyFactor[]> {
  const factors: StudyFactor[] = [];
  for (const [name, make] of Object.entries(FACTORS[perspective])) {
    if (!choices.some(({ factor = name }) => factor === name)) continue;
    const factor = await make(context);
    if (factor && factor.levels.length > 1) factors.push(factor);
  }
  return factors;
}

function sweepOf(perspective: Perspective, factors: readonly StudyFactor[], choices: readonly FactorChoice[]): Sweep {
  const named = choices.flatMap(({ factor }) => factor ?? []);
  const all = choices.some(({ factor }) => factor === undefined);
  const crossed = [...(all ? CROSSED[perspective] : []), ...(named.length > 0 ? [named] : [])];
  return { perspective, factors: factors.map(({ name, levels }) => ({ name, levels: levels.map((level) => level.name) })), crossed };
}
