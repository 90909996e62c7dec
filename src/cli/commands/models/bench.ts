import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { detectPictures } from '../../../compression/score-model.js';
import { AppError } from '../../../core/errors.js';
import type { ModelManifest } from '../../../core/manifest.js';
import type { Size } from '../../../core/size.js';
import { evaluate } from '../../../evaluation/evaluate.js';
import { writeFileAtomic } from '../../../model-store/files.js';
import type { ModelStore } from '../../../model-store/store.js';
import { type Accuracy, type BenchResults, benchFolder, emptyResults, isSameVariant, machineKey, readResults, resultsPath, withoutRemoved, writeResults } from '../../../picker/bench-results.js';
import { latencyRanks, mebibytes, millions, milliseconds, renderBenchReport, tauText } from '../../../picker/bench-report.js';
import { type Candidate, candidatesOf, isMeasuredApart } from '../../../picker/candidates.js';
import { type BenchProgress, runBench } from '../../../picker/run-bench.js';
import { type BenchModel, DEFAULT_SCALES, planVariants, type Refusal, sizesAround, type Variant } from '../../../picker/variants.js';
import { parseInteger, parseSize } from '../../arguments.js';
import { machine } from '../../bench/machine.js';
import { sessionRss } from '../../bench/session-memory.js';
import { openStore } from '../../models.js';
import { type LabelledPictures, labelledPictures } from '../../picture-sets.js';
import { Shutdown } from '../../shutdown.js';
import { bold, dim, print, progressBar, say, textTable } from '../../terminal.js';

interface BenchCommandOptions {
  data?: string;
  pictures: 'all' | 'even' | 'odd';
  sizes?: readonly Size[] | 'own';
  threads: readonly number[];
  runs?: number;
  quick?: boolean;
  fresh?: boolean;
  report?: string;
  json?: boolean;
}

/** Enough for p99. */
const RUNS = 670;
const QUICK_RUNS = 40;
const QUICK_SCALES = [0.75, 1];

export function addBenchModels(models: Command): void {
  models
    .command('bench')
    .description('Measure models on this machine: latency, accuracy and memory at several input sizes and thread counts.')
    .argument('[ids...]', 'models; all that are installed unless named')
    .option('--data <dataset>', 'folder of pictures with boxes; without it no accuracy is measured')
    .addOption(new Option('--pictures <which>', 'which of them, by their place').choices(['all', 'even', 'odd']).default('all'))
    .option('--sizes <list>', 'input sizes such as 320,416x256, or own; half to five quarters of each model\'s own unless named', parseSizes)
    .option('--threads <list>', 'threads within one inference', parseThreads, defaultThreads())
    .option('--runs <n>', `inferences of each configuration (${RUNS}: enough for p99)`, parseInteger)
    .option('--quick', `two sizes and ${QUICK_RUNS} inferences: medians only`)
    .option('--fresh', 'forget what was measured of these models before')
    .option('--report <file>', 'where to write the HTML report; beside the measurements unless named')
    .option('--json', 'print JSON')
    .action(bench);
}

function defaultThreads(): readonly number[] {
  return [1, 2].filter((threads) => threads <= availableParallelism());
}

function parseSizes(text: string): readonly Size[] | 'own' {
  return text === 'own' ? 'own' : text.split(',').map(parseSize);
}

function parseThreads(text: string): readonly number[] {
  const threads = text.split(',').map(parseInteger);
  if (threads.some((count) => count < 1)) throw new InvalidArgumentError('Expected thread counts such as 1,2.');
  return threads;
}

async function bench(ids: readonly string[], options: BenchCommandOptions): Promise<void> {
  const store = openStore();
  const { models, skipped } = await readModels(store, ids);
  const pictures = options.data === undefined ? undefined : await labelledPictures(options.data, keepOf(options.pictures));
  const { variants, refusals } = planVariants(models, (manifest) => sizesFor(manifest, options));
  if (variants.length === 0) throw new AppError('ERR_USAGE', `There is nothing to measure: ${refusals[0]?.why ?? 'no model is installed'}`, { fix: 'lynceus models list shows what is there.' });
  const here = machine();
  const path = resultsPath(benchFolder(), here);
  const known = await knownResults(path, here, store, options.fresh === true ? variants : []);
  for (const note of skipped) say(dim(note));
  const outcome = await measure(known, variants, pictures, path, options);
  const all = [...refusals, ...outcome.refusals];
  const report = resolve(options.report ?? join(dirname(path), `${machineKey(here)}.html`));
  const data = pictures && dataName(pictures, options);
  // The page beside the measurements is of all that is known; one that was asked for is of what was asked for.
  const shown = options.report === undefined ? outcome.results : { ...outcome.results, variants: outcome.results.variants.filter((one) => variants.some(({ facts }) => isSameVariant(facts, one))) };
  await writeFileAtomic(report, renderBenchReport(shown, { command: commandOf(ids, options), refusals: all, data }));
  show(outcome.results, variants, all, { path, report, json: options.json === true, data });
}

function commandOf(ids: readonly string[], { data, pictures, sizes, threads, runs, quick }: BenchCommandOptions): string {
  const given: readonly (readonly [name: string, value: string | undefined])[] = [
    ['--data', data],
    ['--pictures', pictures === 'all' ? undefined : pictures],
    ['--sizes', sizes === undefined || sizes === 'own' ? sizes : sizes.map(({ width, height }) => `${width}x${height}`).join(',')],
    ['--threads', threads.join(',')],
    ['--runs', runs === undefined ? undefined : String(runs)],
  ];
  const parts = given.flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
  return ['lynceus models bench', ...ids, ...parts, ...(quick === true ? ['--quick'] : [])].join(' ');
}

async function readModels(store: ModelStore, ids: readonly string[]): Promise<{ models: BenchModel[]; skipped: string[] }> {
  const listed = await store.list();
  const here = listed.filter(({ status, occupancy }) => (status === 'added' || status === 'included') && !occupancy).map(({ id }) => id);
  const broken = ids.length > 0 ? [] : listed.filter(({ status }) => status === 'broken').map(({ id, problem }) => `${id} can't be read: ${problem ?? ''}`);
  const models: BenchModel[] = [];
  for (const id of ids.length > 0 ? ids : here) {
    const { manifest, modelPath } = await store.resolve(id);
    // What `pick` made of a model is measured as that model at another size.
    const isCovered = ids.length === 0 && manifest.lineage.operations.at(-1)?.kind === 'resize-input' && here.includes(manifest.lineage.parent ?? '');
    if (!isCovered) models.push({ manifest, onnx: await readFile(modelPath) });
  }
  return { models, skipped: broken };
}

function keepOf(which: BenchCommandOptions['pictures']): ((index: number) => boolean) | undefined {
  return which === 'all' ? undefined : (index) => (index % 2 === 0) === (which === 'even');
}

function sizesFor({ input }: ModelManifest, { sizes, quick }: BenchCommandOptions): readonly Size[] {
  const own = { width: input.width, height: input.height };
  if (sizes === 'own') return [own];
  return sizes ?? sizesAround(own, quick === true ? QUICK_SCALES : DEFAULT_SCALES);
}

/** What was measured before, of models that are still there. @param forgotten variants to measure anew */
async function knownResults(path: string, here: BenchResults['machine'], store: ModelStore, forgotten: readonly Variant[]): Promise<BenchResults> {
  const known = withoutRemoved((await readResults(path)) ?? emptyResults(here), await store.list());
  const variants = known.variants.filter((one) => !forgotten.some(({ facts }) => isSameVariant(facts, one)));
  return { ...known, machine: { ...here, measured: new Date().toISOString().slice(0, 10) }, variants };
}

function dataName(pictures: LabelledPictures, { pictures: which }: BenchCommandOptions): string {
  return which === 'all' ? pictures.description : `${pictures.description}, at ${which} places`;
}

async function measure(known: BenchResults, variants: readonly Variant[], pictures: LabelledPictures | undefined, path: string, options: BenchCommandOptions): Promise<Awaited<ReturnType<typeof runBench>>> {
  const shutdown = new Shutdown();
  const state = { isCancelled: false };
  void shutdown.requested.then(() => (state.isCancelled = true));
  const progress = new BenchBar();
  try {
    return await runBench(
      known,
      variants,
      { threads: options.threads, runs: options.runs ?? (options.quick === true ? QUICK_RUNS : RUNS), pictures: pictures?.count ?? 0, startedAt: new Date().toISOString() },
      {
        accuracy: pictures && { data: dataName(pictures, options), measure: (variant) => measureAccuracy(variant, pictures, dataName(pictures, options)) },
        sessionRss,
        save: (results) => writeResults(path, results),
        onProgress: (done) => progress.show(done),
        isCancelled: () => state.isCancelled,
      },
    );
  } finally {
    progress.stop();
    shutdown.dispose();
    if (state.isCancelled) say('Interrupted: the same command goes on from here.');
    process.exitCode = shutdown.exitStatus;
  }
}

async function measureAccuracy({ manifest, onnx }: Variant, pictures: LabelledPictures, data: string): Promise<Accuracy> {
  const results = await detectPictures({ manifest, onnx }, pictures, pictures.truth.categories, { threads: availableParallelism() });
  const known = new Set(pictures.truth.categories.map(({ name }) => name.toLowerCase()));
  const isOfOtherClasses = results.length === 0 && !manifest.labels.some((label) => known.has(label.toLowerCase()));
  if (isOfOtherClasses) return { data, pictures: pictures.count, map50: null, map5095: null, map50Interval: null, map5095Interval: null };
  const { map50, map5095, intervals } = evaluate(results, pictures.truth);
  return { data, pictures: pictures.count, map50, map5095, map50Interval: intervals?.map50 ?? null, map5095Interval: intervals?.map5095 ?? null };
}

/** A bar with the time that is left. */
class BenchBar {
  #bar: ReturnType<typeof progressBar> | undefined;
  readonly #startMs = performance.now();

  show({ what, done, total }: BenchProgress): void {
    this.#bar ??= progressBar('bench', total);
    const elapsedMs = performance.now() - this.#startMs;
    const left = done > 0 ? `${Math.ceil((elapsedMs / done) * (total - done) * 1e-3)} s left, ` : '';
    this.#bar.update(done, `${left}${what}`);
  }

  stop(): void {
    this.#bar?.stop();
  }
}

interface ShowOptions {
  readonly path: string;
  readonly report: string;
  readonly json: boolean;
  readonly data: string | undefined;
}

function show(results: BenchResults, variants: readonly Variant[], refusals: readonly Refusal[], { path, report, json, data }: ShowOptions): void {
  const asked = candidatesOf(results, data).filter(({ variant }) => variants.some(({ facts }) => isSameVariant(facts, variant)));
  const ranks = latencyRanks(asked);
  if (json) {
    print(JSON.stringify({ machine: results.machine, data: data ?? null, candidates: asked.map(candidateJson), ranks, refusals, results: path, report }, null, 2));
    return;
  }
  print(textTable(HEADER, asked.map(tableRow)));
  for (const { threads, macs, parameters } of ranks) {
    print(`Kendall's tau with the median latency, ${threads} thread${threads > 1 ? 's' : ''}, ${macs.n} variants: MACs ${tauText(macs)}, parameters ${tauText(parameters)}`);
  }
  for (const { model, size, why } of refusals) say(dim(`not measured: ${model} at ${size.width}x${size.height}: ${why}`));
  if (isMeasuredApart(asked)) say(dim('Not all of these were measured in the same run: --fresh takes them in turns.'));
  say(`report: ${bold(report)}`);
}

/** What `--json` prints of one configuration. */
export function candidateJson({ variant, threads, latency, accuracy, isOnFront, measuredAt }: Candidate): Record<string, unknown> {
  const { latencies: _latencies, accuracies: _accuracies, ...facts } = variant;
  return { ...facts, threads, latency, accuracy: accuracy ?? null, isOnFront, measuredAt };
}

const HEADER = ['model', 'size', 'precision', 'threads', 'median', 'p95', 'p99', 'n', 'mAP50', 'interval', 'mAP50-95', 'MACs', 'params', 'activations', 'file', 'session', 'front'];

function tableRow({ variant, threads, latency, accuracy, isOnFront }: Candidate): string[] {
  const percent = (value: number | null | undefined): string => (value === null || value === undefined ? '-' : (value * 100).toFixed(1));
  return [
    variant.model,
    `${variant.width}x${variant.height}${variant.isOwnSize ? '' : '*'}`,
    variant.precision,
    String(threads),
    milliseconds(latency.p50Ms),
    milliseconds(latency.p95Ms),
    milliseconds(latency.p99Ms),
    String(latency.n),
    percent(accuracy?.map50),
    accuracy?.map50Interval ? `${percent(accuracy.map50Interval.low)}..${percent(accuracy.map50Interval.high)}` : '-',
    percent(accuracy?.map5095),
    millions(variant.macs),
    millions(variant.parameters, 2),
    mebibytes(variant.peakActivationBytes),
    mebibytes(variant.fileBytes),
    mebibytes(variant.sessionRssBytes),
    accuracy ? (isOnFront ? 'yes' : 'dominated') : 'not scored',
  ];
}
