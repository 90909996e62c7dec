import type { DeliveredFrame, StageTiming } from '../core/result.js';

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

const MS_TO_US = 1e3;

/**
 * Frames as trace events: a track for each stage's queue, one for each stage or worker, one for whole frames, each frame's spans carrying
 * its sequence number.
 */
export class TraceEvents {
  readonly #tracks = new Map<string, number>();
  readonly #processes = new Map<string, number>();

  /** Events of one frame, with the metadata of tracks that appear for the first time. */
  ofFrame({ stream, result, timings, endToEndMs, droppedSinceLast }: DeliveredFrame): TraceEvent[] {
    const events: TraceEvent[] = [];
    const { sequence, firstByteMs } = result.frame;
    const pid = this.#process(stream, events);
    const args = { seq: sequence, detections: result.detections?.count ?? 0, boxes_before_nms: result.detections?.boxesBeforeNms ?? 0, dropped_since_last: droppedSinceLast };
    events.push(span(pid, this.#track(pid, 'frame', events), `frame ${sequence}`, firstByteMs, firstByteMs + endToEndMs, args));
    for (const timing of timings) this.#stage(pid, timing, sequence, events);
    return events;
  }

  #stage(pid: number, timing: StageTiming, seq: number, events: TraceEvent[]): void {
    const { stage, queuedMs, startedMs, endedMs, worker, eventLoopDelayMs, gcMs, parts } = timing;
    if (startedMs > queuedMs) {
      events.push(span(pid, this.#track(pid, `${stage} queue`, events), `${stage} wait`, queuedMs, startedMs, { seq }));
    }
    const tid = this.#track(pid, worker ?? stage, events);
    events.push(span(pid, tid, stage, startedMs, endedMs, { seq, event_loop_delay_ms: eventLoopDelayMs, gc_ms: gcMs }));
    for (const part of parts) events.push(span(pid, tid, part.name, part.startMs, part.endMs, { seq }));
  }

  #process(stream: string, events: TraceEvent[]): number {
    return register(this.#processes, stream, (pid) => events.push({ ph: 'M', name: 'process_name', pid, tid: 0, ts: 0, args: { name: stream } }));
  }

  #track(pid: number, name: string, events: TraceEvent[]): number {
    return register(this.#tracks, `${pid}/${name}`, (tid) => events.push({ ph: 'M', name: 'thread_name', pid, tid, ts: 0, args: { name } }));
  }
}

function span(pid: number, tid: number, name: string, startMs: number, endMs: number, args: Record<string, unknown>): TraceEvent {
  return { ph: 'X', cat: 'frame', name, pid, tid, ts: startMs * MS_TO_US, dur: Math.max(0, endMs - startMs) * MS_TO_US, args };
}

function register(known: Map<string, number>, key: string, announce: (id: number) => void): number {
  const existing = known.get(key);
  if (existing !== undefined) return existing;
  const id = known.size + 1;
  known.set(key, id);
  announce(id);
  return id;
}
