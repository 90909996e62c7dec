import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterEach, expect, test, vi } from 'vitest';
import { Pipeline } from '../../src/cli/pipeline.js';
import type { StageDefinition } from '../../src/config/stream-definition.js';
import type { DeliveredFrame } from '../../src/core/result.js';
import type { StreamStats } from '../../src/core/stream-view.js';
import { ModelStore } from '../../src/model-store/store.js';
import { storePaths } from '../../src/model-store/store-paths.js';
import { FrameRedundancy } from '../../src/redundancy/frame-redundancy.js';
import { ByteTracker } from '../../src/tracking/byte-tracker.js';
import { tinyModelFolder } from '../fixtures/cli.js';
import { makeClip } from '../fixtures/index.js';
import { RecordingLog } from '../fixtures/recording-log.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const home = tempFolder();
const FRAMES = 30;
/** Over what the tiny detector is sure of in this clip, and under it where a tracker may have boxes from two fifths of it on. */
const detect: StageDefinition = { id: 'detect', kind: 'detector.yolo', options: { model: tinyModelFolder(home), cores: 1, confidenceThreshold: 0.48 } };

interface Ran {
  /** What is known of the last frame. */
  readonly findings: readonly string[];
  readonly boxesBeforeNms: number;
  readonly kinds: readonly string[];
  readonly stats: StreamStats;
  readonly buffers: number;
  readonly workers: number;
  readonly looks: number;
  readonly updates: number;
}

/** The stream as it would run for a user, with all that it started counted. */
async function run(stages: readonly StageDefinition[]): Promise<Ran> {
  const look = vi.spyOn(FrameRedundancy.prototype, 'look');
  const update = vi.spyOn(ByteTracker.prototype, 'update');
  let workers = 0;
  const count = (_worker: Worker): void => void (workers += 1);
  process.on('worker', count);
  let last: DeliveredFrame['result'] | undefined;
  const sink = { kind: 'list', deliver: ({ result }: DeliveredFrame) => void (last = result), close: () => undefined };
  const store = new ModelStore(storePaths({ LYNCEUS_HOME: join(home, 'home') }));
  const pipeline = await Pipeline.prepare([{ name: 'yard', source: { kind: 'file', path: await makeClip({ frames: FRAMES }) }, stages: [...stages] }], { store, log: new RecordingLog(), sinksFor: () => [sink] });
  try {
    await pipeline.start();
    const [stream] = pipeline.streams;
    await stream!.done;
    return {
      findings: Object.keys(last!).toSorted(),
      boxesBeforeNms: last!.detections!.boxesBeforeNms,
      kinds: stream!.describe().nodes.map(({ kind }) => kind),
      stats: stream!.stats(),
      buffers: stream!.pool()!.capacity,
      workers,
      looks: look.mock.calls.length,
      updates: update.mock.calls.length,
    };
  } finally {
    process.off('worker', count);
    await pipeline.close();
  }
}

afterEach(() => vi.restoreAllMocks());

test('a stream that names a detector alone has nothing of gate, guard, tracker or governor: no stage, worker, buffer, box or number', async () => {
  const plain = await run([detect]);
  expect(plain).toMatchObject({ kinds: ['source.file', 'detector.yolo', 'deliver', 'sink.list'], workers: 1, looks: 0, updates: 0 });
  expect(plain.findings).toEqual(['detections', 'frame']);
  expect(plain.stats.stages.map(({ stage }) => stage)).toEqual(['source', 'detect', 'deliver']);
  for (const part of ['guard', 'redundancy', 'tracks', 'governor']) expect(plain.stats).not.toHaveProperty(part);
  // Only what the user wants goes into suppression.
  expect(plain.boxesBeforeNms).toBe(0);
});

test('where it names them, they are there', async () => {
  const plain = await run([detect]);
  vi.restoreAllMocks();
  const all = await run([{ id: 'gate', kind: 'gate.redundancy' }, detect, { id: 'track', kind: 'tracker.byte' }]);
  expect(all).toMatchObject({ kinds: ['source.file', 'gate.redundancy', 'detector.yolo', 'tracker.byte', 'deliver', 'sink.list'], looks: FRAMES, updates: FRAMES });
  expect(all.findings).toEqual(['detections', 'frame', 'redundancy', 'tracks']);
  expect(all.stats).toHaveProperty('redundancy');
  expect(all.stats).toHaveProperty('tracks');
  expect(all.boxesBeforeNms).toBeGreaterThan(0);
  expect(all.buffers).toBeGreaterThan(plain.buffers);
});
