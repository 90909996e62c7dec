import type { GovernorDefinition } from '../../config/stream-definition.js';
import type { ModelManifest } from '../../core/manifest.js';
import { monotonicMs } from '../../core/clock.js';
import { AppError } from '../../core/errors.js';
import type { FrameFormat } from '../../core/frame.js';
import type { Logger } from '../../core/logger.js';
import type { DecodeThresholds } from '../../detector/decoder.js';
import { DetectorService } from '../../detector/detector-service.js';
import type { WorkerSettings } from '../../detector/model-workers.js';
import { createCpuSpeedReader } from '../../governor/cpu-speed.js';
import { GovernedDetector } from '../../governor/governed-detector.js';
import { accuracyRank, buildLadder } from '../../governor/ladder.js';
import type { OperatingPoint, PointNetwork } from '../../governor/operating-point.js';
import { parseTarget, type Target, targetText } from '../../governor/target.js';
import { LimitedLog } from '../../graph/limited-log.js';
import { ElasticSlicer } from '../../model-store/elastic-slicer.js';
import type { InstalledModel, ModelStore } from '../../model-store/store.js';
import { measureNetworks } from './measure-networks.js';
import { type Along, type Network, networksOf } from './networks.js';
import { freshTimes, type MeasuredTimes, type PointAccuracy, pointFilePath, readPointFile, writePointFile } from './point-file.js';
import { warm } from './warm.js';

/** Frames between inferences at most, unless the floor says otherwise: boxes of older inferences are guesses. */
const MOST_EVERY = 4;
/** AP50 that differs by less differs by the pictures it was measured on. */
const ACCURACY_NOISE = 0.01;
/** What is left of AP50 with each more frame that boxes are moved, where nobody has measured it. */
const MOVED_SHARE = 0.97;

export interface GovernedMaking {
  readonly governor: GovernorDefinition;
  readonly store: Pick<ModelStore, 'list' | 'resolve' | 'resized'>;
  readonly model: InstalledModel;
  readonly format: FrameFormat;
  /** Of an elastic model, where its ratios may be points; the caller's to close, after all else. */
  readonly slicer: ElasticSlicer | undefined;
  readonly settings: WorkerSettings;
  readonly thresholds: DecodeThresholds;
  /** See `GovernedDetectorOptions`. */
  readonly countsWaiting: boolean;
  readonly emulatedSpeed: SharedArrayBuffer | undefined;
  readonly log: Logger;
}

/** What a governed stream may stand on, and what is known of it. */
export interface Points {
  /** Cheapest first. */
  readonly ladder: readonly OperatingPoint[];
  /** Networks of the model that were looked at, and their times in the same order. */
  readonly networks: readonly Network[];
  readonly timesMs: readonly number[];
  /** Of an inference at each of them. */
  readonly threads: number;
  /** Where accuracies were measured. */
  readonly accuracy: PointAccuracy | null;
  /** Where all of that is kept. */
  readonly path: string;
}

/**
 * The ladder of a governed stream. What wasn't measured on this machine is measured now.
 *
 * @throws AppError `ERR_CONFIG_INVALID` where the floor is above all that there is
 */
export async function makePoints(making: GovernedMaking, onProgress?: (share: number) => void): Promise<Points> {
  const { governor, store, model, format, settings, thresholds, slicer } = making;
  const floor = floorOf(governor);
  const networks = await networksOf(store, model, { floorSidePx: floor.sidePx, sameAnchors: thresholds.anchorsOff !== undefined, along: alongOf(governor, model.manifest), slicer });
  const path = pointFilePath(networks[0]!, format, settings);
  const file = await readPointFile(path);
  const accuracy = file?.accuracy ?? null;
  const { timesMs, threads } = freshTimes(file, networks) ?? (await measure(networks, path, accuracy, making, onProgress));
  const points = networks.flatMap((network, i) => pointsOf(network, timesMs[i]!, { ...making, settings: withThreads(settings, threads) }));
  const known = accuracy && networks.every(({ name }) => accuracy.ap50[name] !== undefined) ? accuracy : undefined;
  const accurate = points.map((point) => ({ ...point, accuracy: known ? measuredAccuracy(known, point) : point.accuracy }));
  const ladder = buildLadder(accurate.filter((point) => isAboveFloor(point, floor, known)), known ? ACCURACY_NOISE : 0);
  if (ladder.length === 0) throw new AppError('ERR_CONFIG_INVALID', `No operating point of ${model.manifest.id} has an AP50 of ${floor.ap50}`, { fix: 'Lower governor.floor.ap50.' });
  return { ladder, networks, timesMs, threads, accuracy, path };
}

/** The governed detector of a stream. @throws AppError as `makePoints`, or of a model */
export async function makeGoverned(making: GovernedMaking): Promise<GovernedDetector> {
  const { ladder, threads } = await makePoints(making);
  const { settings, countsWaiting, model, log } = making;
  const target = targetOf(making.governor);
  const limitedLog = new LimitedLog(log);
  log.info({ model: model.manifest.id, points: ladder.length, threads, target: targetText(target) }, `Governed, from ${ladder[0]!.name} to ${ladder.at(-1)!.name}`);
  return GovernedDetector.start({
    points: ladder,
    target,
    countsWaiting,
    sessions: settings.mode === 'latency' ? 1 : settings.cores,
    readCpuSpeed: await createCpuSpeedReader(),
    onFailed: (point, { code, message }) => limitedLog.warn(`governor:${code}`, monotonicMs(), { model: model.manifest.id, point: point.name, code }, `An operating point can't be had: ${message}`),
  });
}

/** @throws AppError `ERR_CONFIG_INVALID` */
export function targetOf({ target }: GovernorDefinition): Target {
  const parsed = parseTarget(target);
  if (parsed) return parsed;
  throw new AppError('ERR_CONFIG_INVALID', `governor.target: expected a latency or a rate but found '${target}'`, { fix: 'Write 25ms or 20fps.' });
}

/** What points of a model differ in. @throws AppError `ERR_CONFIG_INVALID` where it has no ratios and they are asked for */
export function alongOf({ along }: GovernorDefinition, { id, elastic }: ModelManifest): Along {
  if (along === undefined) return elastic ? 'both' : 'sizes';
  if (along === 'sizes' || elastic) return along;
  throw new AppError('ERR_CONFIG_INVALID', `governor.along: ${along}: ${id} is not elastic and has no ratios`, { fix: 'Leave it out, or use an elastic model; lynceus models list shows which are.' });
}

/** What cuts the ratios of a model, where a governor wants them. @throws AppError as `alongOf`; ERR_MODEL_CORRUPT, ERR_MODEL_ELASTIC */
export async function slicerFor(governor: GovernorDefinition, model: InstalledModel): Promise<ElasticSlicer | undefined> {
  return alongOf(governor, model.manifest) === 'sizes' ? undefined : ElasticSlicer.start(model);
}

interface Floor {
  readonly sidePx?: number | undefined;
  readonly every?: number | undefined;
  readonly ap50?: number | undefined;
}

function floorOf({ floor }: GovernorDefinition): Floor {
  return typeof floor === 'number' ? { sidePx: floor } : (floor ?? {});
}

function isAboveFloor({ accuracy }: OperatingPoint, { ap50 }: Floor, known: PointAccuracy | undefined): boolean {
  if (ap50 === undefined) return true;
  if (known) return accuracy >= ap50;
  throw new AppError('ERR_CONFIG_INVALID', 'governor.floor.ap50: the accuracy of the operating points has not been measured on this machine', {
    fix: 'Measure it: lynceus bench <video> --governor <target> --gt <ground truth>.',
  });
}

/**
 * With all the threads that there may be and with one: several share the work and wait for each other, which on some machines is hardly
 * faster for a small network and always less even. Taken is what has the faster slow frames.
 */
async function measure(networks: readonly Network[], path: string, accuracy: PointAccuracy | null, making: GovernedMaking, onProgress?: (share: number) => void): Promise<MeasuredTimes> {
  const { model, format, settings, thresholds, log } = making;
  log.info({ model: model.manifest.id, networks: networks.length }, 'Measuring operating points; the next start finds the figures');
  const choices = settings.mode === 'latency' ? [...new Set([settings.cores, 1])] : [settings.cores];
  let best: (MeasuredTimes & { readonly slowMs: number }) | undefined;
  for (const [i, threads] of choices.entries()) {
    const { usualMs, slowMs } = await measureNetworks(networks, format, withThreads(settings, threads), thresholds, (share) => onProgress?.((i + share) / choices.length));
    const sumMs = slowMs.reduce((sum, ms) => sum + ms, 0);
    if (!best || sumMs < best.slowMs) best = { timesMs: usualMs, threads, slowMs: sumMs };
  }
  const { timesMs, threads } = best!;
  await writePointFile(path, { threads, detectMs: sumsAndTimes(networks, timesMs), accuracy });
  return { timesMs, threads };
}

/** As a point file has them. */
export function sumsAndTimes(networks: readonly Network[], timesMs: readonly number[]): Record<string, { sha256: string; ms: number }> {
  return Object.fromEntries(networks.map(({ name, sha256 }, i) => [name, { sha256, ms: timesMs[i]! }]));
}

/** One session of so many threads; sessions side by side are a core each anyway. */
function withThreads(settings: WorkerSettings, threads: number): WorkerSettings {
  return settings.mode === 'latency' ? { ...settings, cores: threads } : settings;
}

/** One for each rhythm: they share the network. */
function pointsOf(network: Network, detectMs: number, { governor, settings, format, thresholds, emulatedSpeed }: GovernedMaking): OperatingPoint[] {
  const { manifest, load } = network;
  const shared: PointNetwork = {
    prepare: async () => {
      const service = await DetectorService.start({ ...(await load()), manifest, frameSize: format.size, emulatedSpeed, ...settings });
      try {
        await warm(service, format, thresholds);
      } catch (error) {
        await service.close();
        throw error;
      }
      return service;
    },
  };
  return rhythmsOf(targetOf(governor), settings, floorOf(governor)).map((every) => ({
    name: every === 1 ? network.name : `${network.name}/${every}`,
    detectMs,
    every,
    accuracy: accuracyRank({ ...network, every }),
    network: shared,
  }));
}

/**
 * Skipping makes no inferred frame faster, so it helps a rate and no latency; and boxes are moved from one frame to the next, which
 * frames side by side don't know of each other.
 */
function rhythmsOf({ kind }: Target, { mode }: WorkerSettings, { every = MOST_EVERY }: Floor): number[] {
  const most = kind === 'rate' && mode === 'latency' ? every : 1;
  return Array.from({ length: most }, (_, i) => i + 1);
}

function measuredAccuracy({ ap50 }: PointAccuracy, { name, every }: OperatingPoint): number {
  return ap50[name] ?? ap50[name.replace(/\/\d+$/, '')]! * MOVED_SHARE ** (every - 1);
}
