import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { fractalPictures } from '../../../compression/calibration/index.js';
import { RANGE_METHODS, type RangeMethod } from '../../../compression/quantization/choose-range.js';
import { quantizationFigures, type QuantizationFigures } from '../../../compression/quantization/figures.js';
import { holdPictures } from '../../../compression/quantization/held-pictures.js';
import { quantizationReport } from '../../../compression/quantization/quantization-report.js';
import { quantizeModel, type LabelledHalf, type QuantizeOptions } from '../../../compression/quantization/quantize-model.js';
import { frameFormatOf } from '../../../compression/score-model.js';
import { AppError } from '../../../core/errors.js';
import type { FrameFormat } from '../../../core/frame.js';
import type { FittedPicture, PictureSet } from '../../../core/picture-set.js';
import { parseInteger } from '../../arguments.js';
import { machine } from '../../bench/machine.js';
import { openStore } from '../../models.js';
import { anyPictures, searchAndVerify, type LabelledPictures } from '../../picture-sets.js';
import { bold, green, isInteractive, print, progressBar, say, textTable, yellow, type Progress } from '../../terminal.js';
import { derivedId, sayElastic } from './derived-model.js';

const FRACTAL = 'fractal';
const LAYERS_SHOWN = 12;

interface QuantizeCommandOptions {
  calibrate: string;
  data?: string;
  verify?: string;
  pictures: number;
  exclude?: string;
  target: 'speed' | 'accuracy';
  maxLoss: number;
  method?: RangeMethod;
  equalize?: boolean;
  biasCorrection?: boolean;
  runs: number;
  seed: number;
  outId?: string;
  force?: boolean;
  json?: boolean;
}

export function addQuantize(models: Command): void {
  models
    .command('quantize')
    .description('Make an INT8 model: what gets faster in integers and bears it, by measurement on this machine.')
    .argument('<id>', 'model to start from; it stays as it is')
    .option('--calibrate <source>', `pictures to observe it on: a dataset, a video or recorded stream, or "${FRACTAL}"`, FRACTAL)
    .option('--data <dataset>', 'labelled pictures: every other one to choose by, the rest to judge by')
    .option('--verify <dataset>', 'judge by these, choose by all of --data')
    .option('--pictures <count>', 'calibration pictures, spread over the source', parseInteger, 32)
    .option('--exclude <names>', 'convolutions that stay in float, by comma')
    .addOption(new Option('--target <what>', 'the fastest within the loss, or the least loss that is a gain').choices(['speed', 'accuracy']).default('speed'))
    .option('--max-loss <points>', 'points of mAP50 that may be lost', Number, 1)
    .addOption(new Option('--method <name>', 'how ranges are chosen; all are tried where it is not given').choices([...RANGE_METHODS]))
    .option('--equalize', 'cross-layer equalization; tried where neither is given')
    .option('--no-equalize', 'never')
    .option('--bias-correction', 'make up in biases for rounded weights; tried where neither is given')
    .option('--no-bias-correction', 'never')
    .option('--runs <count>', 'timed runs of the final comparison', parseInteger, 41)
    .option('--seed <number>', 'of the fractals', parseInteger, 1)
    .option('--out-id <id>', 'id of the new model (default: <id>-int8)')
    .option('--force', 'write the model even where fp32 is the advice')
    .option('--json', 'print JSON')
    .action(quantize);
}

async function quantize(id: string, options: QuantizeCommandOptions): Promise<void> {
  if (!(options.maxLoss >= 0)) throw new AppError('ERR_USAGE', '--max-loss wants points of mAP50, 0 or more');
  const store = openStore();
  const { manifest, modelPath } = await store.resolve(id);
  const outId = options.outId ?? derivedId(manifest, 'int8');
  await store.assertFree(outId);
  sayElastic(manifest);
  const onnx = new Uint8Array(await readFile(modelPath));
  const format = frameFormatOf(manifest.input);
  const halves = options.data === undefined ? undefined : await readHalves(options.data, options.verify, format);
  const calibration = await readCalibration(options, halves, format);
  const progress = new Steps();
  const outcome = await quantizeModel(
    { manifest, onnx },
    { ...choices(options), calibration: calibration.pictures.map(({ pixels }) => pixels), compare: halves?.search ?? { pictures: calibration.pictures }, verify: halves?.verify, onProgress: progress.update },
  ).finally(() => progress.stop());
  const figures = quantizationFigures(outcome, onnx.length);
  const isWritten = figures.advice === 'int8' || options.force === true;
  const data = { calibration: calibration.description, search: halves?.search.description ?? 'the calibration pictures, without labels', verify: halves?.verify.description ?? 'nothing' };
  if (isWritten) {
    const report = quantizationReport(outcome, figures, { id, command: commandLine(), ...data, machine: machine() });
    const operation = { kind: 'quantize', options: lineageOptions(options), data, figures };
    await store.derive(manifest, { id: outId, title: `${manifest.title}, INT8`, onnx: outcome.model.onnx, input: outcome.model.input, operation, files: { 'report.html': report } });
  }
  if (options.json) {
    print(JSON.stringify({ id: isWritten ? outId : null, parent: id, ...figures, data, machine: machine() }, null, 2));
    return;
  }
  printTables(figures);
  if (figures.advice === 'fp32') say(`${yellow('advice: fp32')}: ${figures.reason}${isWritten ? '' : '. No model was written; --force writes it.'}`);
  if (isWritten) say(`${green('written')} ${bold(outId)}: ${figures.reason}`);
}

/** Only what was said: an absent choice is made by measurement. */
function choices({ exclude, target, maxLoss, method, equalize, biasCorrection, runs }: QuantizeCommandOptions): Pick<QuantizeOptions, 'exclude' | 'target' | 'maxLoss' | 'method' | 'equalize' | 'biasCorrection' | 'runs'> {
  return { exclude: exclude?.split(',').filter(Boolean) ?? [], target, maxLoss, method, equalize, biasCorrection, runs };
}

function lineageOptions({ json: _, outId: __, force: ___, ...options }: QuantizeCommandOptions): Partial<QuantizeCommandOptions> {
  return options;
}

interface HeldHalf extends LabelledHalf {
  readonly description: string;
}

async function readHalves(folder: string, verify: string | undefined, format: FrameFormat): Promise<{ readonly search: HeldHalf; readonly verify: HeldHalf }> {
  const hold = async (set: LabelledPictures): Promise<HeldHalf> => ({ pictures: await holdPictures(set, format), truth: set.truth, description: set.description });
  const halves = await searchAndVerify(folder, verify);
  return { search: await hold(halves.search), verify: await hold(halves.verify) };
}

interface Calibration {
  readonly pictures: readonly FittedPicture[];
  readonly description: string;
}

/** Never of the half that judges: a calibration dataset that is the labelled one gives the half that chooses. */
async function readCalibration({ calibrate, data, pictures: wanted, seed }: QuantizeCommandOptions, halves: { readonly search: HeldHalf } | undefined, format: FrameFormat): Promise<Calibration> {
  if (halves && data !== undefined && resolve(calibrate) === resolve(data)) {
    const pictures = spread(halves.search.pictures, wanted);
    return { pictures, description: `${pictures.length} pictures of ${halves.search.description}` };
  }
  const set = calibrate === FRACTAL ? fractalPictures({ count: wanted, seed }) : await anyPictures(calibrate);
  const pictures = await holdSpread(set, format, wanted);
  if (pictures.length === 0) throw new AppError('ERR_DATASET_EMPTY', `${calibrate}: no picture to calibrate with`);
  return { pictures, description: `${pictures.length} pictures of ${set.description}` };
}

function spread<T>(items: readonly T[], wanted: number): T[] {
  const step = Math.max(1, items.length / wanted);
  return items.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step)).slice(0, wanted);
}

/** Pictures from all over a set, holding no more than are wanted: neighbours in a video look alike. */
async function holdSpread(set: PictureSet, format: FrameFormat, wanted: number): Promise<FittedPicture[]> {
  if (!Number.isFinite(set.count)) return holdPictures(set, format, wanted);
  const step = Math.max(1, set.count / wanted);
  const held: FittedPicture[] = [];
  let index = 0;
  for await (const picture of set.read(format)) {
    if (Math.floor(index / step) !== Math.floor((index - 1) / step)) held.push(picture);
    index += 1;
    if (held.length >= wanted) break;
  }
  return held;
}

/** One bar a step on a terminal, a line a step elsewhere. */
class Steps {
  #step = '';
  #bar: Progress | undefined;

  readonly update = (step: string, done: number, total: number): void => {
    if (step !== this.#step) {
      this.stop();
      this.#step = step;
      if (!isInteractive) say(`${step} ...`);
      this.#bar = progressBar(step, total);
    }
    this.#bar?.update(done);
  };

  stop(): void {
    this.#bar?.stop();
  }
}

function commandLine(): string {
  return `lynceus ${process.argv.slice(2).join(' ')}`;
}

function printTables({ speedup, map50_search: search, map50_verify: verify, size_bytes: size, candidates, chosen, method, optimization_check: check, layers }: QuantizationFigures): void {
  const candidateRows = candidates.map((one) => [one.name === chosen ? `* ${one.name}` : `  ${one.name}`, String(one.int8_convolutions), one.ratio.toFixed(2), one.loss.toFixed(2), one.map50_loss?.toFixed(2) ?? '-', one.disagreement?.toFixed(2) ?? '-', one.head_sqnr_db.toFixed(1)]);
  print(textTable(['  candidate', 'INT8 convs', 'x fp32', 'loss', 'on labels', 'disagreement', 'head dB'], candidateRows));
  const worst = layers.filter(({ int8, sqnr_db: sqnr }) => int8 && sqnr !== null).toSorted((a, b) => a.sqnr_db! - b.sqnr_db!);
  print(`\n${textTable(['noisiest INT8 layers', 'SQNR dB', 'why'], worst.slice(0, LAYERS_SHOWN).map((one) => [one.name, one.sqnr_db!.toFixed(1), one.why]))}\n`);
  const time = (name: string, { fp32_ms: fp32, int8_ms: int8, ratio }: QuantizationFigures['speedup']['threads1']): string[] => [name, fp32.toFixed(2), int8.toFixed(2), `${ratio.toFixed(2)} times`];
  const change = (name: string, of: QuantizationFigures['map50_search']): string[][] => (of ? [[name, of.before.toFixed(2), of.after.toFixed(2), `${(of.after - of.before).toFixed(2)} [${of.ci95[0].toFixed(2)}, ${of.ci95[1].toFixed(2)}]`]] : []);
  const rows = [
    time('ms, 1 thread', speedup.threads1),
    time('ms, 2 threads', speedup.threads2),
    ...change('mAP50, chosen on', search),
    ...change('mAP50, unseen', verify),
    ['file, MB', (size.before / 1e6).toFixed(2), (size.after / 1e6).toFixed(2), `${(size.before / size.after).toFixed(2)} times smaller`],
    ['ranges', '', method.ranges, [method.equalized && 'equalized', method.bias_correction && 'biases corrected'].filter(Boolean).join(', ')],
    ['optimisation off/on', '', check.agreement === null ? '-' : `${(100 * check.agreement).toFixed(1)} %`, check.passed ? 'agree' : 'DISAGREE'],
  ];
  print(textTable(['', 'fp32', 'INT8', 'change'], rows));
}
