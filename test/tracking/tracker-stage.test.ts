import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { monotonicMs } from '../../src/core/clock.js';
import { type Detections, NO_DETECTIONS } from '../../src/core/detections.js';
import { Frame, type FrameFormat, frameBytes } from '../../src/core/frame.js';
import { FramePool } from '../../src/core/frame-pool.js';
import { fitImage } from '../../src/core/image-fit.js';
import { type FrameResult, withDetections } from '../../src/core/result.js';
import type { Stage } from '../../src/core/stage.js';
import { RunningStream } from '../../src/graph/running-stream.js';
import { RuntimeMonitor } from '../../src/timing/runtime-monitor.js';
import { TrackCounter } from '../../src/timing/track-counter.js';
import { APPEARANCE_LENGTH, appearanceDistance, describeBoxes } from '../../src/tracking/appearance.js';
import { TRACKING_DEFAULTS } from '../../src/tracking/tracker-options.js';
import { lowThreshold, TrackerStage } from '../../src/tracking/tracker-stage.js';
import { RecordingLog } from '../fixtures/recording-log.js';
import { ScriptedSource } from '../fixtures/scripted-source.js';
import { type SceneBox, seenBoxes } from './scene.js';

const FORMAT: FrameFormat = { size: { width: 64, height: 64 }, fit: 'stretch', padValue: 114 };
const SOURCE = { width: 640, height: 640 };
const OPTIONS = { ...TRACKING_DEFAULTS, confidenceThreshold: 0.25 };
const pool = new FramePool(4, frameBytes(FORMAT));

function resultOf(sequence: number, boxes: readonly SceneBox[], about: Partial<FrameResult> = {}): FrameResult {
  const buffer = pool.acquire();
  if (!buffer) throw new Error('the pool is empty');
  const frame = new Frame(
    {
      source: 'test',
      sequence,
      ptsUs: sequence * 100_000,
      capture: { epochMs: undefined, clock: 'container_pts', uncertaintyMs: undefined },
      firstByteMs: monotonicMs(),
      arrivedMs: monotonicMs(),
      sourceSize: SOURCE,
      format: FORMAT,
      fit: fitImage(SOURCE, FORMAT.size, FORMAT.fit),
    },
    buffer,
  );
  return { frame, detections: seenBoxes(boxes), ...about };
}

/** The stage borrows the frame: afterwards it is ours to release. */
function track(stage: TrackerStage, result: FrameResult): FrameResult {
  const tracked = stage.process(result);
  result.frame.release();
  return tracked;
}

describe('the tracker stage', () => {
  test('delivers what the user wants, and weak boxes that continue a confirmed track alone', () => {
    const stage = new TrackerStage(OPTIONS);
    const boxes: SceneBox[] = [{ x: 100 }, { x: 300, confidence: 0.3 }, { x: 500, confidence: 0.12 }];
    for (const sequence of [0, 1]) expect(track(stage, resultOf(sequence, boxes)).detections!.count).toBe(2);
    expect([...track(stage, resultOf(2, boxes)).tracks!.isConfirmed]).toEqual([1, 0]);
    const { detections, tracks } = track(stage, resultOf(3, [{ x: 300, confidence: 0.3 }, { x: 100, confidence: 0.12 }, { x: 500, confidence: 0.12 }]));
    expect([...detections!.confidence].map((value) => value.toFixed(2))).toEqual(['0.30', '0.12']);
    expect([...detections!.xyxy]).toEqual([280, 150, 320, 250, 80, 150, 120, 250]);
    expect(tracks).toEqual({ ids: Int32Array.of(0, 1), isConfirmed: Uint8Array.of(0, 1), isCoasted: Uint8Array.of(0, 0), confirmedSoFar: 1 });
    expect(pool.inUse).toBe(0);
  });

  test("a guard's report goes on naming the origin of each delivered box", () => {
    const guard = { state: 'guarded', patches: [], origins: ['recovered', 'untouched', 'recovered'], suppressed: NO_DETECTIONS, extraPasses: 1 } as const;
    const { guard: told } = track(new TrackerStage(OPTIONS), resultOf(0, [{ x: 100, confidence: 0.2 }, { x: 200 }, { x: 300 }], { guard }));
    expect(told).toEqual({ ...guard, origins: ['untouched', 'recovered'] });
  });

  test('where it is asked to, goes on with a box where a lost object is expected, for so long', () => {
    const stage = new TrackerStage({ ...OPTIONS, coastSeconds: 0.2 });
    const counter = new TrackCounter();
    // 20 pixels a frame to the right; the second box stands, and is seen once too few to be confirmed.
    for (const sequence of [0, 1, 2, 3, 4, 5]) track(stage, resultOf(sequence, [{ x: 100 + 20 * sequence, confidence: 0.8 }, ...(sequence > 4 ? [{ x: 500 }] : [])]));
    for (const sequence of [6, 7]) {
      const { detections, tracks } = track(stage, resultOf(sequence, [{ x: 300, confidence: 0.3 }]));
      expect(detections!.count).toBe(2);
      expect([...tracks!.ids]).toEqual([0, 1]);
      expect([...tracks!.isConfirmed]).toEqual([0, 1]);
      expect([...tracks!.isCoasted]).toEqual([0, 1]);
      expect(detections!.confidence[1]).toBeCloseTo(0.8, 6);
      expect(detections!.classId[1]).toBe(0);
      const [left, top, right, bottom] = detections!.xyxy.subarray(4);
      expect(Math.abs((left! + right!) / 2 - (100 + 20 * sequence))).toBeLessThan(10);
      expect([top! / 150, bottom! / 250].map((ratio) => Math.round(ratio * 10) / 10)).toEqual([1, 1]);
      counter.add(tracks!);
      // What nobody saw isn't there now.
      expect(counter.stats()!.now).toBe(0);
    }
    expect(track(stage, resultOf(8, [])).detections!.count).toBe(0);
    // It comes back as it was: coasting is no end.
    expect([...track(stage, resultOf(9, [{ x: 280, confidence: 0.8 }])).tracks!.ids]).toEqual([1]);
  });

  test("of itself it delivers what is detected alone, and nothing where an object left the picture", () => {
    const plain = new TrackerStage(OPTIONS);
    const coasting = new TrackerStage({ ...OPTIONS, coastSeconds: 1 });
    for (const sequence of [0, 1, 2, 3]) for (const stage of [plain, coasting]) track(stage, resultOf(sequence, [{ x: 500 + 30 * sequence, width: 80 }]));
    expect(track(plain, resultOf(4, [])).detections!.count).toBe(0);
    const { detections } = track(coasting, resultOf(4, []));
    // Partly out: cut at the border.
    expect(detections!.count).toBe(1);
    expect(detections!.xyxy[2]).toBe(SOURCE.width);
    expect(track(coasting, resultOf(6, [])).detections!.count).toBe(0);
  });

  test('a box that coasts is none of the guard', () => {
    const stage = new TrackerStage({ ...OPTIONS, coastSeconds: 1 });
    for (const sequence of [0, 1, 2]) track(stage, resultOf(sequence, [{ x: 300 }]));
    const guard = { state: 'guarded', patches: [], origins: ['recovered'], suppressed: NO_DETECTIONS, extraPasses: 1 } as const;
    const { guard: told, tracks } = track(stage, resultOf(3, [{ x: 100 }], { guard }));
    expect([...tracks!.isCoasted]).toEqual([0, 1]);
    expect(told!.origins).toEqual(['recovered', 'untouched']);
  });

  test('gives arrays that the next frame leaves alone', () => {
    const stage = new TrackerStage(OPTIONS);
    const first = track(stage, resultOf(0, [{ x: 100 }])).tracks!;
    track(stage, resultOf(1, [{ x: 500 }]));
    expect([...first.ids]).toEqual([1]);
  });

  test('takes one frame at a time, in order', () => {
    const stage = new TrackerStage(OPTIONS);
    expect(stage.concurrency).toBe(1);
    track(stage, resultOf(5, []));
    const late = resultOf(4, []);
    expect(() => stage.process(late)).toThrow(/frame 4 comes to the tracker after frame 5/);
    late.frame.release();
    const blind = resultOf(6, []);
    expect(() => stage.process({ frame: blind.frame })).toThrow(/without detections/);
    blind.frame.release();
  });

  test('asks for boxes down to a share of the threshold', () => {
    expect(lowThreshold({ confidenceThreshold: 0.25, lowShare: 0.4 })).toBeCloseTo(0.1, 12);
  });

  test('another detector after it has other boxes: the tracks are not theirs', () => {
    const tracked = track(new TrackerStage(OPTIONS), resultOf(0, [{ x: 100 }]));
    expect(withDetections(tracked, NO_DETECTIONS).tracks).toBeUndefined();
  });
});

describe('in a stream', () => {
  const monitor = new RuntimeMonitor();
  afterAll(() => monitor.close());

  test('gets its frames in order from a detector that finishes them in any', async () => {
    // As workers do: of three frames in work, the newest is done first.
    const inWork: (() => void)[] = [];
    const detector: Stage = {
      kind: 'test',
      concurrency: 3,
      process: (input) => new Promise((resolve) => inWork.push(() => resolve({ ...input, detections: seenBoxes([{ x: 20 + input.frame.sequence, y: 20, width: 20, height: 20 }]) }))),
      close: () => undefined,
    };
    const source = new ScriptedSource();
    const seen: number[] = [];
    const ids: number[] = [];
    const stream = new RunningStream({
      name: 'test',
      source,
      stages: [
        { id: 'detect', stage: detector, overflow: 'block' },
        { id: 'track', stage: new TrackerStage(OPTIONS), overflow: 'block' },
      ],
      sinks: [{ kind: 'list', deliver: ({ result }) => void (seen.push(result.frame.sequence), ids.push(...result.tracks!.ids)), close: () => undefined }],
      model: 'test',
      labels: ['thing'],
      monitor,
      log: new RecordingLog(),
    });
    const all = source.emitAll(30);
    while (seen.length < 30) {
      inWork.pop()?.();
      await nextTurn();
    }
    await all;
    await stream.done;
    expect(seen).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(new Set(ids)).toEqual(new Set([1]));
    expect(stream.stats().tracks).toEqual({ now: 1, confirmed: 1, idsGiven: 1 });
    expect(source.pool.inUse).toBe(0);
  });

  test('without a tracker there is nothing to say of tracks', () => {
    expect(new TrackCounter().stats()).toBeUndefined();
  });
});

describe('what a box looks like', () => {
  const { size } = FORMAT;
  const fit = fitImage(SOURCE, size, 'stretch');
  const half = { count: 2, xyxy: Float32Array.of(0, 0, 320, 640, 320, 0, 640, 640) } satisfies Pick<Detections, 'count' | 'xyxy'>;

  test('is the mean colour of its bands, green, blue and red', () => {
    const pixels = new Uint8Array(frameBytes(FORMAT));
    // Blue all over, green in the right half, red in the upper three eighths.
    const plane = size.width * size.height;
    pixels.fill(80, plane, 2 * plane);
    for (let y = 0; y < size.height; y += 1) {
      pixels.fill(200, y * size.width + 32, (y + 1) * size.width);
      if (y < 24) pixels.fill(120, 2 * plane + y * size.width, 2 * plane + (y + 1) * size.width);
    }
    const described = [...describeBoxes({ pixels, format: FORMAT, fit }, half)].map(Math.round);
    expect(described.slice(0, 3)).toEqual([0, 80, 120]);
    expect(described.slice(3 * 3, APPEARANCE_LENGTH)).toEqual([0, 80, 0]);
    expect(described.slice(APPEARANCE_LENGTH, APPEARANCE_LENGTH + 3)).toEqual([200, 80, 120]);
    expect(appearanceDistance(Float32Array.from(described), 0, Float32Array.from(described), APPEARANCE_LENGTH)).toBeCloseTo(200 / 3, 5);
  });

  test('is known of boxes that reach out of the picture, and of none', () => {
    const frame = { pixels: new Uint8Array(frameBytes(FORMAT)).fill(50), format: FORMAT, fit };
    expect([...describeBoxes(frame, { count: 1, xyxy: Float32Array.of(-900, -900, 5000, 5000) })].map(Math.round)).toEqual(new Array(APPEARANCE_LENGTH).fill(50));
    expect(describeBoxes(frame, { count: 0, xyxy: new Float32Array(0) })).toHaveLength(0);
  });
});
