import { readFile, realpath } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { contactSheet, firstPictures, fractalPictures, noisePictures } from '../../../compression/calibration/index.js';
import { compareCalibrations, type CalibrationComparison } from '../../../compression/pruning/compare-calibrations.js';
import { FILTER_CRITERIA, type FilterCriterion } from '../../../compression/pruning/filter-saliency.js';
import { pruneFigures, type ChangeFigures, type PruneFigures } from '../../../compression/pruning/prune-figures.js';
import { pruneModel } from '../../../compression/pruning/prune-model.js';
import { pruneReport } from '../../../compression/pruning/prune-report.js';
import { SPARSIFY_STEPS, type SparsifyStep } from '../../../compression/pruning/sparsify.js';
import type { CandidateModel } from '../../../compression/score-model.js';
import { AppError } from '../../../core/errors.js';
import type { PictureSet } from '../../../core/picture-set.js';
import { parseFraction, parseInteger } from '../../arguments.js';
import { machine } from '../../bench/machine.js';
import { openStore } from '../../models.js';
import { anyPictures, searchAndVerify, type LabelledPictures } from '../../picture-sets.js';
import { bold, green, PhaseBars, print, say, textTable } from '../../terminal.js';
import { derivedId, sayElastic } from './derived-model.js';

const COMPARED_SPARSITY = 0.5;
/** What a search under --max-loss tries at most where nothing else was said. */
const LARGEST_SPARSITY = 0.9;

interface PruneCommandOptions {
  sparsity?: number;
  filters?: number;
  calibrate: string;
  calibrationPictures: number;
  data?: string;
  verify?: string;
  maxLoss?: number;
  steps: SparsifyStep;
  criterion: FilterCriterion;
  multipleOf: number;
  latencyPairs: number;
  compareCalibrations?: boolean;
  seed: number;
  outId?: string;
  dryRun?: boolean;
  json?: boolean;
}

export function addPrune(models: Command): void {
  models
    .command('prune')
    .description('Make a detector smaller without labels: zero weights (smaller files), remove channels (less work), and let what stays make up for it.')
    .argument('<id>', 'model: id or path')
    .option('--sparsity <0..1>', 'share of weights to set to zero', parseFraction)
    .option('--filters <0..1>', 'share of multiply-accumulates to remove with whole channels', parseFraction)
    .option('--calibrate <what>', 'pictures without labels: a dataset, a video, or generated ones: fractal, noise', 'fractal')
    .option('--calibration-pictures <n>', 'how many of them', parseInteger, 64)
    .option('--data <dataset>', 'labelled pictures: every other one to choose by, the rest to judge by')
    .option('--verify <dataset>', 'judge by these, choose by all of --data')
    .option('--max-loss <points>', 'find the most that costs no more mAP50 on the pictures to choose by; --sparsity or --filters is the limit then', parsePoints)
    .addOption(new Option('--steps <up-to>', 'how far kept weights make up for zeroed ones').choices(SPARSIFY_STEPS).default('reconstruct'))
    .addOption(new Option('--criterion <name>', 'what makes a channel worth keeping').choices(FILTER_CRITERIA).default('reconstruction'))
    .option('--multiple-of <n>', 'keep channels in multiples of it', parseInteger, 4)
    .option('--latency-pairs <n>', 'runs that latency is measured by, side by side, where channels are removed', parseInteger, 60)
    .option('--compare-calibrations', 'write no model: compare recorded pictures, fractals and noise at each step (needs --data)')
    .option('--seed <n>', 'of generated pictures and of sampling', parseInteger, 1)
    .option('--out-id <id>', 'name of the new model (<id>-pruned)')
    .option('--dry-run', 'write no model')
    .option('--json', 'print everything as JSON')
    .action(async (id: string, options: PruneCommandOptions) => (options.compareCalibrations ? compare(id, options) : prune(id, options)));
}

async function prune(id: string, options: PruneCommandOptions): Promise<void> {
  const store = openStore();
  const installed = await store.resolve(id);
  const { manifest } = installed;
  const outId = options.outId ?? derivedId(manifest, 'pruned');
  if (!options.dryRun) await store.assertFree(outId);
  sayElastic(manifest);
  const model: CandidateModel = { manifest, onnx: new Uint8Array(await readFile(installed.modelPath)) };
  const data = options.data === undefined ? undefined : await searchAndVerify(options.data, options.verify);
  const calibration = await calibrationSet(options, data?.search);
  const progress = new PhaseBars();
  const { filters, maxLoss: maxLossPoints, steps: upTo, criterion, multipleOf, latencyPairs, seed } = options;
  const sparsity = options.sparsity ?? (filters === undefined && maxLossPoints !== undefined ? LARGEST_SPARSITY : undefined);
  const result = await pruneModel({ model, sparsity, filters, calibration, upTo, criterion, multipleOf, data, maxLossPoints, latencyPairs, seed, onProgress: progress.update });
  progress.stop();
  const figures = pruneFigures(result);
  const sources = { calibration: calibration.description, search: maxLossPoints === undefined ? null : (data?.search.description ?? null), verify: data?.verify.description ?? null };
  if (!options.dryRun) {
    const settings = { ...(sparsity !== undefined && { sparsity, steps: upTo }), ...(filters !== undefined && { filters, criterion, multipleOf }), ...(maxLossPoints !== undefined && { maxLossPoints }), seed };
    const command = commandLine('prune');
    const report = pruneReport({ title: manifest.title, result, figures, sheet: await contactSheet(calibration), data: sources, settings, command, machine: machine() });
    const operation = { kind: 'prune', options: settings, data: sources, figures: { ...figures } };
    await store.derive(manifest, { id: outId, title: `${manifest.title}, ${summaryOf(figures)}`, onnx: result.onnx, operation, files: { 'report.html': report } });
  }
  const written = options.dryRun ? null : outId;
  if (options.json) print(JSON.stringify({ id: manifest.id, out_id: written, data: sources, machine: machine(), ...figures }, null, 2));
  else printFigures(figures);
  if (written !== null && !options.json) say(`${green('added')} ${bold(written)}; its folder has report.html`);
}

async function compare(id: string, options: PruneCommandOptions): Promise<void> {
  if (options.data === undefined) throw new AppError('ERR_USAGE', '--compare-calibrations judges by labelled pictures', { fix: 'Give --data with a dataset.' });
  const { manifest, modelPath } = await openStore().resolve(id);
  const { search, verify } = await searchAndVerify(options.data, options.verify);
  const { calibrationPictures: count, seed, sparsity = COMPARED_SPARSITY } = options;
  const recorded = isGenerated(options.calibrate) ? search : await calibrationSet(options, search);
  const calibrations = { recorded: firstPictures(recorded, count), fractal: fractalPictures({ count, seed }), noise: noisePictures({ count, seed }) };
  const progress = new PhaseBars();
  const model = { manifest, onnx: new Uint8Array(await readFile(modelPath)) };
  const comparison = await compareCalibrations({ model, sparsity, calibrations, verify, seed, onProgress: progress.update });
  progress.stop();
  const data = { recorded: recorded.description, verify: verify.description, pictures: count };
  if (options.json) print(JSON.stringify({ id: manifest.id, sparsity, data, machine: machine(), ...comparison }, null, 2));
  else printComparison(comparison);
}

/** @param search stands in for the dataset that it is a half of: pictures that judge may not calibrate. */
async function calibrationSet({ calibrate, calibrationPictures: count, seed, data }: PruneCommandOptions, search: LabelledPictures | undefined): Promise<PictureSet> {
  if (calibrate === 'fractal') return fractalPictures({ count, seed });
  if (calibrate === 'noise') return noisePictures({ count, seed });
  const isData = search !== undefined && data !== undefined && (await realpath(calibrate).catch(() => calibrate)) === (await realpath(data));
  return isData ? firstPictures(search, count) : anyPictures(calibrate, count);
}

function isGenerated(calibrate: string): boolean {
  return calibrate === 'fractal' || calibrate === 'noise';
}

function commandLine(name: string): string {
  return `lynceus models ${name} ${process.argv.slice(process.argv.indexOf(name) + 1).join(' ')}`;
}

function summaryOf({ sparsity, filters }: PruneFigures): string {
  return [...(filters ? [`${percent(filters.macs_reduction)} fewer MACs`] : []), ...(sparsity === null ? [] : [`${percent(sparsity)} zeros`])].join(', ');
}

function printFigures(figures: PruneFigures): void {
  const { bytes, filters, layer_error: error, latency, trials } = figures;
  const rows = (['file', 'gzip', 'brotli'] as const).map((kind) => [`${kind}, KiB`, (bytes.before[kind] / 1024).toFixed(0), (bytes.after[kind] / 1024).toFixed(0), percent(bytes.after[kind] / bytes.before[kind] - 1)]);
  if (filters) rows.push(['MACs, M', (filters.macs_before / 1e6).toFixed(1), (filters.macs_after / 1e6).toFixed(1), percent(-filters.macs_reduction)], ['channels', String(filters.channels_before), String(filters.channels_after), percent(filters.channels_after / filters.channels_before - 1)]);
  if (error) rows.push(['layer error, % of variance', (error.before * 100).toFixed(3), (error.after * 100).toFixed(3), percent(-error.reduction)]);
  for (const { threads, median_ms_before: before, median_ms_after: after, speedup } of latency) rows.push([`ms, ${threads} thread${threads === 1 ? '' : 's'}`, before.toFixed(2), after.toFixed(2), `${speedup.toFixed(3)} x`]);
  if (figures.sparsity !== null) print(`${percent(figures.sparsity)} of the convolutions' weights are zero.`);
  print(textTable(['', 'before', 'after', 'change'], rows));
  if (trials.length > 0) print(`\n${textTable(['tried', 'points lost (chosen by)'], trials.map(({ value, loss_points: loss }) => [percent(value), loss.toFixed(2)]))}`);
  const changes = [['mAP50', figures.map50_verify] as const, ['mAP50-95', figures.map_verify] as const].flatMap(([name, change]) => (change ? [[name, points(change.before), points(change.after), points(change.difference), interval(change)]] : []));
  if (changes.length > 0) print(`\n${textTable(['judged on other pictures', 'before', 'after', 'change', '95 %'], changes)}`);
  for (const { node, why, channels } of figures.kept_by) say(`${channels} channels stay because of ${node}: ${why}`);
}

function printComparison({ steps, pairs }: CalibrationComparison): void {
  const rows = steps.map(({ calibration, step, sparsity, layer_error: error, map50_verify: map50 }) => [calibration, step, percent(sparsity), (error * 100).toFixed(3), ...(map50 ? [points(map50.after), points(map50.difference), interval(map50)] : ['-', '-', '-'])]);
  print(textTable(['calibrated with', 'up to', 'zeros', 'layer error, %', 'mAP50', 'change', '95 %'], rows));
  print('');
  print(textTable(['after the last step', 'mAP50', 'instead of', 'change', '95 %'], pairs.flatMap(({ from, to, map50 }) => (map50 ? [[`${to} instead of ${from}`, points(map50.after), points(map50.before), points(map50.difference), interval(map50)]] : []))));
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function points(share: number): string {
  return (share * 100).toFixed(2);
}

function interval({ ci95: [low, high] }: ChangeFigures): string {
  return `${points(low)} to ${points(high)}`;
}

function parsePoints(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 100)) throw new InvalidArgumentError('Expected points of mAP50 such as 1.0.');
  return value;
}
