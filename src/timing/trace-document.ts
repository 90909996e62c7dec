import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FrameSpans } from './frame-spans.js';
import type { RuntimeIntervals } from './runtime-monitor.js';
import { type TraceEvent, TraceEvents } from './trace-events.js';

/** Not the process of a stream. */
const RUNTIME_PID = 0;
const MS_TO_US = 1e3;
/** Frames written at one go: about a millisecond. The streams whose times these are go on meanwhile. */
const FRAMES_PER_TURN = 32;

/**
 * A Chrome trace (JSON text, for Perfetto) of frames that are over, with what held up the main thread meanwhile on tracks of their own:
 * in pieces, so that the event loop is never held up by it.
 *
 * @param facts for people, shown by Perfetto under "Info".
 */
export async function* traceDocument(frames: readonly FrameSpans[], { collections, late }: RuntimeIntervals, facts: Readonly<Record<string, unknown>> = {}): AsyncGenerator<string> {
  const events = new TraceEvents();
  const runtime: TraceEvent[] = [
    { ph: 'M', name: 'process_name', pid: RUNTIME_PID, tid: 0, ts: 0, args: { name: 'main thread' } },
    ...intervalTrack(1, 'garbage collection', collections),
    ...intervalTrack(2, 'event loop late', late),
  ];
  yield `{"displayTimeUnit":"ms","otherData":${JSON.stringify(facts)},"traceEvents":[\n${linesOf(runtime)}`;
  for (let first = 0; first < frames.length; first += FRAMES_PER_TURN) {
    await nextTurn();
    const piece = frames.slice(first, first + FRAMES_PER_TURN).flatMap((frame) => events.ofFrame(frame));
    yield `,\n${linesOf(piece)}`;
  }
  yield '\n]}\n';
}

function linesOf(events: readonly TraceEvent[]): string {
  return events.map((event) => JSON.stringify(event)).join(',\n');
}

function intervalTrack(tid: number, name: string, intervals: RuntimeIntervals['late']): TraceEvent[] {
  if (intervals.length === 0) return [];
  return [
    { ph: 'M', name: 'thread_name', pid: RUNTIME_PID, tid, ts: 0, args: { name } },
    ...intervals.map(({ startMs, endMs }): TraceEvent => ({ ph: 'X', cat: 'runtime', name, pid: RUNTIME_PID, tid, ts: startMs * MS_TO_US, dur: (endMs - startMs) * MS_TO_US })),
  ];
}
