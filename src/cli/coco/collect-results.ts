import type { StreamDefinition } from '../../config/stream-definition.js';
import { AppError } from '../../core/errors.js';
import type { Sink } from '../../core/sink.js';
import type { CocoCategory, CocoResult } from '../../evaluation/coco-dataset.js';
import { categoryIdsOfLabels, toCocoResults } from '../../evaluation/coco-results.js';
import { createLog } from '../log.js';
import { openStore } from '../models.js';
import { Pipeline } from '../pipeline.js';
import { progressBar } from '../terminal.js';

/** COCO counts no more detections of a picture. */
const COCO_MAX_DETECTIONS = 100;

export interface Collecting {
  /** Folder of the dataset. */
  readonly path: string;
  readonly pictures: number;
  readonly categories: readonly CocoCategory[];
  readonly model: string;
  readonly confidence: number;
  readonly iou?: number | undefined;
  readonly bestClass?: boolean | undefined;
}

export interface Collected {
  readonly results: readonly CocoResult[];
  /** Ids of the categories that the model has a label for. */
  readonly knownCategories: ReadonlySet<number>;
  /** Pictures that could not be read. */
  readonly failed: number;
}

/** Runs a model over a dataset. @throws AppError of the model, the dataset; ERR_DATASET_INVALID where no label is a category. */
export async function collectResults({ path, pictures, categories, model, confidence, iou, bestClass = false }: Collecting): Promise<Collected> {
  const collector = new Collector(categories);
  const detect = { model, mode: 'throughput', confidenceThreshold: confidence, maxDetections: COCO_MAX_DETECTIONS, multiLabel: !bestClass, ...(iou === undefined ? {} : { iouThreshold: iou }) };
  const definition: StreamDefinition = { name: 'eval', source: { kind: 'dataset', path }, stages: [{ id: 'detect', kind: 'detector.yolo', options: detect }] };
  const pipeline = await Pipeline.prepare([definition], { store: openStore(), log: createLog(), sinksFor: () => [collector] });
  const progress = progressBar(`eval ${model}`, pictures);
  collector.onFrame = (seen) => progress.update(seen);
  try {
    await pipeline.start();
    collector.labels = pipeline.streams[0]!.labels;
    await pipeline.streams[0]!.done;
  } finally {
    progress.stop();
    await pipeline.close();
  }
  if (collector.knownCategories.size === 0) throw new AppError('ERR_DATASET_INVALID', `No label of ${model} is a category of the dataset`, { fix: `Its categories: ${categories.map(({ name }) => name).join(', ')}.` });
  const failed = pipeline.streams[0]!.stats().dropped.reduce((sum, { count }) => sum + count, 0);
  return { results: collector.results, knownCategories: collector.knownCategories, failed };
}

/** Keeps the detections of every picture, in the format of COCO's results. */
class Collector implements Sink {
  readonly kind = 'collector';
  readonly results: CocoResult[] = [];
  onFrame: (seen: number) => void = () => undefined;
  readonly #categories: readonly CocoCategory[];
  #categoryIds: readonly (number | undefined)[] = [];
  #seen = 0;

  constructor(categories: readonly CocoCategory[]) {
    this.#categories = categories;
  }

  set labels(labels: readonly string[]) {
    this.#categoryIds = categoryIdsOfLabels(labels, this.#categories);
  }

  get knownCategories(): ReadonlySet<number> {
    return new Set(this.#categoryIds.filter((id) => id !== undefined));
  }

  deliver({ result: { frame, detections }, labels }: Parameters<Sink['deliver']>[0]): void {
    if (this.#categoryIds.length === 0) this.labels = labels;
    this.#seen += 1;
    this.onFrame(this.#seen);
    if (frame.image && detections) this.results.push(...toCocoResults(frame.image.id, detections, this.#categoryIds));
  }

  close(): void {
    // Nothing is open.
  }
}
