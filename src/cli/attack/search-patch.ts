import { basename } from 'node:path';
import { availableParallelism } from 'node:os';
import { type GuardedQueriedModel, type ModelQueries, startGuardedQueries, startQueries } from '../../attack/model-queries.js';
import { loadCheckpoint, saveCheckpoint, type SearchIdentity } from '../../attack/optimise/checkpoint.js';
import { type AttackGoal, type AttackScene, DEFAULT_JITTER, DetectorObjective, judgePatch, type JudgementOptions, type PatchJudgement, scoreAt } from '../../attack/optimise/detector-objective.js';
import { coloursOf, gridPatch, renderPatch } from '../../attack/optimise/grid-patch.js';
import { type CurvePoint, type OptimisedPatch, optimisePatch, type SearchMethodName } from '../../attack/optimise/optimise-patch.js';
import { controlPatch, greyscalePatch, type PatchImage } from '../../attack/patch-image.js';
import type { PastePlacement } from '../../attack/placement.js';
import { planPatches, type PlannedPatch } from '../../attack/plan-patches.js';
import { AppError } from '../../core/errors.js';
import type { ModelManifest } from '../../core/manifest.js';
import type { FittedPicture } from '../../core/picture-set.js';
import type { Dataset } from '../../sources/dataset/dataset.js';
import { labelledPictures } from '../picture-sets.js';

/** A search for a patch, all of it checked. */
export interface PatchSearchPlan {
  readonly dataset: Dataset;
  readonly manifest: ModelManifest;
  /** Of the prepared model; the one with the tap where the attacker knows the guard. */
  readonly modelPath: string;
  /** Present where the attacker knows the guard. */
  readonly guard: Pick<GuardedQueriedModel, 'tap' | 'profile' | 'finderPath'> | undefined;
  readonly placement: PastePlacement;
  readonly labels: readonly string[];
  /** Their places among the labels of the model. */
  readonly classIds: ReadonlySet<number>;
  readonly greyscale: boolean;
  readonly goal: AttackGoal;
  readonly method: SearchMethodName;
  readonly queries: number;
  readonly grid: number;
  readonly seed: number;
  /** Weight of the guard's evidence against the score. */
  readonly evidenceWeight: number;
  /** Patch to begin with. */
  readonly begin: PatchImage | undefined;
  /** File that the search is saved in, and resumed from. */
  readonly checkpoint: string;
  readonly onProgress: (queries: number, curve: readonly CurvePoint[]) => void;
}

/** A patch by name and how it does on pictures that the search used, and on others. */
export interface JudgedPatch {
  readonly name: string;
  readonly searched: PatchJudgement;
  readonly heldOut: PatchJudgement;
}

export interface SearchedPatch {
  readonly patch: PatchImage;
  /** All, also those that chose the pictures. */
  readonly queries: number;
  readonly curve: readonly CurvePoint[];
  /** Pictures that the search used, and others that it is judged by. */
  readonly pictures: { readonly searched: number; readonly heldOut: number };
  /** `grey` and `noise`, what the search began with where that was given, and what it found. */
  readonly judged: readonly JudgedPatch[];
}

/** Pictures held in memory, each half. */
const MOST_PICTURES = 48;
/** Few: the circumstances change all the time, and a search that gets further does more than one that is surer of each step. */
const SCENES_PER_LOSS = 4;
const SMOOTHNESS = 0.02;
/** Who isn't found anyway can't be hidden. */
const FOUND_SCORE = 0.3;
/** Where a patch may lie in the same picture, for attacks from the background. */
const BACKGROUND_PLANS = 3;
/** In a recording neighbours are alike: what the search doesn't see is its second half. */
const isSearched = (dataset: Dataset, index: number): boolean => (dataset.frameRateFps === undefined ? index % 2 === 0 : index < dataset.images.length / 2);

/**
 * Searches for a patch on one half of the pictures and judges it by the other, too. Resumes a search that was saved.
 *
 * @throws AppError ERR_DATASET_EMPTY (nothing to attack is found on clean pictures), ERR_USAGE, and as `planPatches` and the model.
 */
export async function searchPatch(plan: PatchSearchPlan): Promise<SearchedPatch> {
  const { manifest, method, grid, seed, greyscale, evidenceWeight, checkpoint, onProgress } = plan;
  const identity = identityOf(plan);
  const resume = await loadCheckpoint(checkpoint, identity);
  const queries = await startModel(plan);
  try {
    const { width, height } = manifest.input;
    const judgement: JudgementOptions = { queries, inputSize: { width, height }, goal: plan.goal, classIds: plan.classIds };
    const [searched, heldOut] = [await readScenes(plan, true), await readScenes(plan, false)];
    const worthwhile = await keepWorthwhile(judgement, searched);
    if (worthwhile.length === 0) throw new AppError('ERR_DATASET_EMPTY', `${manifest.id} finds no ${plan.labels.join(' or ')} in the clean pictures: there is nothing to hide.`, { fix: 'Choose a model that works on these pictures.' });
    const spent = plan.goal === 'hide' ? searched.length : 0;
    const budget = plan.queries - spent;
    const objective = new DetectorObjective({ ...judgement, scenes: worthwhile, grid, greyscale, seed, scenesPerLoss: SCENES_PER_LOSS, jitter: DEFAULT_JITTER, smoothness: SMOOTHNESS, evidenceWeight: plan.guard ? evidenceWeight : 0 });
    const begin = plan.begin && coloursOf(plan.begin, grid);
    const save = async (state: OptimisedPatch): Promise<void> => {
      await saveCheckpoint(checkpoint, identity, state);
      onProgress(spent + state.queries, state.curve);
    };
    const found = await optimisePatch({ method, objective, grid, seed, budget, begin, resume, onProgress: save });
    const rendered = renderPatch(gridPatch(found.colours, grid));
    const patch = greyscale ? { ...greyscalePatch(rendered), name: rendered.name } : rendered;
    const compared = [...(['grey', 'noise'] as const).map((kind) => controlPatch(kind, seed)), ...(plan.begin ? [plan.begin] : []), patch];
    const judged: JudgedPatch[] = [];
    for (const one of compared) judged.push({ name: one.name, searched: await judgePatch(judgement, worthwhile, one), heldOut: await judgePatch(judgement, heldOut, one) });
    return { patch, queries: spent + found.queries, curve: found.curve, pictures: { searched: worthwhile.length, heldOut: heldOut.length }, judged };
  } finally {
    await queries.close();
  }
}

function startModel({ manifest, modelPath, guard }: PatchSearchPlan): Promise<ModelQueries> {
  const model = { manifest, modelPath, cores: availableParallelism() };
  return guard ? startGuardedQueries({ ...model, ...guard }) : startQueries(model);
}

function identityOf({ dataset, manifest, guard, placement, labels, greyscale, goal, method, queries, grid, seed, evidenceWeight, begin }: PatchSearchPlan): SearchIdentity {
  return {
    dataset: `${basename(dataset.folder)}, ${dataset.images.length} pictures, ${dataset.boxes.length} boxes`,
    model: manifest.sha256,
    ...{ placement, labels, greyscale, goal, method, queries, grid, seed },
    begin: begin?.name ?? null,
    guard: guard ? { evidenceWeight, profile: guard.profile.calibratedOn } : null,
  };
}

/** Pictures of one half, evenly spread, and where patches lie in them. */
async function readScenes({ dataset, manifest, placement, labels, goal, seed }: PatchSearchPlan, searched: boolean): Promise<AttackScene[]> {
  const plans = Array.from({ length: goal === 'appear' ? BACKGROUND_PLANS : 1 }, (_, i) => planPatches({ dataset, placement, seed: seed + i, categories: labels }));
  const places = dataset.images.map(({ id }, index) => ({ id, index })).filter(({ id, index }) => plans[0]!.has(id) && isSearched(dataset, index) === searched);
  const step = Math.max(1, places.length / MOST_PICTURES);
  const chosen = new Set(places.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step)).map(({ id }) => id));
  const { width, height, fit, padValue } = manifest.input;
  const pictures = await labelledPictures(dataset.folder, (_, id) => chosen.has(id));
  const scenes: AttackScene[] = [];
  for await (const picture of pictures.read({ size: { width, height }, fit, padValue })) scenes.push(...plans.map((patches) => ({ picture, patches: patches.get(picture.imageId) ?? [] })));
  return scenes.filter(({ patches }) => patches.length > 0);
}

/** To hide: those whose carrier is found without the patch; costs a query a scene. */
async function keepWorthwhile(options: JudgementOptions, scenes: readonly AttackScene[]): Promise<AttackScene[]> {
  if (options.goal === 'appear') return [...scenes];
  const kept = await Promise.all(scenes.map(({ picture, patches }) => keepFound(options, picture, patches)));
  return kept.filter(({ patches }) => patches.length > 0);
}

async function keepFound(options: JudgementOptions, picture: FittedPicture, patches: readonly PlannedPatch[]): Promise<AttackScene> {
  const { detections } = await options.queries.run(picture);
  return { picture, patches: patches.filter((patch) => scoreAt(patch, detections, options) >= FOUND_SCORE) };
}
