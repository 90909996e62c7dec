import { median } from '../../../core/median.js';
import { isSettling, speedAt, type SpeedSegment } from './schedule.js';

/** One delivered frame of a block. */
export interface BenchFrame {
  /** Since the block's schedule began. */
  readonly atMs: number;
  readonly latencyMs: number;
  /** Of that until the results were there; then they are held until shortly before the target. */
  readonly readyMs: number;
  /** Name of its operating point, where there is one. */
  readonly point: string | undefined;
}

/** A run of one pipeline through the whole schedule. */
export interface Block {
  readonly pipeline: 'fixed' | 'governed';
  readonly frames: readonly BenchFrame[];
  readonly moves: readonly { readonly atMs: number; readonly from: string; readonly to: string; readonly reason: string }[];
  readonly dropped: number;
}

export interface LatencyFigures {
  readonly frames: number;
  readonly meanMs: number;
  /** Of the medians of each second, over all blocks. */
  readonly stdMs: number;
  /** Largest less smallest median of a second, over their mean. */
  readonly rangeOverMean: number;
  /** Share of frames later than the target, those of the first half second after each step left out. */
  readonly deadlineMisses: number;
}

/** An operating point as the report has it. */
export interface PointFigures {
  readonly name: string;
  readonly detectMs: number;
  readonly frameMs: number;
  readonly every: number;
  /** 0 to 1; null where it wasn't measured. */
  readonly ap50: number | null;
  /** Share of the governed frames that were worked on here. */
  readonly share: number;
}

/** All that the bench has found. */
export interface GovernorFigures {
  readonly model: string;
  readonly target: string;
  readonly targetMs: number;
  readonly speeds: readonly number[];
  /** How the speeds were made: they are emulated. */
  readonly emulation: string;
  readonly segments: readonly SpeedSegment[];
  readonly blocks: readonly Block[];
  readonly fixed: LatencyFigures;
  /** Share of frames of the fixed pipeline that are late while the machine has its own speed: what nobody can govern away. */
  readonly missesAtFullSpeed: number;
  readonly governed: LatencyFigures;
  /** Of the governed frames until their results were there: what the points do without the holding. */
  readonly ready: LatencyFigures;
  readonly points: readonly PointFigures[];
  /** Of an inference in the governed pipeline. */
  readonly threads: number;
  /** What accuracies were measured on; null where they weren't. */
  readonly accuracyData: string | null;
  /** Of the machine, before and after, over a minute: what else ran. */
  readonly loadBefore: number;
  readonly loadAfter: number;
  readonly command: string;
}

/** Time that a controller has to answer a step. */
export const SETTLING_MS = 500;
/** Of a second with fewer frames than this nothing is said. */
const LEAST_FRAMES = 3;

/** Which time of a frame. */
type Measure = 'latencyMs' | 'readyMs';

/** Median latency of each second of a block that has frames enough; the index is the second. */
export function secondMedians({ frames }: Pick<Block, 'frames'>, of: Measure = 'latencyMs'): (number | undefined)[] {
  const count = Math.floor(Math.max(-1, ...frames.map(({ atMs }) => atMs)) / 1e3) + 1;
  const seconds = Array.from({ length: count }, (): number[] => []);
  for (const frame of frames) seconds[Math.floor(frame.atMs / 1e3)]?.push(frame[of]);
  return seconds.map((latencies) => (latencies.length >= LEAST_FRAMES ? median(latencies) : undefined));
}

/** @param blocks of one pipeline. */
export function latencyFigures(blocks: readonly Block[], segments: readonly SpeedSegment[], targetMs: number, of: Measure = 'latencyMs'): LatencyFigures {
  const frames = blocks.flatMap((block) => block.frames);
  const medians = blocks.flatMap((block) => secondMedians(block, of)).filter((value) => value !== undefined);
  const meanOfMedians = mean(medians);
  const settled = frames.filter(({ atMs }) => !isSettling(segments, atMs, SETTLING_MS));
  return {
    frames: frames.length,
    meanMs: mean(frames.map((frame) => frame[of])),
    stdMs: Math.sqrt(mean(medians.map((value) => (value - meanOfMedians) ** 2))),
    rangeOverMean: (Math.max(...medians) - Math.min(...medians)) / meanOfMedians,
    deadlineMisses: settled.filter((frame) => frame[of] > targetMs).length / settled.length,
  };
}

/** A frame that was later than the target although the controller had had the time to answer. */
export interface LateFrame extends BenchFrame {
  /** Percent of the machine's own speed. */
  readonly speedPercent: number;
  /** Since the newest move before it; null where there was none. */
  readonly sinceMoveMs: number | null;
}

/** Which frames are late, and whether by a move or by something else: those that `LatencyFigures.deadlineMisses` counts. */
export function lateFrames(blocks: readonly Block[], segments: readonly SpeedSegment[], targetMs: number): LateFrame[] {
  return blocks.flatMap(({ frames, moves }) =>
    frames
      .filter(({ atMs, latencyMs }) => latencyMs > targetMs && !isSettling(segments, atMs, SETTLING_MS))
      .map((frame) => {
        const before = moves.filter(({ atMs }) => atMs <= frame.atMs).at(-1);
        return { ...frame, speedPercent: speedAt(segments, frame.atMs), sinceMoveMs: before ? frame.atMs - before.atMs : null };
      }),
  );
}

/** Share of frames later than the target while nothing was slowed down. */
export function missesAtFullSpeed(blocks: readonly Block[], segments: readonly SpeedSegment[], targetMs: number): number {
  const frames = blocks.flatMap((block) => block.frames).filter(({ atMs }) => speedAt(segments, atMs) >= 100 && !isSettling(segments, atMs, SETTLING_MS));
  return frames.filter(({ latencyMs }) => latencyMs > targetMs).length / Math.max(1, frames.length);
}

/** Share of frames that were worked on at each point. */
export function pointShares(blocks: readonly Block[]): ReadonlyMap<string, number> {
  const points = blocks.flatMap(({ frames }) => frames.map(({ point }) => point)).filter((point) => point !== undefined);
  const counts = new Map<string, number>();
  for (const point of points) counts.set(point, (counts.get(point) ?? 0) + 1);
  return new Map([...counts].map(([point, count]) => [point, count / points.length]));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
