import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import type { Overflow } from '../../src/core/overflow.js';
import type { FrameResult } from '../../src/core/result.js';
import { SeededRandom } from '../../src/core/seeded-random.js';
import type { Sink } from '../../src/core/sink.js';
import { DetectorService, type DetectorServiceOptions } from '../../src/detector/detector-service.js';
import { YoloStage } from '../../src/detector/yolo-stage.js';
import { RunningStream } from '../../src/graph/running-stream.js';
import { FrameRedundancy } from '../../src/redundancy/frame-redundancy.js';
import { RedundancyGateStage } from '../../src/redundancy/gate-stage.js';
import { GatedDetectStage } from '../../src/redundancy/gated-detect-stage.js';
import { RuntimeMonitor } from '../../src/timing/runtime-monitor.js';
import { RecordingLog } from '../fixtures/recording-log.js';
import { ScriptedSource, type ScriptedSourceOptions } from '../fixtures/scripted-source.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { tinyDetector, writeModel } from '../fixtures/tiny-onnx.js';

const detector = tinyDetector();
const { manifest } = detector;
const modelPath = writeModel(tempFolder(), 'tiny.onnx', detector.prepared);
const PLANE_BYTES = manifest.input.width * manifest.input.height;
const THRESHOLDS = { confidenceThreshold: 0.01, iouThreshold: 0.45, maxDetections: 100 };

const monitor = new RuntimeMonitor();
const services: DetectorService[] = [];
afterAll(async () => {
  monitor.close();
  await Promise.all(services.map((service) => service.close()));
});

async function startService(options: Partial<Omit<DetectorServiceOptions, 'modelPath' | 'modelBytes'>> = {}): Promise<DetectorService> {
  const service = await DetectorService.start({ manifest, modelPath, mode: 'throughput', cores: 1, prefetch: false, ...options });
  services.push(service);
  return service;
}

/** Blocks of random greys: a seed is a picture. */
function picture(seed: number): (pixels: Uint8Array) => void {
  return (pixels) => {
    const random = new SeededRandom(seed);
    const greys = Array.from({ length: 64 }, () => random.integer(256));
    const { width } = manifest.input;
    for (let i = 0; i < PLANE_BYTES; i += 1) {
      const grey = greys[8 * (i >> 7) + ((i % width) >> 2)]!;
      for (let plane = 0; plane < 3; plane += 1) pixels[plane * PLANE_BYTES + i] = grey;
    }
  };
}

interface RunOptions extends ScriptedSourceOptions {
  readonly overflow?: Overflow;
}

function runOn(service: DetectorService, { overflow = 'block', ...options }: RunOptions = {}) {
  const source = new ScriptedSource({ capacity: 12, ...options });
  const kept: FrameResult[] = [];
  const served: (string | undefined)[] = [];
  const sink: Sink = {
    kind: 'keeping',
    deliver: ({ result, timings }) => {
      kept.push(result);
      served.push(timings.find(({ stage }) => stage === 'detect')!.worker);
    },
    close: () => undefined,
  };
  const redundancy = new FrameRedundancy({ detector: new YoloStage(service, THRESHOLDS), maxAgeMs: 1000, maxMovedMs: 250, maxLoss: 1, minChange: 3 });
  const stages = [
    { id: 'gate', stage: new RedundancyGateStage(redundancy), overflow: 'block' as const },
    { id: 'detect', stage: new GatedDetectStage(redundancy), overflow },
  ];
  const stream = new RunningStream({ name: 'test', source, stages, sinks: [sink], model: manifest.id, labels: manifest.labels, monitor, log: new RecordingLog() });
  const words = () => kept.map(({ redundancy: report }) => `${report!.action}:${report!.reason}`);
  return { source, kept, served, stream, words };
}

async function delivered(kept: readonly unknown[], count: number): Promise<void> {
  while (kept.length < count) await nextTurn();
}

describe('a stream with a gate', () => {
  test('infers a still picture once a second, and gives every frame its boxes, in order', async () => {
    const { source, kept, served, stream, words } = runOn(await startService({ cores: 2, prefetch: true }));
    await Promise.all([source.emitAll(60, picture(1)), stream.done]);
    expect(kept.map(({ frame }) => frame.sequence)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    // 25 frames a second.
    expect(words().map((word, i) => (word === 'reused:static' ? '' : `${i} ${word}`)).filter(Boolean)).toEqual(['0 inferred:first', '25 inferred:age', '50 inferred:age']);
    expect(served.filter((worker) => worker !== undefined).length).toBe(3);
    expect(new Set(kept.map(({ detections }) => JSON.stringify([[...detections!.xyxy], [...detections!.confidence]]))).size).toBe(1);
    expect(kept.map(({ redundancy }) => redundancy!.ageFrames).slice(23, 28)).toEqual([23, 24, 0, 1, 2]);
    expect(kept.reduce((sum, { redundancy }) => sum + redundancy!.inferredShare, 0)).toBe(3);
    expect(stream.stats().redundancy).toEqual({
      frames: [
        { action: 'inferred', reason: 'first', count: 1 },
        { action: 'reused', reason: 'static', count: 57 },
        { action: 'inferred', reason: 'age', count: 2 },
      ],
      avoidedInferences: 57,
      avoidedWorkShare: 1 - 3 / 60,
    });
    expect(source.pool.inUse).toBe(0);
  });

  test('infers all of a picture that always changes, in several workers, and mixes nothing up', async () => {
    const service = await startService({ cores: 2, prefetch: true });
    const gated = runOn(service);
    let seed = 0;
    await Promise.all([gated.source.emitAll(40, (pixels) => picture(seed++)(pixels)), gated.stream.done]);
    expect(gated.words()).toEqual(['inferred:first', ...new Array<string>(39).fill('inferred:changed')]);
    expect(new Set(gated.served).size).toBe(2);
    const means = Array.from({ length: 40 }, (_, i) => meanOf(i));
    gated.kept.forEach(({ detections }, i) => expect(detections!.confidence[0]).toBeCloseTo(means[i]! / 255, 2));
  });

  test('loses and reorders nothing where still and changing pictures take turns', async () => {
    const { source, kept, stream } = runOn(await startService({ cores: 2, prefetch: true }));
    const random = new SeededRandom(5);
    let seed = 0;
    const shown: number[] = [];
    await Promise.all([
      source.emitAll(120, (pixels) => {
        if (random.chance(0.4)) seed += 1;
        shown.push(seed);
        picture(seed)(pixels);
      }),
      stream.done,
    ]);
    expect(kept.map(({ frame }) => frame.sequence)).toEqual(Array.from({ length: 120 }, (_, i) => i));
    kept.forEach(({ detections }, i) => expect(detections!.confidence[0]).toBeCloseTo(meanOf(shown[i]!) / 255, 2));
    expect(stream.stats().redundancy!.avoidedInferences).toBeGreaterThan(20);
    expect(source.pool.inUse).toBe(0);
  });

  test.each<[string, RunOptions]>([
    ['live', { delivery: 'live', overflow: 'latest' }],
    ['lossless', {}],
  ])('%s: asks for no turn for a frame that the model need not see', async (_, options) => {
    const service = await startService();
    const { source, kept, stream, words } = runOn(service, options);
    source.emit(picture(1));
    await delivered(kept, 1);
    // Somebody else has all turns, and keeps them.
    service.turns.request(() => true, {});
    for (let i = 0; i < 5; i += 1) {
      source.emit(picture(1));
      await delivered(kept, 2 + i);
    }
    expect(words().slice(1)).toEqual(new Array<string>(5).fill('reused:static'));
    service.turns.release();
    source.complete();
    await stream.done;
  });

  test('live: of frames that wait for a turn, the newest is inferred', async () => {
    const service = await startService();
    const { source, kept, stream, words } = runOn(service, { delivery: 'live', overflow: 'latest' });
    source.emit(picture(1));
    await delivered(kept, 1);
    service.turns.request(() => true, {});
    for (const seed of [2, 3, 4]) {
      source.emit(picture(seed));
      await nextTurn();
    }
    service.turns.release();
    await delivered(kept, 2);
    source.complete();
    await stream.done;
    expect(words()).toEqual(['inferred:first', 'inferred:changed']);
    expect(kept[1]!.frame.sequence).toBe(3);
    expect(stream.stats().dropped).toEqual([{ stage: 'detect', reason: 'replaced_by_newer', count: 2 }]);
    expect(source.pool.inUse).toBe(0);
  });

  test('gives a turn back that the newest frame does not need', async () => {
    const service = await startService();
    const { source, kept, stream, words } = runOn(service, { delivery: 'live', overflow: 'latest' });
    source.emit(picture(1));
    await delivered(kept, 1);
    service.turns.request(() => true, {});
    source.emit(picture(2));
    await nextTurn();
    source.emit(picture(1));
    await nextTurn();
    service.turns.release();
    await delivered(kept, 2);
    expect(words()).toEqual(['inferred:first', 'reused:static']);
    // All turns are free again: a changed picture gets one.
    source.emit(picture(3));
    await delivered(kept, 3);
    source.complete();
    await stream.done;
    expect(words()[2]).toBe('inferred:changed');
  });

  test('loses the frames that the model fails on, counted, and asks it again for the next', async () => {
    const service = await startService();
    const { source, kept, stream } = runOn(service);
    source.emit(picture(1));
    await delivered(kept, 1);
    await service.close();
    for (const seed of [2, 2, 2]) source.emit(picture(seed));
    source.complete();
    await stream.done;
    const { dropped } = stream.stats();
    expect(dropped.reduce((sum, { count }) => sum + count, 0)).toBe(3);
    expect(source.pool.inUse).toBe(0);
  });
});

/** Of the plane that the first box looks at. */
function meanOf(seed: number): number {
  const pixels = new Uint8Array(3 * PLANE_BYTES);
  picture(seed)(pixels);
  return pixels.subarray(0, PLANE_BYTES).reduce((sum, value) => sum + value, 0) / PLANE_BYTES;
}
