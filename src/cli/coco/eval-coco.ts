import { writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { AppError } from '../../core/errors.js';
import type { CocoDataset } from '../../evaluation/coco-dataset.js';
import { compareModels, onlyCategories } from '../../evaluation/compare-models.js';
import { evaluate } from '../../evaluation/evaluate.js';
import { readDataset } from '../../sources/dataset/read-dataset.js';
import { toCocoDataset } from '../ground-truth.js';
import { openStore } from '../models.js';
import { print } from '../terminal.js';
import { collectResults, type Collected } from './collect-results.js';
import { comparisonText, evaluationText, snakeCase } from './coco-text.js';

export interface CocoEvalOptions {
  readonly model: string;
  readonly confidence: number;
  readonly iou?: number;
  readonly bestClass?: boolean;
  readonly results?: string;
  readonly json?: boolean;
  readonly classes?: readonly string[];
  readonly against?: string;
}

/** `lynceus eval` of a folder of pictures. @throws AppError of dataset and model; ERR_USAGE where `--classes` names none of its categories */
export async function evaluateCocoSet(folder: string, options: CocoEvalOptions): Promise<void> {
  const path = resolve(folder);
  const dataset = await readDataset(path);
  const truth = ofClasses(toCocoDataset(dataset), options.classes);
  if (truth.annotations.length === 0) throw new AppError('ERR_DATASET_INVALID', `${folder} has pictures but no boxes to score against`, { fix: 'Give a folder with instances.json, gt/gt.txt or label files.' });
  // Before the first model's work, not after it.
  if (options.against !== undefined) await openStore().resolve(options.against);
  const collect = (model: string): Promise<Collected> => collectResults({ ...options, path, pictures: dataset.images.length, categories: truth.categories, model });
  const collected = await collect(options.model);
  if (options.results) await writeFile(options.results, JSON.stringify(collected.results));
  const header = { dataset: basename(path), model: options.model, confidence: options.confidence, failed_images: collected.failed };
  if (options.against === undefined) {
    const report = evaluate(collected.results, truth);
    print(options.json ? JSON.stringify({ ...header, ...snakeCase(report) }, null, 2) : evaluationText(report, `${options.model} on ${header.dataset}`, collected.failed));
    return;
  }
  const other = await collect(options.against);
  const shared = onlyCategories(truth, (name) => truth.categories.some((one) => one.name === name && collected.knownCategories.has(one.id) && other.knownCategories.has(one.id)));
  if (shared.annotations.length === 0) throw new AppError('ERR_DATASET_INVALID', `${options.model} and ${options.against} know no class in common that ${folder} has boxes of`);
  const isShared = new Set(shared.categories.map(({ id }) => id));
  const [before, after] = [other, collected].map(({ results }) => results.filter((one) => isShared.has(one.category_id)));
  const comparison = compareModels(before!, after!, shared);
  print(
    options.json
      ? JSON.stringify({ ...header, against: options.against, images: shared.images.length, objects: shared.annotations.length, ...snakeCase(comparison) }, null, 2)
      : comparisonText(comparison, { model: options.model, against: options.against, dataset: header.dataset, images: shared.images.length, objects: shared.annotations.length }),
  );
}

function ofClasses(truth: CocoDataset, classes: readonly string[] | undefined): CocoDataset {
  if (!classes) return truth;
  const names = truth.categories.map(({ name }) => name);
  const unknown = classes.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new AppError('ERR_USAGE', `Expected --classes to name categories of the dataset but found ${unknown.join(', ')}`, { fix: `Its categories: ${names.join(', ')}.` });
  return onlyCategories(truth, (name) => classes.includes(name));
}
