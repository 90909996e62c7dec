import { writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { AppError } from '../../core/errors.js';
import type { Sink } from '../../core/sink.js';
import type { StreamDefinition } from '../../config/stream-definition.js';
import type { CocoResult } from '../../evaluation/coco-dataset.js';
import { categoryIdsOfLabels, toCocoResults } from '../../evaluation/coco-results.js';
import { evaluate, type EvaluationReport } from '../../evaluation/evaluate.js';
import { readDataset } from '../../sources/dataset/read-dataset.js';
import { parseFraction, parseInteger, parsePositive, parseSeconds } from '../arguments.js';
import { toCocoDataset } from '../ground-truth.js';
import { DEFAULT_MODEL } from '../definitions.js';
import { createLog } from '../log.js';
import { DEFAULT_OCCUPANCY_MODEL, openStore } from '../models.js';
import { Pipeline } from '../pipeline.js';
import { addPlacementOptions } from '../placement-options.js';
import type { RobustnessOptions } from '../robustness/eval-robustness.js';
import { parseLevel, parseRig } from '../stereo/stereo-options.js';
import type { StereoEvalOptions } from '../stereo/stereo-options.js';
import type { TrackingEvalOptions } from '../tracking/eval-tracking.js';
import { print, progressBar, textTable } from '../terminal.js';

/** Low, so that the whole precision-recall curve is there: a higher one cuts its tail off. */
const EVALUATION_CONFIDENCE = 0.001;
/** COCO counts no more detections of a picture. */
const COCO_MAX_DETECTIONS = 100;

export function addEval(program: Command): void {
  const command = program
    .command('eval')
    .description('Score a model on a dataset as COCO does: mAP50, mAP50-95, by class and by size, with confidence intervals. With --attack or --guard: how it stands adversarial patches. With --format mot: how well it and the tracker follow people. With --format stereo: how well an occupancy network finds occupied space.')
    .argument('<dataset>', 'folder: COCO, MOTChallenge or KITTI tracking; with --attack, --guard or --format mot also a video with gt.txt beside it; with --format stereo pairs as KITTI or Middlebury has them')
    .addOption(new Option('--format <what>', 'coco scores boxes, mot scores tracks, stereo scores occupied cells').choices(['coco', 'mot', 'stereo']).default('coco'))
    .option('--model <id>', 'model id or path', DEFAULT_MODEL)
    .option('--confidence <0..1>', 'confidence threshold', parseFraction, EVALUATION_CONFIDENCE)
    .option('--iou <0..1>', "threshold of non-maximum suppression (the model's own)", parseFraction)
    .option('--best-class', 'one class a box, the best; otherwise every class over the threshold counts, as usual for COCO')
    .option('--results <file>', 'coco: write the detections there, in the format of COCO results (without --attack and --guard); mot: score the tracks in it, in the format of MOTChallenge')
    .option('--json', 'print JSON')
    .optionsGroup('Tracks (--format mot):')
    .option('--drop <0..1>', 'also: what is left when so many frames are dropped at random (--seed)', parseFraction)
    .option('--low-share <0..1>', 'of the threshold: down to here boxes continue a track (0.4)', parseFraction)
    .option('--sure-share <0..1>', 'of what the model says of objects that it sees well: boxes over it are associated first (0.5)', parseFraction)
    .option('--begin-share <0..1>', 'of the same: boxes over it begin tracks (0.7)', parseFraction)
    .option('--confirm <time>', 'a track that is seen over so long is confirmed (0.2s)', parseSeconds)
    .option('--keep <time>', "a track that isn't seen is kept for so long (3s)", parseSeconds)
    .option('--coast <time>', 'so long after a track was seen, its box is delivered where it is expected (0s)', parseSeconds)
    .option('--min-iou <0..1>', 'least overlap of a box with where its track is expected (0.2)', parseFraction)
    .option('--write-tracks <file>', 'write the tracks in the format of MOTChallenge')
    .optionsGroup('Stereo pairs (--format stereo):')
    .option('--limit <n>', 'pairs at most', parseInteger)
    .option('--level <cells>', 'finest level that is asked for: 8, 16, 32 or 64 cells a side', parseLevel, 64)
    .option('--threads <n>', 'threads within one inference', parseInteger, 2)
    .option('--all-cells', 'compute every cell of the finer levels, also where the coarse part found nothing')
    .option('--disparity <folder>', 'score the disparities of another method instead: PNG of 16 bits (256ths of a pixel) or PFM, named as the pairs')
    .option('--rig <focal,baseline>', 'what to assume where there is no calibration: pixels, metres, and after another comma how many columns the right axis lies further right', parseRig)
    .option('--range <metres>', "edge of the cube (the set's own, else 32)", parsePositive)
    .option('--bottom <metres>', 'lower face of the cube below the camera (a 32nd of the range)', Number)
    .option('--disparity-scale <n>', 'values a pixel of true disparities of 8 bits (by layout and size)', parsePositive)
    .optionsGroup('Under attack:')
    .option('--attack <patch>', 'the picture of a patch, or a folder of them: attack the dataset and measure')
    .addOption(new Option('--guard <what>', 'the guard (the default with --attack), no defence, or local gradient smoothing as a baseline').choices(['on', 'off', 'lgs']))
    .option('--no-time', 'each frame of a recording by itself, as unrelated pictures are measured anyhow')
    .option('--pareto', 'compare all defences, by robustness and time')
    .option('--threshold <0..1>', "from which score on a user acts on a box (the model's own)", parseFraction)
    .option('--profile <file>', "a clean profile (guard.json) that counts instead of the model's own")
    .option('--gt <file>', 'ground truth of a video as MOTChallenge writes it (gt.txt beside it)')
    .option('--report <folder>', 'write a page with plots and pictures');
  addPlacementOptions(command).action(evaluateWhatIsAsked);
}

type EvalOptions = RobustnessOptions & TrackingEvalOptions & Omit<StereoEvalOptions, 'model'> & { readonly format: 'coco' | 'mot' | 'stereo' };

async function evaluateWhatIsAsked(data: string, options: EvalOptions, command: Command): Promise<void> {
  if (options.format !== 'coco' && (options.attack !== undefined || options.guard !== undefined || options.pareto)) {
    throw new AppError('ERR_USAGE', `Expected --format ${options.format} without --attack, --guard and --pareto`);
  }
  if (options.format === 'stereo') {
    const { evaluateStereo } = await import('../stereo/eval-stereo.js');
    return evaluateStereo(data, command.getOptionValueSource('model') === 'default' ? { ...options, model: DEFAULT_OCCUPANCY_MODEL } : options);
  }
  if (options.format === 'mot') {
    const { evaluateTracking } = await import('../tracking/eval-tracking.js');
    return evaluateTracking(data, options);
  }
  if (options.attack === undefined && options.guard === undefined && !options.pareto) return evaluateModel(data, options);
  const { evaluateRobustness } = await import('../robustness/eval-robustness.js');
  return evaluateRobustness(data, options);
}

async function evaluateModel(folder: string, options: RobustnessOptions): Promise<void> {
  const dataset = await readDataset(resolve(folder));
  const truth = toCocoDataset(dataset);
  if (truth.annotations.length === 0) throw new AppError('ERR_DATASET_INVALID', `${folder} has pictures but no boxes to score against`, { fix: 'Give a folder with instances.json, gt/gt.txt or label files.' });
  const collector = new Collector(truth.categories);
  const definition: StreamDefinition = {
    name: 'eval',
    source: { kind: 'dataset', path: resolve(folder) },
    stages: [
      {
        id: 'detect',
        kind: 'detector.yolo',
        options: {
          model: options.model,
          mode: 'throughput',
          confidenceThreshold: options.confidence,
          maxDetections: COCO_MAX_DETECTIONS,
          multiLabel: !options.bestClass,
          ...(options.iou === undefined ? {} : { iouThreshold: options.iou }),
        },
      },
    ],
  };
  const pipeline = await Pipeline.prepare([definition], { store: openStore(), log: createLog(), sinksFor: () => [collector] });
  const progress = progressBar(`eval ${options.model}`, dataset.images.length);
  collector.onFrame = (seen) => progress.update(seen);
  try {
    await pipeline.start();
    collector.labels = pipeline.streams[0]!.labels;
    await pipeline.streams[0]!.done;
  } finally {
    progress.stop();
    await pipeline.close();
  }
  if (collector.matchedLabels === 0) throw new AppError('ERR_DATASET_INVALID', `No label of ${options.model} is a category of the dataset`, { fix: `Its categories: ${truth.categories.map(({ name }) => name).join(', ')}.` });
  const report = evaluate(collector.results, truth);
  if (options.results) await writeFile(options.results, JSON.stringify(collector.results));
  const stats = pipeline.streams[0]!.stats();
  const failed = stats.dropped.reduce((sum, { count }) => sum + count, 0);
  if (options.json) print(JSON.stringify({ dataset: basename(resolve(folder)), model: options.model, confidence: options.confidence, failed_images: failed, ...snakeCase(report) }, null, 2));
  else print(forPeople(report, `${options.model} on ${basename(resolve(folder))}`, failed));
}

/** Keeps the detections of every picture, in the format of COCO's results. */
class Collector implements Sink {
  readonly kind = 'collector';
  readonly results: CocoResult[] = [];
  onFrame: (seen: number) => void = () => undefined;
  readonly #categories: Parameters<typeof categoryIdsOfLabels>[1];
  #categoryIds: readonly (number | undefined)[] = [];
  #seen = 0;

  constructor(categories: Parameters<typeof categoryIdsOfLabels>[1]) {
    this.#categories = categories;
  }

  set labels(labels: readonly string[]) {
    this.#categoryIds = categoryIdsOfLabels(labels, this.#categories);
  }

  get matchedLabels(): number {
    return this.#categoryIds.filter((id) => id !== undefined).length;
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

function forPeople(report: EvaluationReport, title: string, failed: number): string {
  const percent = (value: number | null) => (value === null ? '-' : (value * 100).toFixed(1));
  const { intervals, bySize, recall } = report;
  const between = (pair: { low: number; high: number } | null | undefined) => (pair ? `${percent(pair.low)} to ${percent(pair.high)}` : '');
  const summary = textTable(
    ['', '%', '95 % interval'],
    [
      ['mAP50', percent(report.map50), between(intervals?.map50)],
      ['mAP50-95', percent(report.map5095), between(intervals?.map5095)],
      ['mAP75', percent(report.map75), ''],
      ['small', percent(bySize.small), ''],
      ['medium', percent(bySize.medium), ''],
      ['large', percent(bySize.large), ''],
      ['recall, 100 a picture', percent(recall.max100), ''],
    ],
  );
  const classes = report.perClass.filter(({ objects }) => objects > 0).sort((a, b) => b.objects - a.objects);
  const byClass = textTable(['class', 'objects', 'AP50', 'AP50-95'], classes.map(({ label, objects, ap50, ap5095 }) => [label, String(objects), percent(ap50), percent(ap5095)]));
  const images = `${report.images} pictures, ${report.objects} objects, ${report.detections} detections${failed ? `, ${failed} pictures could not be read` : ''}`;
  return `${title}: ${images}\n\n${summary}\n\n${byClass}`;
}

/** Keys of JSON output are snake_case throughout. */
function snakeCase(value: unknown): Record<string, unknown> {
  const convert = (inner: unknown): unknown => {
    if (Array.isArray(inner)) return inner.map(convert);
    if (inner === null || typeof inner !== 'object') return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, item]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), convert(item)]));
  };
  return convert(value) as Record<string, unknown>;
}
