import type { StageTiming } from '../core/result.js';
import type { FrameSpans } from './frame-spans.js';

/** One event of the Chrome trace format (Perfetto reads it too): times in microseconds. */
export interface TraceEvent {
  readonly ph: 'X' | 'M';
  readonly name: string;
  readonly cat?: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

const MS_TO_NS = 1e6;
const NS_IN_A_US = 1e3;

/**
 * Frames as trace events: a track for whole frames, for each stage's queue, for each stage, and for each worker with the parts of its work,
 * each span carrying its frame's sequence number. Spans of one track must not overlap: where several frames are at one place
 * at once, the track gets a second one beside it (`detect`, `detect 2`).
 */
export class TraceEvents {
  readonly #tracks = new Map<string, number>();
  readonly #processes = new Map<string, number>();
  readonly #busyUntilMs = new Map<number, number>();

  /** Events of one frame, with the metadata of tracks that appear for the first time. */
  ofFrame({ stream, sequence, firstByteMs, timings, endToEndMs, detections, boxesBeforeNms, droppedSinceLast }: FrameSpans): TraceEvent[] {
    const events: TraceEvent[] = [];
    const pid = this.#process(stream, events);
    const args = { seq: sequence, detections, boxes_before_nms: boxesBeforeNms, dropped_since_last: droppedSinceLast };
    const endMs = firstByteMs + endToEndMs;
    events.push(span(pid, this.#freeTrack(pid, 'frame', firstByteMs, endMs, events), `frame ${sequence}`, firstByteMs, endMs, args));
    for (const timing of timings) this.#stage(pid, timing, sequence, events);
    return events;
  }

  #stage(pid: number, timing: StageTiming, seq: number, events: TraceEvent[]): void {
    const { stage, queuedMs, startedMs, endedMs, worker, eventLoopDelayMs, gcMs, parts } = timing;
    if (startedMs > queuedMs) {
      events.push(span(pid, this.#freeTrack(pid, `${stage} queue`, queuedMs, startedMs, events), `${stage} wait`, queuedMs, startedMs, { seq }));
    }
    const tid = this.#freeTrack(pid, stage, startedMs, endedMs, events);
    events.push(span(pid, tid, stage, startedMs, endedMs, { seq, ...(worker === undefined ? {} : { worker }), event_loop_delay_ms: eventLoopDelayMs, gc_ms: gcMs }));
    for (const { name, startMs, endMs } of parts) {
      const track = this.#freeTrack(pid, worker ?? `${stage} parts`, startMs, endMs, events);
      events.push(span(pid, track, name, startMs, endMs, { seq }));
    }
  }

  #process(stream: string, events: TraceEvent[]): number {
    return register(this.#processes, stream, (pid) => events.push({ ph: 'M', name: 'process_name', pid, tid: 0, ts: 0, args: { name: stream } }));
  }

  #freeTrack(pid: number, name: string, startMs: number, endMs: number, events: TraceEvent[]): number {
    for (let number = 1; ; number += 1) {
      const tid = this.#track(pid, number === 1 ? name : `${name} ${number}`, events);
      if ((this.#busyUntilMs.get(tid) ?? -Infinity) > startMs) continue;
      this.#busyUntilMs.set(tid, endMs);
      return tid;
    }
  }

  #track(pid: number, name: string, events: TraceEvent[]): number {
    return register(this.#tracks, `${pid}/${name}`, (tid) => events.push({ ph: 'M', name: 'thread_name', pid, tid, ts: 0, args: { name } }));
  }
}

/** Whole nanoseconds, so that a span's end is exactly where the next one starts. */
function span(pid: number, tid: number, name: string, startMs: number, endMs: number, args: Record<string, unknown>): TraceEvent {
  const startNs = Math.round(startMs * MS_TO_NS);
  const endNs = Math.max(startNs, Math.round(endMs * MS_TO_NS));
  return { ph: 'X', cat: 'frame', name, pid, tid, ts: startNs / NS_IN_A_US, dur: (endNs - startNs) / NS_IN_A_US, args };
}

function register(known: Map<string, number>, key: string, announce: (id: number) => void): number {
  const existing = known.get(key);
  if (existing !== undefined) return existing;
  const id = known.size + 1;
  known.set(key, id);
  announce(id);
  return id;
}
