import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { StreamDefinition } from '../../config/stream-definition.js';
import { monotonicMs } from '../../core/clock.js';
import { AppError } from '../../core/errors.js';
import type { DeliveredFrame } from '../../core/result.js';
import type { Sink } from '../../core/sink.js';
import { median } from '../../core/median.js';
import { SPEED_METHODS, type SpeedMethod } from '../../study/emulate-speed.js';
import { TimeDistribution } from '../../timing/time-distribution.js';
import { parseInteger, parseSeconds } from '../arguments.js';
import { decodeFloor, inferenceFloor } from '../bench/floor.js';
import { benchGovernor } from '../bench/governor/bench-governor.js';
import { machine } from '../bench/machine.js';
import type { Along } from '../governor/networks.js';
import { DEFAULT_MODEL, definitionOf } from '../definitions.js';
import { createLog } from '../log.js';
import { openStore } from '../models.js';
import { Pipeline } from '../pipeline.js';
import { formatOf } from '../stages.js';
import { print, progressBar, textTable } from '../terminal.js';

interface BenchOptions {
  model: string;
  mode: 'latency' | 'throughput';
  cores: number;
  frames: number;
  rounds: number;
  governor?: string;
  speeds: number[];
  emulate: SpeedMethod;
  segment: number;
  floor?: number;
  along?: Along;
  gt?: string;
  out?: string;
  json?: boolean;
}

interface Round {
  readonly fps: number;
  readonly limitFps: number;
  readonly decodeCpuMs: number;
  readonly inferCpuMs: number;
  readonly pipelineCpuMs: number;
  readonly mainThreadCpuMs: number;
}

/** Frames before the clock starts: caches, the JIT and the allocator settle. */
const WARMUP_FRAMES = 200;

export function addBench(program: Command): void {
  program
    .command('bench')
    .description('Measure how fast a video goes through the pipeline, against what the machine could do at most.')
    .argument('<video>', 'a video file')
    .option('--model <id>', 'model id or path', DEFAULT_MODEL)
    .addOption(new Option('--mode <mode>', 'throughput: a frame on each core; latency: all cores on one frame').choices(['throughput', 'latency']).default('throughput'))
    .option('--cores <n>', 'cores for inference', parseInteger, availableParallelism())
    .option('--frames <n>', 'frames a round, after the warm-up', parseInteger, 1500)
    .option('--rounds <n>', 'rounds; figures are medians over them', parseInteger, 3)
    .option('--governor <target>', 'compare the fixed pipeline with a governed one at this target (25ms or 20fps) while the CPU changes its speed')
    .option('--speeds <percents>', 'with --governor: speeds that are gone through, in steps and ramps; they are emulated', parsePercents, [100, 80, 60, 40])
    .addOption(new Option('--emulate <method>', 'with --governor: how').choices(SPEED_METHODS).default('stretch'))
    .option('--segment <time>', 'with --governor: how long a speed is held', parseSeconds, 5)
    .option('--floor <pixels>', "with --governor: longer side of the smallest input; three eighths of the model's own unless told otherwise", parseInteger)
    .addOption(new Option('--along <what>', 'with --governor: what points differ in (of an elastic model both, else sizes)').choices(['ratios', 'sizes', 'both']))
    .option('--gt <file>', "with --governor: the video's ground truth (MOTChallenge), to measure each operating point's accuracy")
    .option('--out <file>', 'with --governor: write a report (HTML)')
    .option('--json', 'print JSON')
    .action(bench);
}

/** `100,80,60`. */
function parsePercents(text: string): number[] {
  const percents = text.split(',').map(Number);
  if (percents.length === 0 || !percents.every((percent) => percent >= 1 && percent <= 100)) throw new InvalidArgumentError('Expected percents from 1 to 100, such as 100,80,60,40.');
  return percents;
}

async function bench(video: string, options: BenchOptions): Promise<void> {
  if (options.governor !== undefined) {
    const { governor, segment, rounds, ...others } = options;
    await benchGovernor(video, { ...others, governor, segmentS: segment, blocks: rounds });
    return;
  }
  const definition = await definitionOf(video, { model: options.model, loop: true });
  if (definition.source.kind !== 'file') throw new AppError('ERR_USAGE', `${video}: bench takes a video file`);
  const { path } = definition.source;
  const model = await openStore().resolve(options.model);
  const format = formatOf(model);
  const sessions = options.mode === 'throughput' ? options.cores : 1;
  const threads = options.mode === 'throughput' ? 1 : options.cores;
  const progress = progressBar('bench', options.rounds * 3);
  const endToEnd = new TimeDistribution();
  const rounds: Round[] = [];
  try {
    for (let round = 0; round < options.rounds; round += 1) {
      // Side by side within a round, so that a slow minute of the machine slows all three.
      progress.update(round * 3, 'decoding alone');
      const decode = await decodeFloor(path, format);
      progress.update(round * 3 + 1, 'inference alone');
      const infer = await inferenceFloor({ modelPath: model.preparedPath, threads, sessions, runs: Math.ceil(Math.min(options.frames, 500) / sessions) });
      progress.update(round * 3 + 2, 'the pipeline');
      const run = await pipelineRound(withMode(definition, options), options.frames, endToEnd);
      const limitFps = (options.cores * 1e3) / (decode.cpuMs + infer.cpuMs);
      rounds.push({ ...run, limitFps, decodeCpuMs: decode.cpuMs, inferCpuMs: infer.cpuMs });
    }
  } finally {
    progress.stop();
  }
  report(rounds, endToEnd, options, model.manifest.id);
}

function withMode(definition: StreamDefinition, { mode, cores }: BenchOptions): StreamDefinition {
  return { ...definition, stages: definition.stages.map((stage) => ({ ...stage, options: { ...stage.options, mode, cores } })) };
}

async function pipelineRound(definition: StreamDefinition, frames: number, endToEnd: TimeDistribution): Promise<Omit<Round, 'limitFps' | 'decodeCpuMs' | 'inferCpuMs'>> {
  const meter = new Meter(frames, endToEnd);
  const pipeline = await Pipeline.prepare([definition], { store: openStore(), log: createLog(), sinksFor: () => [meter] });
  try {
    await pipeline.start();
    await Promise.race([meter.done, ...pipeline.streams.map(({ done }) => done)]);
    await pipeline.stop();
    return meter.result();
  } finally {
    await pipeline.close();
  }
}

/** Counts frames and takes the time between the end of the warm-up and the last one. */
class Meter implements Sink {
  readonly kind = 'meter';
  readonly done: Promise<void>;
  readonly #endToEnd: TimeDistribution;
  readonly #last: number;
  #finish: () => void = () => undefined;
  #seen = 0;
  #startMs = 0;
  #endMs = 0;
  #cpu: NodeJS.CpuUsage = { user: 0, system: 0 };
  #loop = performance.eventLoopUtilization();

  constructor(frames: number, endToEnd: TimeDistribution) {
    this.#last = WARMUP_FRAMES + frames;
    this.#endToEnd = endToEnd;
    this.done = new Promise((resolve) => (this.#finish = resolve));
  }

  deliver({ endToEndMs }: DeliveredFrame): void {
    this.#seen += 1;
    if (this.#seen === WARMUP_FRAMES) {
      this.#startMs = monotonicMs();
      this.#cpu = process.cpuUsage();
      this.#loop = performance.eventLoopUtilization();
    }
    if (this.#seen <= WARMUP_FRAMES || this.#seen > this.#last) return;
    this.#endToEnd.record(endToEndMs);
    if (this.#seen < this.#last) return;
    this.#endMs = monotonicMs();
    this.#cpu = process.cpuUsage(this.#cpu);
    this.#loop = performance.eventLoopUtilization(this.#loop);
    this.#finish();
  }

  close(): void {
    // Nothing is open.
  }

  result(): { fps: number; pipelineCpuMs: number; mainThreadCpuMs: number } {
    const frames = this.#last - WARMUP_FRAMES;
    if (this.#endMs === 0) throw new AppError('ERR_SOURCE_ENDED', `The video ended after ${this.#seen} frames`, { fix: 'Ask for fewer with --frames.' });
    return {
      fps: (frames * 1e3) / (this.#endMs - this.#startMs),
      pipelineCpuMs: (this.#cpu.user + this.#cpu.system) / 1e3 / frames,
      mainThreadCpuMs: this.#loop.active / frames,
    };
  }
}

function report(rounds: readonly Round[], endToEnd: TimeDistribution, { mode, cores, frames, json }: BenchOptions, model: string): void {
  const of = (pick: (round: Round) => number, digits = 2) => Number(median(rounds.map(pick)).toFixed(digits));
  const { n, p50Ms, p95Ms, p99Ms, meanMs, cv } = endToEnd.summary();
  const figures = {
    model,
    frames: frames * rounds.length,
    rounds: rounds.length,
    fps: of(({ fps }) => fps),
    limit_fps: of(({ limitFps }) => limitFps),
    efficiency: of(({ fps, limitFps }) => fps / limitFps, 3),
    latency_ms: { mean: round3(meanMs), cv: round3(cv), p50: round3(p50Ms), p95: round3(p95Ms), p99: round3(p99Ms), n },
    cpu_ms_per_frame: {
      decode_alone: of(({ decodeCpuMs }) => decodeCpuMs),
      infer_alone: of(({ inferCpuMs }) => inferCpuMs),
      this_process: of(({ pipelineCpuMs }) => pipelineCpuMs),
      main_thread: of(({ mainThreadCpuMs }) => mainThreadCpuMs, 3),
    },
    threads: { sessions: mode === 'throughput' ? cores : 1, per_session: mode === 'throughput' ? 1 : cores },
    mode,
    machine: machine(),
  };
  if (json) {
    print(JSON.stringify(figures, null, 2));
    return;
  }
  const { latency_ms: latency } = figures;
  print(`${model}, ${mode}, ${figures.threads.sessions} x ${figures.threads.per_session} threads, ${figures.frames} frames in ${rounds.length} rounds (medians)\n`);
  print(
    textTable(
      ['', 'value', 'unit'],
      [
        ['frames a second', figures.fps.toFixed(1), 'fps'],
        ['the machine could', figures.limit_fps.toFixed(1), 'fps'],
        ['efficiency', figures.efficiency.toFixed(3), ''],
        ['latency p50', text(latency.p50), 'ms'],
        ['latency p95', text(latency.p95), 'ms'],
        ['latency p99', text(latency.p99), 'ms'],
      ],
    ),
  );
}

function round3(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toFixed(3));
}

function text(value: number | null): string {
  return value === null ? '-' : value.toFixed(2);
}
