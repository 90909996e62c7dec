import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { expect, test } from 'vitest';
import { Frame } from '../../src/core/frame.js';
import { FramePool } from '../../src/core/frame-pool.js';
import type { DeliveredFrame, StageTiming } from '../../src/core/result.js';
import { BreachSink } from '../../src/sinks/breach-sink.js';
import { RecorderSink } from '../../src/sinks/recorder-sink.js';
import { FlightRecorder } from '../../src/timing/flight-recorder.js';
import { tempFolder } from '../fixtures/temp-folder.js';

interface Story {
  readonly sink: BreachSink;
  readonly folder: string;
  readonly lines: Record<string, unknown>[];
  /** Frames a tenth of a second apart, of 20 ms but for the late ones. */
  readonly watch: (frames: number, lateMs?: Readonly<Record<number, number>>) => void;
}

function story(folder = join(tempFolder(), 'breaches')): Story {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  const recorder = new FlightRecorder();
  const sink = new BreachSink({ thresholdMs: 100, folder, recorder, log, intervals: () => ({ collections: [], late: [] }) });
  const recording = new RecorderSink(recorder);
  let sequence = 0;
  const watch: Story['watch'] = (frames, lateMs = {}) => {
    for (let i = 0; i < frames; i += 1, sequence += 1) {
      const frame = delivered(sequence, lateMs[sequence] ?? 20);
      recording.deliver(frame);
      sink.deliver(frame);
    }
  };
  return { sink, folder, lines, watch };
}

const pool = new FramePool(2, 3);

/** The inference is what takes long. */
function delivered(sequence: number, endToEndMs: number): DeliveredFrame {
  const firstByteMs = sequence * 100;
  const size = { width: 1, height: 1 };
  const frame = new Frame(
    {
      source: 'door',
      sequence,
      ptsUs: firstByteMs * 1e3,
      capture: { epochMs: undefined, clock: 'host', uncertaintyMs: undefined },
      firstByteMs,
      arrivedMs: firstByteMs + 5,
      sourceSize: size,
      format: { size, fit: 'stretch', padValue: 0 },
      fit: { scaleX: 1, scaleY: 1, padX: 0, padY: 0 },
    },
    pool.acquire()!,
  );
  frame.release();
  const span = (stage: string, startedMs: number, endedMs: number): StageTiming => ({ stage, queuedMs: startedMs, startedMs, endedMs, eventLoopDelayMs: 0, gcMs: 0, parts: [] });
  const timings = [span('source', firstByteMs, firstByteMs + 5), span('detect', firstByteMs + 5, firstByteMs + endToEndMs)];
  return { stream: 'door', result: { frame }, labels: [], timings, endToEndMs, emittedEpochMs: 0, droppedSinceLast: {} };
}

test('a late frame leaves a trace of what was around it, with the cause', async () => {
  const { sink, folder, lines, watch } = story();
  watch(80, { 50: 250 });
  await sink.close();
  expect(readdirSync(folder)).toEqual(['door-50.trace.json']);
  const { otherData, traceEvents } = JSON.parse(readFileSync(join(folder, 'door-50.trace.json'), 'utf8')) as { otherData: unknown; traceEvents: { name: string }[] };
  expect(otherData).toEqual({ stream: 'door', seq: 50, end_to_end_ms: 250, threshold_ms: 100, cause: 'service', stage: 'detect', excess_ms: 230, share: 1 });
  const seen = traceEvents.filter(({ name }) => name.startsWith('frame ')).map(({ name }) => Number(name.slice(6)));
  // A second after it is waited for.
  expect(Math.max(...seen)).toBeGreaterThan(55);
  expect(lines).toMatchObject([{ stream: 'door', seq: 50, cause: 'service', stage: 'detect', trace: join(folder, 'door-50.trace.json'), msg: 'A frame took 250.0 ms: slow work (detect), 100 % of 230.0 ms more than usual' }]);
});

test('one trace is enough for half a minute, and the next one tells how many were passed over', async () => {
  const { sink, folder, lines, watch } = story();
  watch(500, { 50: 250, 52: 300, 90: 300, 400: 200 });
  await sink.close();
  expect(readdirSync(folder).toSorted()).toEqual(['door-400.trace.json', 'door-50.trace.json']);
  expect(lines.map((line) => line['since_last'])).toEqual([1, 1]);
  expect(sink.counts).toEqual([{ stream: 'door', cause: 'service', count: 4 }]);
});

test('the first frames of a stream are no breach, nor is what takes as long as allowed', async () => {
  const { sink, folder, watch } = story();
  watch(80, { 0: 900, 10: 400, 60: 100 });
  await sink.close();
  expect(existsSync(folder)).toBe(false);
  expect(sink.counts).toEqual([]);
});

test('where all frames are slow, none has a cause of its own', async () => {
  const { sink, watch } = story();
  watch(60, Object.fromEntries(Array.from({ length: 60 }, (_, i) => [i, 250])));
  await sink.close();
  expect(sink.counts).toEqual([{ stream: 'door', cause: 'usual', count: 30 }]);
});

test('what is late at the very end is written, too', async () => {
  const { sink, folder, watch } = story();
  watch(52, { 51: 250 });
  await sink.close();
  expect(readdirSync(folder)).toEqual(['door-51.trace.json']);
});

test('a folder that can not be written to is said, and ends nothing', async () => {
  const parent = tempFolder();
  writeFileSync(join(parent, 'breaches'), 'a file');
  chmodSync(join(parent, 'breaches'), 0o400);
  const { sink, lines, watch } = story(join(parent, 'breaches'));
  watch(80, { 50: 250 });
  await sink.close();
  expect(lines.at(-1)).toMatchObject({ code: 'ERR_OUTPUT_WRITE' });
});
