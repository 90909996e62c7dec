import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StageTiming } from '../../src/core/result.js';
import { FlightRecorder } from '../../src/timing/flight-recorder.js';
import type { FrameSpans } from '../../src/timing/frame-spans.js';
import { nameCause } from '../../src/timing/latency-cause.js';
import { traceDocument } from '../../src/timing/trace-document.js';
import type { TraceEvent } from '../../src/timing/trace-events.js';

/** Ten frames a second, each 20 ms on its way. */
function frame(sequence: number, stream = 'door'): FrameSpans {
  return spans(sequence, {}, stream);
}

interface Added {
  readonly decodeMs?: number;
  readonly waitMs?: number;
  readonly inferMs?: number;
  readonly nmsMs?: number;
  readonly detect?: Partial<StageTiming>;
}

/** 4 ms in the source, 1 ms of waiting, 14 ms of inference, 1 ms of suppression, and what is added to them. */
function spans(sequence: number, { decodeMs = 0, waitMs = 0, inferMs = 0, nmsMs = 0, detect = {} }: Added = {}, stream = 'door'): FrameSpans {
  const firstByteMs = sequence * 100;
  const arrivedMs = firstByteMs + 4 + decodeMs;
  const startedMs = arrivedMs + 1 + waitMs;
  const inferredMs = startedMs + 14 + inferMs;
  const endedMs = inferredMs + 1 + nmsMs;
  const quiet = { eventLoopDelayMs: 0, gcMs: 0 };
  const parts = [{ name: 'infer', startMs: startedMs, endMs: inferredMs }, { name: 'nms', startMs: inferredMs, endMs: endedMs }];
  const timings: StageTiming[] = [
    { stage: 'source', queuedMs: firstByteMs, startedMs: firstByteMs, endedMs: arrivedMs, parts: [], ...quiet },
    { stage: 'detect', queuedMs: arrivedMs, startedMs, endedMs, parts, ...quiet, ...detect },
    { stage: 'deliver', queuedMs: endedMs, startedMs: endedMs, endedMs, parts: [], ...quiet },
  ];
  return { stream, sequence, firstByteMs, endToEndMs: endedMs - firstByteMs, timings, detections: 2, boxesBeforeNms: 30, droppedSinceLast: {} };
}

async function collect(pieces: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

describe('the recorder', () => {
  test('keeps the newest frames of each stream, whatever the others do', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('door', 'yard', 'roof'), { maxLength: 60 }), fc.integer({ min: 1, max: 12 }), (streams, kept) => {
        const recorder = new FlightRecorder(kept);
        streams.forEach((stream, sequence) => recorder.add(frame(sequence, stream)));
        for (const stream of ['door', 'yard', 'roof']) {
          const expected = streams.flatMap((name, sequence) => (name === stream ? [sequence] : [])).slice(-kept);
          expect(recorder.since(Number.NEGATIVE_INFINITY, stream).map(({ sequence }) => sequence)).toEqual(expected);
        }
      }),
    );
  });

  test('gives those that were delivered since then, of one stream or of all', () => {
    const recorder = new FlightRecorder();
    for (let sequence = 0; sequence < 10; sequence += 1) recorder.add(frame(sequence, sequence % 2 === 0 ? 'door' : 'yard'));
    // Frame 6 is delivered at 620.
    expect(recorder.since(620).map(({ sequence }) => sequence)).toEqual([6, 8, 7, 9]);
    expect(recorder.since(620.1, 'door').map(({ sequence }) => sequence)).toEqual([8]);
    expect(recorder.since(0, 'cellar')).toEqual([]);
  });
});

describe('a late frame', () => {
  const usual = Array.from({ length: 21 }, (_, i) => frame(i));

  test.each<[string, Added, Partial<ReturnType<typeof nameCause>>]>([
    ['decoding was slow', { decodeMs: 80 }, { kind: 'source', stage: 'source', excessMs: 80, share: 1 }],
    ['it waited for the detector', { waitMs: 60 }, { kind: 'queue', stage: 'detect', excessMs: 60, share: 1 }],
    ['inference was slow', { inferMs: 50 }, { kind: 'service', stage: 'detect', excessMs: 50, share: 1 }],
    ['suppression had much to do', { nmsMs: 40 }, { kind: 'content', stage: 'detect', excessMs: 40, share: 1 }],
    ['garbage was collected meanwhile', { waitMs: 60, detect: { gcMs: 55, eventLoopDelayMs: 58 } }, { kind: 'gc', stage: 'detect' }],
    ['the main thread was busy', { waitMs: 60, detect: { eventLoopDelayMs: 58 } }, { kind: 'event_loop', stage: 'detect' }],
    ['two things came together, the greater is named', { decodeMs: 25, inferMs: 75 }, { kind: 'service', stage: 'detect', excessMs: 100, share: 0.75 }],
    ['a collection that is too short explains nothing', { inferMs: 50, detect: { gcMs: 3 } }, { kind: 'service' }],
  ])('%s', (_, added, cause) => {
    expect(nameCause(spans(50, added), usual)).toMatchObject(cause!);
  });

  test('that is none has no cause, and without others there is nothing to be later than', () => {
    expect(nameCause(frame(3), usual)).toBeUndefined();
    expect(nameCause(spans(3, { inferMs: 500 }), [])).toBeUndefined();
  });
});

test('the trace shows the frames and, on tracks of their own, what held up the main thread', async () => {
  const pieces = await collect(traceDocument([frame(1), frame(2)], { collections: [{ startMs: 110, endMs: 112.5 }], late: [] }, { cause: 'gc' }));
  const document = JSON.parse(pieces.join('')) as { otherData: unknown; traceEvents: TraceEvent[] };
  expect(document.otherData).toEqual({ cause: 'gc' });
  expect(document.traceEvents.filter(({ ph, cat }) => ph === 'X' && cat === 'frame').filter(({ name }) => name.startsWith('frame ')).map(({ name }) => name)).toEqual(['frame 1', 'frame 2']);
  expect(document.traceEvents.filter(({ cat }) => cat === 'runtime')).toMatchObject([{ name: 'garbage collection', ts: 110_000, dur: 2_500 }]);
  expect(document.traceEvents.some(({ name, args }) => name === 'thread_name' && args?.['name'] === 'event loop late')).toBe(false);
  expect(new Set(document.traceEvents.map(({ pid }) => pid)).size).toBe(2);
});
