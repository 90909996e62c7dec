import type { PictureSet } from '../../core/picture-set.js';
import { pairedChanges, type PairedChanges } from '../../evaluation/bootstrap.js';
import type { CocoDataset } from '../../evaluation/coco-dataset.js';
import { evaluateCoco, type CocoEvaluation } from '../../evaluation/coco-eval.js';
import { detectPictures, type CandidateModel, type OnPicture } from '../score-model.js';

/** Pictures with their boxes. */
export interface ScoredPictures extends PictureSet {
  readonly truth: CocoDataset;
}

/** Scores models on the same pictures, and what changes from one to another. */
export class Scorer {
  readonly pictures: ScoredPictures;
  readonly #threads: number | undefined;

  constructor(pictures: ScoredPictures, threads?: number) {
    this.pictures = pictures;
    this.#threads = threads;
  }

  async score(model: CandidateModel, onPicture?: OnPicture): Promise<CocoEvaluation> {
    const { truth } = this.pictures;
    const results = await detectPictures(model, this.pictures, truth.categories, { ...(this.#threads !== undefined && { threads: this.#threads }), ...(onPicture && { onPicture }) });
    return evaluateCoco(truth, results);
  }

  change(before: CocoEvaluation, after: CocoEvaluation): PairedChanges {
    return pairedChanges(before.rankings, after.rankings, this.pictures.truth.images.length);
  }
}

/** Points of mAP50 that are lost; 0 where there is nothing to find. */
export function lostPoints(before: CocoEvaluation, after: CocoEvaluation): number {
  return ((before.metrics.map50 ?? 0) - (after.metrics.map50 ?? 0)) * 100;
}

/** One value that was tried. */
export interface Trial {
  readonly value: number;
  readonly lossPoints: number;
}

/**
 * The largest value up to `limit` that costs no more than `maxLossPoints`, by bisection (losses grow with the value but for noise, and
 * what is returned was tried). 0 where none was found.
 */
export async function largestWithin(limit: number, maxLossPoints: number, steps: number, lossOf: (value: number) => Promise<number>): Promise<{ readonly value: number; readonly trials: readonly Trial[] }> {
  const trials: Trial[] = [];
  const isFine = async (value: number): Promise<boolean> => {
    const lossPoints = await lossOf(value);
    trials.push({ value, lossPoints });
    return lossPoints <= maxLossPoints;
  };
  if (await isFine(limit)) return { value: limit, trials };
  let [good, bad] = [0, limit];
  for (let step = 0; step < steps; step += 1) {
    const middle = (good + bad) / 2;
    if (await isFine(middle)) good = middle;
    else bad = middle;
  }
  return { value: good, trials };
}
