import { availableParallelism, loadavg } from 'node:os';
import { writeFile } from 'node:fs/promises';
import type { GovernorDefinition, StreamDefinition } from '../../../config/stream-definition.js';
import { AppError } from '../../../core/errors.js';
import { frameMsOf } from '../../../governor/ladder.js';
import type { OperatingPoint } from '../../../governor/operating-point.js';
import { type Target, targetText } from '../../../governor/target.js';
import { emulateSpeed, type SpeedMethod } from '../../../study/emulate-speed.js';
import { definitionOf } from '../../definitions.js';
import { type GovernedMaking, makePoints, type Points, slicerFor, sumsAndTimes, targetOf } from '../../governor/make-governed.js';
import type { Along } from '../../governor/networks.js';
import { writePointFile } from '../../governor/point-file.js';
import { createLog } from '../../log.js';
import { openStore } from '../../models.js';
import { formatOf } from '../../stages.js';
import { print, progressBar, textTable } from '../../terminal.js';
import { machine } from '../machine.js';
import { openTruth, scoreNetworks } from './accuracy.js';
import { type Block, type GovernorFigures, type LateFrame, lateFrames, latencyFigures, type LatencyFigures, missesAtFullSpeed, type PointFigures, pointShares } from './figures.js';
import { governorReport } from './governor-report.js';
import { runBlock } from './run-block.js';
import { scheduleLengthMs, speedSchedule, type SpeedSegment } from './schedule.js';

/** So long a network may still be loaded beside the frames. */
const AFTER_MOVE_MS = 500;

export interface GovernorBenchOptions {
  readonly governor: string;
  readonly speeds: readonly number[];
  readonly emulate: SpeedMethod;
  readonly segmentS: number;
  readonly blocks: number;
  readonly model: string;
  readonly cores: number;
  readonly floor?: number;
  readonly along?: Along;
  readonly gt?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** The fixed and the governed pipeline by turns through the same speeds. @throws AppError of the options, the model or the video */
export async function benchGovernor(video: string, options: GovernorBenchOptions): Promise<void> {
  const definition = await definitionOf(video, { model: options.model, loop: true, realtime: true });
  if (definition.source.kind !== 'file') throw new AppError('ERR_USAGE', `${video}: bench takes a video file`);
  const target = targetOf({ target: options.governor });
  const governor: GovernorDefinition = { target: options.governor, floor: options.floor, along: options.along };
  const truth = options.gt === undefined ? undefined : await openTruth(video, options.gt);
  const emulation = await emulateSpeed(options.emulate);
  const segments = speedSchedule(options.speeds, options.segmentS * 1e3);
  const progress = progressBar('bench', 100);
  try {
    const points = await preparePoints(options, governor, truth, (share, doing) => progress.update(Math.round(share * 20), doing));
    const loadBefore = loadavg()[0]!;
    const blocks: Block[] = [];
    const order = blockOrder(options.blocks);
    const store = openStore();
    for (const [i, pipeline] of order.entries()) {
      const onProgress = (elapsedMs: number) => progress.update(Math.round(20 + (80 * (i + elapsedMs / scheduleLengthMs(segments))) / order.length), pipeline);
      const stream = asLive(definition, options.cores);
      blocks.push(await runBlock({ definition: pipeline === 'governed' ? { ...stream, governor } : stream, pipeline, segments, emulation, store, onProgress }));
    }
    progress.stop();
    await report(figuresOf({ options, target, segments, blocks, points, emulation: emulation.label, loadBefore, video }), options);
  } finally {
    progress.stop();
    await emulation.close();
  }
}

/** Fixed, governed, governed, fixed, ...: a drift of the machine meets both alike. */
function blockOrder(rounds: number): Block['pipeline'][] {
  return Array.from({ length: rounds }, (_, i): Block['pipeline'][] => (i % 2 === 0 ? ['fixed', 'governed'] : ['governed', 'fixed'])).flat();
}

/** As for a camera: one frame at a time with all cores that may be used, and the newest frame counts where the detector is too slow. */
function asLive(definition: StreamDefinition, cores: number): StreamDefinition {
  return { ...definition, stages: definition.stages.map((stage) => ({ ...stage, overflow: 'latest', options: { ...stage.options, mode: 'latency', cores } })) };
}

type Truth = Awaited<ReturnType<typeof openTruth>>;

/** Measures times, and accuracies where there is ground truth; what was measured before is taken as it is. */
async function preparePoints(options: GovernorBenchOptions, governor: GovernedMaking['governor'], truth: Truth | undefined, onProgress: (share: number, doing: string) => void): Promise<Points> {
  const store = openStore();
  const model = await store.resolve(options.model);
  const slicer = await slicerFor(governor, model);
  try {
    return await measurePoints({ governor, store, model, slicer }, options, truth, onProgress);
  } finally {
    await slicer?.close();
  }
}

type Measured = Pick<GovernedMaking, 'governor' | 'store' | 'model' | 'slicer'>;

async function measurePoints(measured: Measured, options: GovernorBenchOptions, truth: Truth | undefined, onProgress: (share: number, doing: string) => void): Promise<Points> {
  const { model } = measured;
  const making: GovernedMaking = {
    ...measured,
    format: formatOf(model),
    settings: { mode: 'latency', cores: options.cores, prefetch: false },
    thresholds: { ...model.manifest.defaults, maxDetections: 100, multiLabel: false },
    countsWaiting: false,
    emulatedSpeed: undefined,
    log: createLog('warn'),
  };
  const points = await makePoints(making, (share) => onProgress(share / 2, 'times of points'));
  if (!truth || (points.accuracy?.data === truth.data && points.networks.every(({ name }) => points.accuracy?.ap50[name] !== undefined))) return points;
  const accuracy = await scoreNetworks(points.networks, truth, (share) => onProgress(0.5 + share / 2, 'accuracy of points'));
  const { path, threads, networks, timesMs } = points;
  await writePointFile(path, { threads, detectMs: sumsAndTimes(networks, timesMs), accuracy });
  return makePoints(making);
}

interface Findings {
  readonly options: GovernorBenchOptions;
  readonly target: Target;
  readonly segments: readonly SpeedSegment[];
  readonly blocks: readonly Block[];
  readonly points: Points;
  readonly emulation: string;
  readonly loadBefore: number;
  readonly video: string;
}

function figuresOf({ options, target, segments, blocks, points, emulation, loadBefore, video }: Findings): GovernorFigures {
  const of = (pipeline: Block['pipeline']) => blocks.filter((block) => block.pipeline === pipeline);
  const shares = pointShares(of('governed'));
  return {
    model: options.model,
    target: targetText(target),
    targetMs: target.ms,
    speeds: options.speeds,
    emulation,
    segments,
    blocks,
    fixed: latencyFigures(of('fixed'), segments, target.ms),
    missesAtFullSpeed: missesAtFullSpeed(of('fixed'), segments, target.ms),
    governed: latencyFigures(of('governed'), segments, target.ms),
    ready: latencyFigures(of('governed'), segments, target.ms, 'readyMs'),
    points: points.ladder.map((point) => pointFigures(point, points, shares.get(point.name) ?? 0)),
    threads: points.threads,
    accuracyData: points.accuracy?.data ?? null,
    loadBefore,
    loadAfter: loadavg()[0]!,
    command: `lynceus bench ${video} --model ${options.model} --governor ${options.governor} --speeds ${options.speeds.join(',')} --emulate ${options.emulate}${options.along ? ` --along ${options.along}` : ''} --cores ${options.cores}`,
  };
}

function pointFigures({ name, detectMs, every, ...point }: OperatingPoint, { accuracy }: Points, share: number): PointFigures {
  return { name, detectMs, every, frameMs: frameMsOf({ detectMs, every, ...point }), ap50: accuracy?.ap50[name] ?? null, share };
}

async function report(figures: GovernorFigures, { json, out, cores }: GovernorBenchOptions): Promise<void> {
  if (out !== undefined) await writeFile(out, governorReport(figures));
  if (json) print(JSON.stringify(figuresJson(figures, cores), null, 2));
  else printFigures(figures, out);
}

function figuresJson({ fixed, governed, ready, points, blocks, ...figures }: GovernorFigures, cores: number): Record<string, unknown> {
  return {
    model: figures.model,
    target: figures.target,
    speeds: figures.speeds,
    emulation: figures.emulation,
    std_fixed_ms: round(fixed.stdMs),
    std_governed_ms: round(governed.stdMs),
    std_reduction: round(fixed.stdMs / governed.stdMs, 2),
    range_over_mean: round(governed.rangeOverMean),
    deadline_misses: round(governed.deadlineMisses, 4),
    points: points.map(({ name, detectMs, frameMs, every, ap50, share }) => ({ name, detect_ms: round(detectMs), frame_ms: round(frameMs), every, ap50: ap50 === null ? null : round(ap50, 4), share: round(share) })),
    misses_fixed_at_full_speed: round(figures.missesAtFullSpeed, 4),
    accuracy_data: figures.accuracyData,
    fixed: latencyJson(fixed),
    governed: latencyJson(governed),
    governed_ready: latencyJson(ready),
    moves: blocks.filter(({ pipeline }) => pipeline === 'governed').map(({ moves }) => moves.map(({ atMs, ...move }) => ({ at_ms: Math.round(atMs), ...move }))),
    late_governed: lateOf(figures, blocks).map(({ atMs, latencyMs, readyMs, point, speedPercent, sinceMoveMs }) => ({
      at_ms: Math.round(atMs),
      latency_ms: round(latencyMs),
      ready_ms: round(readyMs),
      point: point ?? null,
      speed_percent: round(speedPercent, 1),
      since_move_ms: sinceMoveMs === null ? null : Math.round(sinceMoveMs),
    })),
    frames_dropped: { fixed: droppedOf(blocks, 'fixed'), governed: droppedOf(blocks, 'governed') },
    cores_used: cores,
    governed_threads: figures.threads,
    load_average: { before: round(figures.loadBefore, 2), after: round(figures.loadAfter, 2), cores: availableParallelism() },
    machine: machine(),
  };
}

function lateOf({ segments, targetMs }: Pick<GovernorFigures, 'segments' | 'targetMs'>, blocks: readonly Block[]): LateFrame[] {
  return lateFrames(blocks.filter(({ pipeline }) => pipeline === 'governed'), segments, targetMs);
}

function droppedOf(blocks: readonly Block[], pipeline: Block['pipeline']): number {
  return blocks.filter((block) => block.pipeline === pipeline).reduce((sum, { dropped }) => sum + dropped, 0);
}

function latencyJson({ frames, meanMs, stdMs, rangeOverMean, deadlineMisses }: LatencyFigures): Record<string, number> {
  return { frames, mean_ms: round(meanMs), std_ms: round(stdMs), range_over_mean: round(rangeOverMean), deadline_misses: round(deadlineMisses, 4) };
}

function printFigures(figures: GovernorFigures, out: string | undefined): void {
  const { fixed, governed, ready, points } = figures;
  print(`${figures.model}, target ${figures.target}, speeds ${figures.speeds.join(', ')} % ${figures.emulation}, ${figures.blocks.length} blocks of ${Math.round(scheduleLengthMs(figures.segments) / 1e3)} s by turns\n`);
  const row = (name: string, of: (one: LatencyFigures) => string) => [name, of(fixed), of(governed), of(ready)];
  print(
    textTable(
      ['', 'fixed', 'governed', 'until ready'],
      [
        row('mean latency, ms', ({ meanMs }) => meanMs.toFixed(2)),
        row('std of medians of a second, ms', ({ stdMs }) => stdMs.toFixed(2)),
        row('(max - min) / mean of them', ({ rangeOverMean }) => `${(rangeOverMean * 100).toFixed(1)} %`),
        row('later than the target', ({ deadlineMisses }) => `${(deadlineMisses * 100).toFixed(2)} %`),
      ],
    ),
  );
  print(`\nfixed at full speed, later than the target: ${(figures.missesAtFullSpeed * 100).toFixed(2)} %`);
  const late = lateOf(figures, figures.blocks);
  const moved = late.filter(({ sinceMoveMs }) => sinceMoveMs !== null && sinceMoveMs < AFTER_MOVE_MS).length;
  print(`governed, later than the target: ${late.length} frames, ${moved} of them within ${AFTER_MOVE_MS} ms after a move`);
  print(`frames dropped: ${droppedOf(figures.blocks, 'fixed')} fixed, ${droppedOf(figures.blocks, 'governed')} governed\n`);
  print(textTable(['operating point', 'a frame, ms', 'AP50', 'of the frames'], points.map(({ name, frameMs, ap50, share }) => [name, frameMs.toFixed(2), ap50 === null ? '-' : ap50.toFixed(3), `${(share * 100).toFixed(1)} %`])));
  if (figures.accuracyData) print(`\nAP50 on ${figures.accuracyData}`);
  if (out !== undefined) print(`\nreport: ${out}`);
}

function round(value: number, digits = 3): number {
  return Number(value.toFixed(digits));
}
