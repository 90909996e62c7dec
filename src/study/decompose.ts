import { CAUSES, type Cause } from './perspectives.js';
import type { FrameRecord, OffCpuRecord, SpanRecord, StudyRun } from './records.js';
import { firstEndingAfter, type Interval, lengthMs, split, union } from './timeline.js';

/** Between the moment that a paced frame was due and its first byte here. */
export const TRANSPORT_STAGE = 'transport';

/** Parts of a detector's span whose time depends on how many boxes there are. */
const POST_PROCESSING = new Set(['decode', 'nms']);

/** A frame's time, split without remainder: the entries of `components` sum to `totalMs`. */
export interface DecomposedFrame {
  readonly run: number;
  readonly stream: string;
  readonly seq: number;
  /** Since the begin of the run: when it was due (paced), or its first byte came. */
  readonly startMs: number;
  readonly totalMs: number;
  readonly boxesBeforeNms: number | undefined;
  /** Decoding and suppression of the detector; undefined where no detector said so. */
  readonly postMs: number | undefined;
  /** Milliseconds by stage and cause; all causes of a stage that the frame passed. */
  readonly components: ReadonlyMap<string, Readonly<Record<Cause, number>>>;
}

/** Milliseconds of post-processing that a box costs: what a frame's content is charged with. */
export type ContentCost = (boxesBeforeNms: number) => number;

/**
 * Splits every frame of a run over stages and causes.
 *
 * Each millisecond belongs to one stage (spans are contiguous) and, within it, to the first of these that it can be laid to: the process
 * was halted; a thread that the frame needed was kept off the processors; the main thread collected garbage, or was busy; the stage's
 * own: waiting in a queue, bytes that weren't there, content, delivery, computing. A share of time off the processors is known per reading
 * (some 20 ms), so it is spread evenly over it.
 */
export function decomposeRun(run: StudyRun, contentCost: ContentCost): DecomposedFrame[] {
  const timeline = new RunTimeline(run);
  const zeroes = dueZeroes(run);
  return run.frames.map((frame) => decomposeFrame(frame, timeline, zeroes.get(frame.stream), contentCost));
}

export function sumOf(components: DecomposedFrame['components'], stage: string): number {
  const causes = components.get(stage);
  return causes === undefined ? 0 : CAUSES.reduce((sum, cause) => sum + causes[cause], 0);
}

export function causeMs({ components }: DecomposedFrame, cause: Cause): number {
  let sum = 0;
  for (const causes of components.values()) sum += causes[cause];
  return sum;
}

/**
 * Of a paced run, for each stream: the run's time at which presentation time 0 was due. The earliest frame counts as punctual: what all
 * frames have in common on the way here can't be seen from here.
 */
function dueZeroes({ frames, end }: StudyRun): Map<string, number> {
  const zeroes = new Map<string, number>();
  if (!end.paced) return zeroes;
  for (const { stream, ptsMs, spans } of frames) {
    const zero = spans[0]!.at[0] - ptsMs;
    zeroes.set(stream, Math.min(zeroes.get(stream) ?? Infinity, zero));
  }
  return zeroes;
}

class RunTimeline {
  readonly halts: readonly Interval[];
  readonly collections: readonly Interval[];
  readonly busy: readonly Interval[];
  readonly #offCpu: readonly OffCpuRecord[];
  readonly #offCpuAt: readonly Interval[];

  constructor({ marks, offCpu }: StudyRun) {
    const of = (kind: 'gc' | 'loop' | 'halt') => union(marks.filter((mark) => mark.kind === kind).map(({ at }) => at));
    this.halts = of('halt');
    this.collections = of('gc');
    this.busy = of('loop');
    this.#offCpu = [...offCpu].sort((a, b) => a.at[0] - b.at[0]);
    this.#offCpuAt = this.#offCpu.map(({ at }) => at);
  }

  /** Milliseconds of `within` that the threads of a kind were kept off the processors. */
  offCpuMs(within: readonly Interval[], share: (reading: OffCpuRecord) => number): number {
    let sum = 0;
    for (const [start, end] of within) {
      for (let i = firstEndingAfter(this.#offCpuAt, start); i < this.#offCpu.length && this.#offCpuAt[i]![0] < end; i += 1) {
        const [from, to] = this.#offCpuAt[i]!;
        sum += (Math.min(end, to) - Math.max(start, from)) * Math.min(1, Math.max(0, share(this.#offCpu[i]!)));
      }
    }
    return sum;
  }
}

function decomposeFrame(frame: FrameRecord, timeline: RunTimeline, zeroMs: number | undefined, contentCost: ContentCost): DecomposedFrame {
  const components = new Map<string, Record<Cause, number>>();
  const firstByteMs = frame.spans[0]!.at[0];
  const startMs = zeroMs === undefined ? firstByteMs : zeroMs + frame.ptsMs;
  if (zeroMs !== undefined) components.set(TRANSPORT_STAGE, transportCauses([startMs, firstByteMs], timeline));
  for (const span of frame.spans) components.set(span.stage, spanCauses(span, frame, timeline, contentCost));
  const post = frame.spans.flatMap(({ parts = [] }) => parts).filter(([name]) => POST_PROCESSING.has(name));
  return {
    run: frame.run,
    stream: frame.stream,
    seq: frame.seq,
    startMs,
    totalMs: frame.spans.at(-1)!.at[2] - startMs,
    boxesBeforeNms: frame.boxesBeforeNms,
    postMs: post.length === 0 || frame.boxesBeforeNms === undefined ? undefined : post.reduce((sum, [, from, to]) => sum + (to - from), 0),
    components,
  };
}

function transportCauses(late: Interval, timeline: RunTimeline): Record<Cause, number> {
  const causes = noTime();
  const rest = withoutMainThread(union([late]), causes, timeline, (reading) => Math.max(reading.main, reading.decoder));
  causes.io += rest;
  return causes;
}

function spanCauses({ stage, at: [queued, started, ended], parts = [], worker }: SpanRecord, { boxesBeforeNms }: FrameRecord, timeline: RunTimeline, contentCost: ContentCost): Record<Cause, number> {
  const causes = noTime();
  const inWorker = worker === undefined ? [] : split(union(parts.map(([, from, to]): Interval => [from, to])), union([[started, ended]])).inside;
  const onMain = split(union([[started, ended]]), inWorker).outside;
  // Whoever waits here waits for the main thread or for a worker: either may be kept from running.
  causes.queue += withoutMainThread(union([[queued, started]]), causes, timeline, (reading) => Math.max(reading.main, reading.workers));
  causes[ownCause(stage)] += withoutMainThread(onMain, causes, timeline, (reading) => (stage === 'source' ? Math.max(reading.main, reading.decoder) : reading.main));
  const working = withoutHalts(inWorker, causes, timeline);
  const off = timeline.offCpuMs(working, (reading) => reading.workers);
  causes['off-cpu'] += off;
  const computedMs = lengthMs(working) - off;
  const postMs = parts.reduce((sum, [name, from, to]) => (POST_PROCESSING.has(name) ? sum + (to - from) : sum), 0);
  const contentMs = boxesBeforeNms === undefined ? 0 : Math.min(Math.max(0, contentCost(boxesBeforeNms)), postMs, computedMs);
  causes.content += contentMs;
  causes[ownCause(stage)] += computedMs - contentMs;
  return causes;
}

function ownCause(stage: string): Cause {
  if (stage === 'source') return 'io';
  return stage === 'deliver' || stage === 'client' ? 'delivery' : 'compute';
}

/** Books what kept the main thread from serving, and gives the milliseconds that are left. */
function withoutMainThread(within: readonly Interval[], causes: Record<Cause, number>, timeline: RunTimeline, offCpuShare: (reading: OffCpuRecord) => number): number {
  const running = withoutHalts(within, causes, timeline);
  const collected = split(running, timeline.collections);
  const busy = split(collected.outside, timeline.busy);
  // Off the processors comes last here: a late thread that was not let run shows as both, and readings are coarser than marks.
  const offInGc = timeline.offCpuMs(collected.inside, (reading) => reading.main);
  const offInBusy = timeline.offCpuMs(busy.inside, (reading) => reading.main);
  const offInRest = timeline.offCpuMs(busy.outside, offCpuShare);
  causes.gc += lengthMs(collected.inside) - offInGc;
  causes['event-loop'] += lengthMs(busy.inside) - offInBusy;
  causes['off-cpu'] += offInGc + offInBusy + offInRest;
  return lengthMs(busy.outside) - offInRest;
}

function withoutHalts(within: readonly Interval[], causes: Record<Cause, number>, { halts }: RunTimeline): Interval[] {
  const { inside, outside } = split(within, halts);
  causes.halted += lengthMs(inside);
  return outside;
}

function noTime(): Record<Cause, number> {
  return { content: 0, io: 0, compute: 0, queue: 0, gc: 0, 'event-loop': 0, 'off-cpu': 0, halted: 0, delivery: 0 };
}
