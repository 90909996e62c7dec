import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import type { Detections } from '../../src/core/detections.js';
import type { Overflow } from '../../src/core/overflow.js';
import type { DeliveredFrame } from '../../src/core/result.js';
import type { Sink } from '../../src/core/sink.js';
import type { Stage } from '../../src/core/stage.js';
import { DetectorService, type DetectorServiceOptions } from '../../src/detector/detector-service.js';
import { YoloStage } from '../../src/detector/yolo-stage.js';
import { RunningStream } from '../../src/graph/running-stream.js';
import { RuntimeMonitor } from '../../src/timing/runtime-monitor.js';
import { rejectionOf } from '../fixtures/failure.js';
import { RecordingLog } from '../fixtures/recording-log.js';
import { ScriptedSource, type ScriptedSourceOptions } from '../fixtures/scripted-source.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { meanModel, tinyDetector, writeModel } from '../fixtures/tiny-onnx.js';

const folder = tempFolder();
const detector = tinyDetector();
const { manifest } = detector;
const modelPath = writeModel(folder, 'tiny.onnx', detector.prepared);
const PLANE_BYTES = manifest.input.width * manifest.input.height;
const THRESHOLDS = { confidenceThreshold: 0.25, iouThreshold: 0.45, maxDetections: 100 };

const monitor = new RuntimeMonitor();
const services: DetectorService[] = [];
afterAll(async () => {
  monitor.close();
  await Promise.all(services.map((service) => service.close()));
});

type ServiceOptions = Partial<Omit<DetectorServiceOptions, 'modelPath' | 'modelBytes'>> & { readonly modelPath?: string };

async function startService(options: ServiceOptions = {}): Promise<DetectorService> {
  const service = await DetectorService.start({ manifest, modelPath, mode: 'throughput', cores: 1, prefetch: false, ...options });
  services.push(service);
  return service;
}

/** Fills the planes G, B, R of a frame. */
function fill(g: number, b: number, r: number): (pixels: Uint8Array) => void {
  return (pixels) => [g, b, r].forEach((value, plane) => pixels.fill(value, plane * PLANE_BYTES, (plane + 1) * PLANE_BYTES));
}

interface Kept {
  readonly sequence: number;
  readonly detections: Detections;
  readonly delivered: DeliveredFrame;
}

interface RunOptions extends ScriptedSourceOptions {
  readonly overflow?: Overflow;
  readonly name?: string;
  /** Called when the stage gets a frame. */
  readonly onStart?: () => void;
}

function runOn(service: DetectorService, { overflow = 'block', name = 'test', onStart = () => undefined, ...options }: RunOptions = {}) {
  const source = new ScriptedSource(options);
  const kept: Kept[] = [];
  const sink: Sink = {
    kind: 'keeping',
    deliver: (delivered) => void kept.push({ sequence: delivered.result.frame.sequence, detections: delivered.result.detections!, delivered }),
    close: () => undefined,
  };
  const yolo = new YoloStage(service, THRESHOLDS);
  const stage: Stage = {
    kind: yolo.kind,
    concurrency: yolo.concurrency,
    admission: yolo.admission,
    process: (input, context) => {
      onStart();
      return yolo.process(input, context);
    },
    close: () => yolo.close(),
  };
  const stages = [{ id: 'detect', stage, overflow }];
  const stream = new RunningStream({ name, source, stages, sinks: [sink], model: manifest.id, labels: manifest.labels, monitor, log: new RecordingLog() });
  return { source, kept, stream };
}

function rowsOf({ count, xyxy, confidence, classId }: Detections) {
  return Array.from({ length: count }, (_, i) => ({ xyxy: Array.from(xyxy.subarray(i * 4, i * 4 + 4)), confidence: Number(confidence[i]!.toFixed(3)), classId: classId[i] }));
}

describe('detections', () => {
  test('are in pixels of the source picture, as certain as the plane that they look at is bright', async () => {
    // 64x48 in 32x32 with a letterbox: half the size, 4 rows of padding above.
    const { source, kept, stream } = runOn(await startService());
    source.emit(fill(204, 0, 102));
    source.complete();
    await stream.done;
    expect(rowsOf(kept[0]!.detections)).toEqual([
      { xyxy: [16, 8, 48, 40], confidence: 0.8, classId: 0 },
      { xyxy: [0, 0, 32, 8], confidence: 0.4, classId: 1 },
    ]);
    expect(kept[0]!.detections.boxesBeforeNms).toBe(2);
    expect(kept[0]!.delivered.timings.find(({ stage }) => stage === 'detect')?.boxesBeforeNms).toBe(2);
    expect(source.pool.inUse).toBe(0);
  });

  test('belong to their own frame, also where frames without any lie between', async () => {
    const { source, kept, stream } = runOn(await startService({ prefetch: true }));
    const brightness = [0, 255, 0, 0, 128, 0, 255, 0];
    for (const value of brightness) source.emit(fill(value, 0, 0));
    source.complete();
    await stream.done;
    expect(kept.map(({ detections }) => detections.count)).toEqual([0, 1, 0, 0, 1, 0, 1, 0]);
    expect(kept.filter(({ detections }) => detections.count > 0).map(({ detections }) => rowsOf(detections)[0]!.confidence)).toEqual([1, 0.502, 1]);
    expect(source.pool.inUse).toBe(0);
  });

  test('come with what inference, decoding and suppression took, and in which worker', async () => {
    const { source, kept, stream } = runOn(await startService());
    source.emit(fill(255, 0, 0));
    source.complete();
    await stream.done;
    const timing = kept[0]!.delivered.timings.find(({ stage }) => stage === 'detect')!;
    expect(timing.worker).toBe('detector-tiny-rows-0');
    expect(timing.parts.map(({ name }) => name)).toEqual(['infer', 'decode', 'nms']);
    expect(timing.parts[0]!.startMs).toBe(timing.startedMs);
    timing.parts.forEach(({ startMs, endMs }, i) => {
      expect(endMs).toBeGreaterThanOrEqual(startMs);
      if (i > 0) expect(startMs).toBe(timing.parts[i - 1]!.endMs);
    });
    expect(timing.parts.at(-1)!.endMs).toBeLessThanOrEqual(timing.endedMs);
  });

  test('of frames in several workers leave in the order of the frames', async () => {
    const { source, kept, stream } = runOn(await startService({ cores: 2, prefetch: true }), { capacity: 6 });
    let value = 0;
    await Promise.all([source.emitAll(60, (pixels) => fill(100 + value++, 0, 0)(pixels)), stream.done]);
    expect(kept.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(kept.map(({ detections }) => Math.round(detections.confidence[0]! * 255))).toEqual(Array.from({ length: 60 }, (_, i) => 100 + i));
    expect(new Set(kept.map(({ delivered }) => delivered.timings[1]!.worker)).size).toBe(2);
  });
});

describe('a service', () => {
  test.each<[string, ServiceOptions, number]>([
    ['latency on two cores is one session', { mode: 'latency', cores: 2, prefetch: false }, 1],
    ['throughput on two cores is two', { mode: 'throughput', cores: 2, prefetch: false }, 2],
    ['with a frame waiting at each', { mode: 'throughput', cores: 2, prefetch: true }, 4],
  ])('%s', async (_, options, capacity) => {
    const service = await startService(options);
    expect(service.capacity).toBe(capacity);
    expect(new YoloStage(service, THRESHOLDS).concurrency).toBe(capacity);
  });

  test.each<[string, ServiceOptions, string]>([
    ['a file that is no model', { modelPath: writeModel(folder, 'page.onnx', new TextEncoder().encode('<html>')) }, 'ERR_MODEL_CORRUPT'],
    ['a model that was not prepared', { modelPath: writeModel(folder, 'original.onnx', detector.original) }, 'ERR_MODEL_MANIFEST'],
    ['a model of another size than its manifest says', { modelPath: writeModel(folder, 'mean.onnx', meanModel()) }, 'ERR_MODEL_MANIFEST'],
    ['a head that nobody knows', { manifest: { ...manifest, head: { kind: 'centernet' as 'rows', output: 'rows' } } }, 'ERR_MODEL_HEAD_UNKNOWN'],
  ])('does not start with %s', async (_, options, code) => {
    expect((await rejectionOf(startService(options))).code).toBe(code);
  });

  test('with outputs that are not those of the manifest fails the frames, with what was expected', async () => {
    const service = await startService({ manifest: { ...manifest, head: { ...manifest.head, output: 'boxes' } } });
    const { source, stream } = runOn(service);
    source.emit(fill(255, 0, 0));
    source.complete();
    await stream.done;
    expect(stream.stats().dropped).toEqual([{ stage: 'detect', reason: 'ERR_MODEL_OUTPUT_SHAPE', count: 1 }]);
    expect(source.pool.inUse).toBe(0);
  });

  test('is shared in rotation by streams that always have a newer frame', async () => {
    const service = await startService();
    const turns: string[] = [];
    // While a frame of one stream is looked at, every stream gets a newer one.
    const feed = () => {
      if (turns.length < 60) for (const { source } of streams) source.emit(fill(255, 0, 0));
    };
    const onStart = (name: string) => () => {
      turns.push(name);
      feed();
    };
    const streams = ['a', 'b', 'c'].map((name) => runOn(service, { delivery: 'live', overflow: 'latest', name, onStart: onStart(name) }));
    feed();
    while (turns.length < 60) await nextTurn();
    for (const { source } of streams) source.complete();
    await Promise.all(streams.map(({ stream }) => stream.done));
    expect(turns.slice(0, 60).join('')).toBe('abc'.repeat(20));
    for (const { source } of streams) expect(source.pool.inUse).toBe(0);
  });

  test('that is closed under a running stream fails its frames and leaves none behind', async () => {
    const service = await startService();
    const { source, stream } = runOn(service);
    for (let i = 0; i < 3; i += 1) source.emit();
    await service.close();
    source.complete();
    await stream.done;
    const { delivered, dropped } = stream.stats();
    expect(delivered + dropped.reduce((sum, { count }) => sum + count, 0)).toBe(3);
    expect(source.pool.inUse).toBe(0);
  });
});
