import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StageTiming } from '../../src/core/result.js';
import type { FrameSpans } from '../../src/timing/frame-spans.js';
import { type TraceEvent, TraceEvents } from '../../src/timing/trace-events.js';

function delivered(sequence: number, firstByteMs: number, endToEndMs: number, timings: readonly StageTiming[], stream = 'door'): FrameSpans {
  return { stream, sequence, firstByteMs, endToEndMs, timings, detections: 0, boxesBeforeNms: 0, droppedSinceLast: { 'detect:stage_busy': sequence } };
}

function timing(stage: string, queuedMs: number, startedMs: number, endedMs: number, more: Partial<StageTiming> = {}): StageTiming {
  return { stage, queuedMs, startedMs, endedMs, eventLoopDelayMs: 0.5, gcMs: 0.25, parts: [], ...more };
}

const spans = (events: readonly TraceEvent[]) => events.filter(({ ph }) => ph === 'X');
const metadata = (events: readonly TraceEvent[]) => events.filter(({ ph }) => ph === 'M');

describe('a frame', () => {
  const timings = [
    timing('source', 1_000, 1_000, 1_002),
    timing('detect', 1_002, 1_003.5, 1_010, { worker: 'w-0', parts: [{ name: 'infer', startMs: 1_003.5, endMs: 1_009 }] }),
    timing('deliver', 1_010, 1_010, 1_010.25),
  ];
  const events = new TraceEvents().ofFrame(delivered(7, 1_000, 10.25, timings));

  test('is a span in microseconds, with what was found and lost', () => {
    expect(spans(events)[0]).toEqual({
      ph: 'X',
      cat: 'frame',
      name: 'frame 7',
      pid: 1,
      tid: 1,
      ts: 1_000_000,
      dur: 10_250,
      args: { seq: 7, detections: 0, boxes_before_nms: 0, dropped_since_last: { 'detect:stage_busy': 7 } },
    });
  });

  test('has a span for each wait, service and part', () => {
    expect(spans(events).map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
      ['frame 7', 1_000_000, 10_250],
      ['source', 1_000_000, 2_000],
      ['detect wait', 1_002_000, 1_500],
      ['detect', 1_003_500, 6_500],
      ['infer', 1_003_500, 5_500],
      ['deliver', 1_010_000, 250],
    ]);
    expect(spans(events).find(({ name }) => name === 'detect')?.args).toEqual({ seq: 7, worker: 'w-0', event_loop_delay_ms: 0.5, gc_ms: 0.25 });
  });

  test('names its tracks, each for itself', () => {
    expect(metadata(events).map(({ name, args }) => [name, args?.['name']])).toEqual([
      ['process_name', 'door'],
      ['thread_name', 'frame'],
      ['thread_name', 'source'],
      ['thread_name', 'detect queue'],
      ['thread_name', 'detect'],
      ['thread_name', 'w-0'],
      ['thread_name', 'deliver'],
    ]);
  });
});

test('metadata comes once for each track, and streams have their own', () => {
  const trace = new TraceEvents();
  const first = trace.ofFrame(delivered(0, 0, 1, [timing('detect', 0, 0, 1)]));
  const second = trace.ofFrame(delivered(1, 1, 1, [timing('detect', 1, 1, 2)]));
  const other = trace.ofFrame(delivered(0, 0, 1, [timing('detect', 0, 0, 1)], 'yard'));
  expect([metadata(first).length, metadata(second).length, metadata(other).length]).toEqual([3, 0, 3]);
  const ids = new Set([...metadata(first), ...metadata(other)].map(({ name, pid, tid }) => `${name}/${pid}/${tid}`));
  expect(ids.size).toBe(6);
});

test('frames at one place at once get tracks beside each other', () => {
  const trace = new TraceEvents();
  trace.ofFrame(delivered(0, 0, 10, []));
  const events = trace.ofFrame(delivered(1, 5, 10, []));
  expect(metadata(events).map(({ args }) => args?.['name'])).toEqual(['frame 2']);
  const third = trace.ofFrame(delivered(2, 10, 10, []));
  expect(metadata(third)).toEqual([]);
});

test('of any stream the trace is valid: whole nanoseconds, no negative length, no overlap on a track, every track named', () => {
  const times = fc.tuple(fc.double({ min: 0, max: 50, noNaN: true }), fc.double({ min: 0, max: 30, noNaN: true }), fc.double({ min: 0, max: 30, noNaN: true }));
  fc.assert(
    fc.property(fc.array(times, { maxLength: 40 }), fc.constantFrom(undefined, 'w-0'), (frames, worker) => {
      const trace = new TraceEvents();
      let atMs = 12_345.678;
      const events = frames.flatMap(([gapMs, waitMs, serviceMs], sequence) => {
        atMs += gapMs;
        const startedMs = atMs + waitMs;
        const endedMs = startedMs + serviceMs;
        const parts = [{ name: 'infer', startMs: startedMs, endMs: endedMs }];
        return trace.ofFrame(delivered(sequence, atMs, waitMs + serviceMs, [timing('detect', atMs, startedMs, endedMs, { parts, ...(worker ? { worker } : {}) })]));
      });
      const named = new Set(metadata(events).filter(({ name }) => name === 'thread_name').map(({ tid }) => tid));
      const endOfTrackNs = new Map<number, number>();
      for (const { tid, ts, dur } of spans(events)) {
        const [startNs, durationNs] = [Math.round(ts * 1e3), Math.round(dur! * 1e3)];
        expect(Math.abs(ts * 1e3 - startNs)).toBeLessThan(1e-3);
        expect(durationNs).toBeGreaterThanOrEqual(0);
        expect(startNs).toBeGreaterThanOrEqual(endOfTrackNs.get(tid) ?? 0);
        expect(named).toContain(tid);
        endOfTrackNs.set(tid, startNs + durationNs);
      }
      expect(JSON.parse(JSON.stringify(events))).toEqual(events);
    }),
    { numRuns: 50 },
  );
});
