import type { AttackGoal } from '../../attack/optimise/detector-objective.js';
import type { SearchMethodName } from '../../attack/optimise/optimise-patch.js';
import { CONTROL_PATCHES, controlPatch, type ControlPatch, greyscalePatch, loadPatch, type PatchImage } from '../../attack/patch-image.js';
import type { PastePlacement } from '../../attack/placement.js';
import { AppError } from '../../core/errors.js';
import { categoryIdsOfLabels } from '../../evaluation/coco-results.js';
import type { Dataset } from '../../sources/dataset/dataset.js';
import { placementOf, type PlacementOptions } from '../placement-options.js';

/** What `lynceus attack` was told. */
export interface AttackOptions extends PlacementOptions {
  readonly model: string;
  /** `optimise`, a control's name, or the file of a patch. */
  readonly patch: string;
  readonly goal: AttackGoal;
  readonly method: SearchMethodName;
  readonly queries: number;
  readonly grid: number;
  /** File of a patch that the search begins with. */
  readonly start?: string;
  readonly adaptive?: boolean;
  readonly evidenceWeight: number;
  /** File of a clean profile that counts instead of the model's own. */
  readonly profile?: string;
  /** Ground truth of a video. */
  readonly gt?: string;
  readonly out?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Searches for a patch by asking the model. */
export const OPTIMISE = 'optimise';

/** Where patches go: from the background is where objects appear, unless a place is named. @throws AppError ERR_USAGE */
export function attackPlacement(options: AttackOptions): PastePlacement {
  const placement = placementOf(options);
  if (options.goal === 'appear') return placement.on === 'objects' ? placementOf({ ...options, background: 1 }) : placement;
  if (placement.on !== 'objects' && options.patch === OPTIMISE) {
    throw new AppError('ERR_USAGE', 'Expected a patch that hides objects to be on them but found --at or --background.', { fix: 'Leave these out, or search with --goal appear.' });
  }
  return placement;
}

/** The patch that was named; undefined where it is to be searched for. @throws AppError ERR_FILE_NOT_FOUND, ERR_SOURCE_FORMAT, ERR_USAGE */
export async function namedPatch({ patch: name, seed, greyscale, adaptive }: AttackOptions): Promise<PatchImage | undefined> {
  if (name === OPTIMISE) return undefined;
  if (adaptive) throw new AppError('ERR_USAGE', '--adaptive is of a search, and --patch names a finished patch.', { fix: 'Use --patch optimise --start <file> to change a given patch.' });
  const patch = isControl(name) ? controlPatch(name, seed) : await loadPatch(name);
  return greyscale ? greyscalePatch(patch) : patch;
}

function isControl(name: string): name is ControlPatch {
  return (CONTROL_PATCHES as readonly string[]).includes(name);
}

/** Places among the model's labels that the attack is about. @throws AppError ERR_DATASET_INVALID where dataset or model lack one. */
export function attackedClasses({ label, model }: AttackOptions, { categories, boxes }: Dataset, modelLabels: readonly string[]): ReadonlySet<number> {
  const missing = label.find((name) => !categories.some((category) => category.name === name));
  if (missing !== undefined || boxes.length === 0) {
    const has = categories.map(({ name }) => name).join(', ') || 'none, and an attack is judged by ground truth';
    throw new AppError('ERR_DATASET_INVALID', `Expected --label to name categories of the dataset but found ${missing ?? label.join(', ')}.`, { fix: `Its categories: ${has}.` });
  }
  const judged = categories.filter(({ name }) => label.includes(name));
  const ids = categoryIdsOfLabels(modelLabels, judged);
  const unknown = judged.find(({ id }) => !ids.includes(id));
  if (unknown) throw new AppError('ERR_DATASET_INVALID', `${model} has no label ${unknown.name}.`, { fix: `Its labels: ${modelLabels.slice(0, 10).join(', ')}${modelLabels.length > 10 ? ', ...' : ''}.` });
  return new Set(ids.flatMap((id, place) => (id === undefined ? [] : [place])));
}
