import type { FrameSpans } from './frame-spans.js';
import type { RuntimeIntervals } from './runtime-monitor.js';
import { type TraceEvent, TraceEvents } from './trace-events.js';

/** Not the process of a stream. */
const RUNTIME_PID = 0;
const MS_TO_US = 1e3;

/**
 * A Chrome trace (JSON text, for Perfetto) of frames that are over, with what held up the main thread meanwhile on tracks of their own.
 *
 * @param facts for people, shown by Perfetto under "Info".
 */
export function traceDocument(frames: readonly FrameSpans[], { collections, late }: RuntimeIntervals, facts: Readonly<Record<string, unknown>> = {}): string {
  const events = new TraceEvents();
  const traceEvents: TraceEvent[] = [
    { ph: 'M', name: 'process_name', pid: RUNTIME_PID, tid: 0, ts: 0, args: { name: 'main thread' } },
    ...intervalTrack(1, 'garbage collection', collections),
    ...intervalTrack(2, 'event loop late', late),
    ...frames.flatMap((frame) => events.ofFrame(frame)),
  ];
  return `${JSON.stringify({ displayTimeUnit: 'ms', otherData: facts, traceEvents })}\n`;
}

function intervalTrack(tid: number, name: string, intervals: RuntimeIntervals['late']): TraceEvent[] {
  if (intervals.length === 0) return [];
  return [
    { ph: 'M', name: 'thread_name', pid: RUNTIME_PID, tid, ts: 0, args: { name } },
    ...intervals.map(({ startMs, endMs }): TraceEvent => ({ ph: 'X', cat: 'runtime', name, pid: RUNTIME_PID, tid, ts: startMs * MS_TO_US, dur: (endMs - startMs) * MS_TO_US })),
  ];
}
