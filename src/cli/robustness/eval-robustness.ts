import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { availableParallelism, cpus } from 'node:os';
import { checkPlacement } from '../../attack/placement.js';
import { AppError } from '../../core/errors.js';
import { categoryIdsOfLabels } from '../../evaluation/coco-results.js';
import type { ModelStore } from '../../model-store/store.js';
import { type OpenedDataset, openDataset } from '../../sources/dataset/video-with-tracks.js';
import { toCocoDataset } from '../ground-truth.js';
import { createLog } from '../log.js';
import { openStore } from '../models.js';
import { type PlacementOptions, placementOf } from '../placement-options.js';
import { Shutdown } from '../shutdown.js';
import { bold, PhaseBars, print, say, yellow } from '../terminal.js';
import { type CleanProfile, cleanProfile } from './clean-profile.js';
import { DEFENCE_NAMES, type Measurement, measureRobustness } from './measure.js';
import { loadPatches } from './patch-files.js';
import { robustnessJson } from './robustness-json.js';
import { renderRobustnessReport } from './robustness-report.js';
import { robustnessText } from './robustness-text.js';
import type { Defence } from './run-defence.js';

export type GuardChoice = 'on' | 'off' | 'lgs';

export interface RobustnessOptions extends PlacementOptions {
  readonly model: string;
  readonly confidence: number;
  readonly iou?: number;
  readonly bestClass?: boolean;
  readonly attack?: string;
  readonly guard?: GuardChoice;
  readonly gt?: string;
  readonly threshold?: number;
  readonly time: boolean;
  readonly pareto?: boolean;
  readonly profile?: string;
  readonly report?: string;
  readonly results?: string;
  readonly json?: boolean;
}

const REPORT_FILE = 'robustness.html';
/** As shells count: 128 and the number of SIGTERM. */
const TERMINATED = 143;

/**
 * `lynceus eval` with an attack, with a defence, or with both: measures, prints and writes the report. An interrupt ends what is in work
 * and removes what was made on the way.
 *
 * @throws AppError of the dataset, the patches, the model, the profile or a run.
 */
export async function evaluateRobustness(data: string, options: RobustnessOptions): Promise<void> {
  if (options.results !== undefined) throw new AppError('ERR_USAGE', 'Expected --results without --attack, --guard and --pareto: there are several runs to write the results of.');
  checkPlacement(placementOf(options));
  const shutdown = new Shutdown();
  const interrupt = new AbortController();
  void shutdown.requested.then(() => interrupt.abort());
  const bars = new PhaseBars();
  try {
    await measureAndTell(data, options, bars, interrupt.signal);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    // Services end well by SIGTERM; a measurement without figures doesn't.
    process.exitCode = shutdown.exitStatus || TERMINATED;
  } finally {
    bars.stop();
    shutdown.dispose();
  }
}

async function measureAndTell(data: string, options: RobustnessOptions, bars: PhaseBars, signal: AbortSignal): Promise<void> {
  const patches = options.attack === undefined ? [] : await loadPatches(resolve(options.attack), { greyscale: options.greyscale ?? false });
  const store = openStore();
  const { manifest } = await store.resolve(options.model);
  const opened = await openDataset(resolve(data), { truth: options.gt === undefined ? undefined : resolve(options.gt), onExtract: (frames) => say(`Taking ${frames} frames out of the video`) });
  try {
    const { dataset } = opened;
    const truth = toCocoDataset(dataset);
    checkLabels(options, truth.categories, manifest.labels);
    const isSequence = dataset.frameRateFps !== undefined;
    const defence = defenceOf(options, isSequence);
    const others = options.pareto ? comparedDefences(isSequence) : [];
    const onProgress = (phase: string, done: number, total: number): void => bars.update(phase, done, total);
    const profile = [defence, ...others].some((one) => one !== 'off') ? await profileOf(store, options, dataset.folder, { onProgress, signal }) : undefined;
    if (options.report !== undefined) await mkdir(resolve(options.report), { recursive: true });
    const { model, confidence, iou, bestClass = false, seed, label: labels } = options;
    const threshold = options.threshold ?? manifest.defaults.confidenceThreshold;
    const measured = await measureRobustness({
      ...{ dataset, truth, patches, placement: placementOf(options), labels, seed, threshold, defence, others, store, onProgress, signal },
      detector: { model, confidence, iou, bestClass },
      profile: profile?.path,
      showsPictures: options.report !== undefined,
      // Dozens of runs open and close a source each.
      log: createLog('warn'),
    });
    bars.stop();
    await tell(measured, { data, options, opened, defence, threshold, profile });
  } finally {
    opened.close();
  }
}

function defenceOf({ guard = 'on', time }: RobustnessOptions, isSequence: boolean): Defence {
  if (guard !== 'on') return guard;
  return isSequence && time ? 'guard' : 'guard-without-time';
}

function comparedDefences(isSequence: boolean): Defence[] {
  return ['off', 'lgs', 'guard-without-time', ...(isSequence ? (['guard'] as const) : [])];
}

function checkLabels({ label, model, confidence }: RobustnessOptions, categories: readonly { readonly id: number; readonly name: string }[], modelLabels: readonly string[]): void {
  const names = categories.map(({ name }) => name).join(', ') || 'none';
  const strange = label.find((name) => !categories.some((category) => category.name === name));
  if (strange !== undefined) throw new AppError('ERR_DATASET_INVALID', `Expected --label to name categories of the dataset but found ${strange}`, { fix: `Its categories: ${names}.` });
  const judged = categories.filter(({ name }) => label.includes(name));
  const known = new Set(categoryIdsOfLabels(modelLabels, judged));
  const unknown = judged.find(({ id }) => !known.has(id));
  if (unknown) throw new AppError('ERR_DATASET_INVALID', `${model} has no label ${unknown.name}`, { fix: `Its labels: ${modelLabels.slice(0, 10).join(', ')}${modelLabels.length > 10 ? ', ...' : ''}.` });
  if (confidence > 0.05) say(yellow(`A confidence threshold of ${confidence} cuts the tail off the precision-recall curve`));
}

interface Watched {
  readonly onProgress: (phase: string, done: number, total: number) => void;
  readonly signal: AbortSignal;
}

async function profileOf(store: ModelStore, { model, profile: given }: RobustnessOptions, folder: string, { onProgress, signal }: Watched): Promise<CleanProfile> {
  const profile = await cleanProfile(store, model, folder, given, (done, total) => {
    signal.throwIfAborted();
    onProgress('calibrating', done, total);
  });
  if (profile.automatic) say(`${bold('No clean profile')}: ${model} was calibrated for this run on the clean pictures that it is measured on (${profile.description}). Better: lynceus guard calibrate <clean pictures of the camera> --model ${model}`);
  return profile;
}

interface Told {
  readonly data: string;
  readonly options: RobustnessOptions;
  readonly opened: OpenedDataset;
  readonly defence: Defence;
  readonly threshold: number;
  readonly profile: CleanProfile | undefined;
}

async function tell(measured: Measurement, told: Told): Promise<void> {
  const { options, defence } = told;
  const title = `${options.model} on ${nameOf(told)}: ${DEFENCE_NAMES[defence]}${options.attack === undefined ? '' : ` against ${basename(resolve(options.attack))}`}`;
  if (options.json) print(JSON.stringify({ ...factsJson(told), ...robustnessJson(measured) }, null, 2));
  else print(robustnessText(measured, defence, title));
  if (options.report === undefined) return;
  const path = join(resolve(options.report), REPORT_FILE);
  await writeFile(path, renderRobustnessReport(measured, { title, defence, command: commandOf(told), facts: factsForPeople(told) }));
  say(`Report: ${path}`);
}

function nameOf({ data, opened: { video } }: Told): string {
  return basename(video ?? resolve(data));
}

function factsJson(told: Told): Record<string, unknown> {
  const { options, defence, threshold, profile, opened } = told;
  return {
    dataset: nameOf(told),
    kind: opened.dataset.frameRateFps === undefined ? 'pictures' : 'sequence',
    model: options.model,
    guard: options.guard ?? 'on',
    time: defence === 'guard',
    attack: options.attack ?? null,
    placement: options.attack === undefined ? null : { ...placementOf(options), greyscale: options.greyscale ?? false },
    labels: options.label,
    seed: options.seed,
    confidence: options.confidence,
    threshold,
    profile: profile ? { calibrated_on: profile.description, pictures: profile.pictures, automatic: profile.automatic } : null,
  };
}

function factsForPeople(told: Told): [string, string][] {
  const { options, threshold, profile } = told;
  return [
    ['data', nameOf(told)],
    ['model', options.model],
    ['judged', `${options.label.join(', ')}; rates at the threshold ${threshold}`],
    ...(options.attack === undefined ? [] : [['patches', placementText(options)] as [string, string]]),
    ...(profile ? [['clean profile', `${profile.description}${profile.automatic ? ': made for this run, of the very pictures that are measured' : ''}`] as [string, string]] : []),
    ['machine', `${cpus()[0]?.model ?? '?'}, ${availableParallelism()} cores, Node ${process.versions.node}`],
  ];
}

function placementText({ side, above, rotation, brightness, greyscale, at, background, label }: RobustnessOptions): string {
  const place = at ? `at ${at.join(', ')} of the picture` : background === undefined ? `on every ${label.join(', ')}, ${above} box heights above the middle` : `${background} a picture away from objects`;
  const of = at !== undefined || background !== undefined ? "the picture's shorter side" : "the box's diagonal";
  return `${place}; side ${rangeText(side)} of ${of}, rotation ${rangeText(rotation)} degrees, brightness ${rangeText(brightness)}${greyscale ? ', greyscale' : ''}`;
}

function rangeText(value: PlacementOptions['side']): string {
  return typeof value === 'number' ? `${value}` : `${value[0]}..${value[1]}`;
}

function commandOf({ data, options, defence }: Told): string {
  const guard = options.guard ?? 'on';
  const parts = ['lynceus eval', data, '--model', options.model, ...(options.attack === undefined ? [] : ['--attack', options.attack]), '--guard', guard];
  if (guard === 'on' && defence === 'guard-without-time' && !options.time) parts.push('--no-time');
  if (options.attack !== undefined) parts.push('--side', rangeText(options.side), '--above', `${options.above}`, '--rotation', rangeText(options.rotation), '--brightness', rangeText(options.brightness));
  if (options.greyscale) parts.push('--greyscale');
  if (options.at) parts.push('--at', options.at.join(','));
  if (options.background !== undefined) parts.push('--background', `${options.background}`);
  if (options.gt !== undefined) parts.push('--gt', options.gt);
  parts.push('--label', options.label.join(','), '--seed', `${options.seed}`, ...(options.pareto ? ['--pareto'] : []));
  return parts.join(' ');
}
