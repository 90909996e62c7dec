import { CAUSES, type Cause } from './perspectives.js';
import type { FrameRecord, MarkRecord, OffCpuRecord, SpanRecord, StudyRun, ThreadShares } from './records.js';
import { firstEndingAfter, type Interval, lengthMs, split, union } from './timeline.js';

/** Between the moment that a paced frame was due and its first byte here. */
export const TRANSPORT_STAGE = 'transport';

/** Parts of a detector's span whose time depends on how many boxes there are. */
const POST_PROCESSING = new Set(['decode', 'nms']);

/** A late turn of the event loop serves what has become due meanwhile, in any order: what ends so soon after it was held up by it. */
const TURN_MS = 3;

/** The probe of lateness has this resolution. */
const JOIN_MS = 0.5;

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
 * Each millisecond belongs to one stage (spans are contiguous) and, within it, to one cause:
 *
 * 1. `halted`, where the whole process stood still.
 * 2. Where the frame was with the main thread: a late thread holds up what ends while it is late, and nothing that ends later. So of the
 *    collections and late turns only those count that reach the end of the frame's wait: for the share of the time that the thread wasn't
 *    let run `own-threads` or `off-cpu`, by who had the processors, and `gc` or `event-loop` for the rest.
 * 3. Where it was with a worker: `content`, which is what its boxes usually cost; then `own-threads` and `off-cpu` for the share of the
 *    time that busy workers weren't let run.
 * 4. The stage's own: `queue`, `io`, `delivery` or `compute`.
 *
 * A source that is asked for its frames (a file) is another matter: whatever holds up the asking holds up all that follows, so there all
 * lateness in the wait for a frame's bytes counts.
 *
 * Workers' shares of time off the processors are known per reading (some 20 ms) and spread evenly over it.
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

type Threads = keyof ThreadShares;

/** Time that threads were ready and weren't let run, by who had the processors. */
interface NotRun {
  readonly ownMs: number;
  readonly othersMs: number;
}

class RunTimeline {
  readonly halts: readonly Interval[];
  readonly collections: readonly Interval[];
  /** Its source gives frames when it is asked for them. */
  readonly isPulled: boolean;
  /** The main thread collected, or was late; what lies close together is one. */
  readonly #late: readonly Interval[];
  readonly #offCpu: readonly OffCpuRecord[];
  readonly #offCpuAt: readonly Interval[];
  /** Late turns of the main thread, which don't overlap. */
  readonly #turns: readonly MarkRecord[];

  constructor({ marks, offCpu, end }: StudyRun) {
    this.isPulled = end.pulled === true;
    const of = (kind: 'gc' | 'loop' | 'halt') => union(marks.filter((mark) => mark.kind === kind).map(({ at }) => at));
    this.halts = of('halt');
    this.collections = of('gc');
    this.#late = joined(union([...this.collections, ...of('loop')]));
    this.#turns = marks.filter(({ kind }) => kind === 'loop').sort((a, b) => a.at[0] - b.at[0]);
    this.#offCpu = [...offCpu].sort((a, b) => a.at[0] - b.at[0]);
    this.#offCpuAt = this.#offCpu.map(({ at }) => at);
  }

  /** The time that the main thread had been late when something ended: empty, or one interval. */
  lateUntil(endMs: number): Interval[] {
    const mark = this.#late[firstEndingAfter(this.#late, endMs - TURN_MS)];
    return mark && mark[0] < endMs ? [[mark[0], Math.max(mark[1], endMs)]] : [];
  }

  /** All of the time in which it was late, and what ends with it. */
  lateBefore(endMs: number): Interval[] {
    return union([...this.lateUntil(endMs), ...this.#late]);
  }

  /** Of `within`, where the main thread was late: how long it wasn't let run. */
  lateNotRun(within: readonly Interval[]): NotRun {
    let [ownMs, othersMs] = [0, 0];
    for (const [start, end] of within) {
      for (const { at, offCpu = 0 } of this.#turns) {
        const piece: Interval = [Math.max(start, at[0]), Math.min(end, at[1])];
        const offMs = Math.max(0, piece[1] - piece[0]) * Math.min(1, Math.max(0, offCpu));
        if (offMs === 0) continue;
        const own = this.#ownShare(piece, 'main');
        ownMs += offMs * own;
        othersMs += offMs * (1 - own);
      }
    }
    // Turns don't overlap; those of a file may.
    const most = Math.min(1, lengthMs(within) / (ownMs + othersMs || 1));
    return { ownMs: ownMs * most, othersMs: othersMs * most };
  }

  /** Of `within`, how long the threads of a kind weren't let run. */
  notRun(within: readonly Interval[], kind: Threads): NotRun {
    let [ownMs, othersMs] = [0, 0];
    this.#eachReading(within, (reading, lengthMs) => {
      const offMs = lengthMs * limited(reading[kind]);
      const own = limited(reading.own?.[kind] ?? 0);
      ownMs += offMs * own;
      othersMs += offMs * (1 - own);
    });
    return { ownMs, othersMs };
  }

  /** How much of a kind's waiting our own threads caused, around some time. */
  #ownShare(around: Interval, kind: Threads): number {
    let [own, all] = [0, 0];
    this.#eachReading([around], (reading, lengthMs) => {
      const weight = lengthMs * limited(reading[kind]);
      own += weight * limited(reading.own?.[kind] ?? 0);
      all += weight;
    });
    return all === 0 ? 0 : own / all;
  }

  #eachReading(within: readonly Interval[], visit: (reading: OffCpuRecord, lengthMs: number) => void): void {
    for (const [start, end] of within) {
      for (let i = firstEndingAfter(this.#offCpuAt, start); i < this.#offCpu.length && this.#offCpuAt[i]![0] < end; i += 1) {
        const [from, to] = this.#offCpuAt[i]!;
        visit(this.#offCpu[i]!, Math.min(end, to) - Math.max(start, from));
      }
    }
  }
}

/** A share as it may come from a file. */
function limited(share: number): number {
  return Math.min(1, Math.max(0, share));
}

/** Late turns that follow each other at once are one lateness: nothing was served in between. */
function joined(sorted: readonly Interval[]): Interval[] {
  return union(sorted.map(([start, end]): Interval => [start, end + JOIN_MS])).map(([start, end]): Interval => [start, end - JOIN_MS]);
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
  causes.io += awaited(late, causes, timeline, { others: 'decoder', isAsked: timeline.isPulled });
  return causes;
}

function spanCauses({ stage, at: [queued, started, ended], parts = [], worker }: SpanRecord, { boxesBeforeNms }: FrameRecord, timeline: RunTimeline, contentCost: ContentCost): Record<Cause, number> {
  const causes = noTime();
  const own = ownCause(stage);
  const inWorker = worker === undefined ? [] : split(union(parts.map(([, from, to]): Interval => [from, to])), union([[started, ended]])).inside;
  const onMain = split(union([[started, ended]]), inWorker).outside;
  causes.queue += awaited([queued, started], causes, timeline, { others: 'workers' });
  const source: Awaited = stage === 'source' ? { others: 'decoder', isAsked: timeline.isPulled } : {};
  for (const wait of onMain) causes[own] += awaited(wait, causes, timeline, source);
  const working = withoutHalts(inWorker, causes, timeline);
  const workedMs = lengthMs(working);
  // Usual and no less for a frame that was quicker: else what slower ones took longer would go with the number of boxes, as `compute`.
  const hasContent = boxesBeforeNms !== undefined && parts.some(([name]) => POST_PROCESSING.has(name));
  const contentMs = hasContent ? Math.min(Math.max(0, contentCost(boxesBeforeNms)), workedMs) : 0;
  // What the boxes usually cost holds the usual share of waiting for a processor already.
  const rest = workedMs === 0 ? 0 : 1 - contentMs / workedMs;
  const { ownMs, othersMs } = timeline.notRun(working, 'workers');
  causes.content += contentMs;
  causes['own-threads'] += ownMs * rest;
  causes['off-cpu'] += othersMs * rest;
  causes[own] += workedMs - contentMs - (ownMs + othersMs) * rest;
  return causes;
}

function ownCause(stage: string): Cause {
  if (stage === 'source') return 'io';
  return stage === 'deliver' || stage === 'client' ? 'delivery' : 'compute';
}

/** What the main thread waited for. */
interface Awaited {
  readonly others?: Threads;
  /** It has to be asked for. */
  readonly isAsked?: boolean;
}

/**
 * Books what held up a wait of the main thread, and gives the milliseconds that are left.
 */
function awaited(wait: Interval, causes: Record<Cause, number>, timeline: RunTimeline, { others, isAsked = false }: Awaited): number {
  const running = withoutHalts(union([wait]), causes, timeline);
  const { inside: late, outside: early } = split(running, isAsked ? timeline.lateBefore(wait[1]) : timeline.lateUntil(wait[1]));
  const { inside: collecting, outside: busy } = split(late, timeline.collections);
  const book = (notRun: NotRun): number => {
    causes['own-threads'] += notRun.ownMs;
    causes['off-cpu'] += notRun.othersMs;
    return notRun.ownMs + notRun.othersMs;
  };
  causes.gc += lengthMs(collecting) - book(timeline.lateNotRun(collecting));
  causes['event-loop'] += lengthMs(busy) - book(timeline.lateNotRun(busy));
  return lengthMs(early) - (others === undefined ? 0 : book(timeline.notRun(early, others)));
}

function withoutHalts(within: readonly Interval[], causes: Record<Cause, number>, { halts }: RunTimeline): Interval[] {
  const { inside, outside } = split(within, halts);
  causes.halted += lengthMs(inside);
  return outside;
}

function noTime(): Record<Cause, number> {
  return { content: 0, io: 0, compute: 0, queue: 0, gc: 0, 'event-loop': 0, 'own-threads': 0, 'off-cpu': 0, halted: 0, delivery: 0 };
}
