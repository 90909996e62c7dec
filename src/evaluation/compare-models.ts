import { pairedChanges, type BootstrapOptions, type PairedChange, type PairedChanges } from './bootstrap.js';
import type { CocoDataset, CocoResult } from './coco-dataset.js';
import { evaluateCoco } from './coco-eval.js';

export interface ClassComparison {
  readonly categoryId: number;
  readonly label: string;
  /** AP50; null where the dataset has no object of the class. */
  readonly ap50: PairedChange | null;
}

/** What one model finds against what another does, on the same pictures. */
export interface ModelComparison extends PairedChanges {
  readonly perClass: readonly ClassComparison[];
}

/**
 * Scores two models' detections on the same pictures and says by how much they differ, with paired intervals over the pictures.
 *
 * @param before detections of the model that the other, `after`, is held against.
 * @throws AppError ERR_DATASET_INVALID where a result is for a picture that the dataset doesn't have.
 */
export function compareModels(before: readonly CocoResult[], after: readonly CocoResult[], dataset: CocoDataset, options: BootstrapOptions = {}): ModelComparison {
  const [first, second] = [before, after].map((results) => evaluateCoco(dataset, results));
  const count = dataset.images.length;
  const labels = new Map(dataset.categories.map(({ id, name }) => [id, name]));
  return {
    ...pairedChanges(first!.rankings, second!.rankings, count, options),
    perClass: first!.perClass.map(({ categoryId }, index) => ({
      categoryId,
      label: labels.get(categoryId)!,
      ap50: pairedChanges([first!.rankings[index]!], [second!.rankings[index]!], count, options).map50,
    })),
  };
}

/** The dataset as if it had no other categories than those of these names. Names that it doesn't know are passed over. */
export function onlyCategories(dataset: CocoDataset, isKept: (name: string) => boolean): CocoDataset {
  const categories = dataset.categories.filter(({ name }) => isKept(name));
  const ids = new Set(categories.map(({ id }) => id));
  return { ...dataset, categories, annotations: dataset.annotations.filter(({ category_id: id }) => ids.has(id)) };
}
