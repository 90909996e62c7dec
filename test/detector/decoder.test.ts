import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Detections } from '../../src/core/detections.js';
import type { AppError } from '../../src/core/errors.js';
import { fitImage } from '../../src/core/image-fit.js';
import type { FitMode } from '../../src/core/image-fit.js';
import type { HeadKind, ModelHead } from '../../src/core/manifest.js';
import { createDecoder } from '../../src/detector/decoder.js';
import type { DecodeThresholds, ModelOutputs } from '../../src/detector/decoder.js';
import { HEADS } from './heads.js';
import { manifestOf } from './manifest.js';
import { randomNumbers } from './random.js';
import { referenceDecode } from './reference-decode.js';

const SOURCE = { width: 640, height: 480 };
const IDENTITY = { scaleX: 1, scaleY: 1, padX: 0, padY: 0 };
const INPUT = { width: 64, height: 32 };

function rowsOf({ count, xyxy, confidence, classId }: Detections) {
  return Array.from({ length: count }, (_, i) => ({ xyxy: [...xyxy.subarray(i * 4, i * 4 + 4)], confidence: confidence[i]!, classId: classId[i]! }));
}

describe.each(HEADS)('$name', ({ manifest, outputs }) => {
  test('finds what the dense float64 computation finds', () => {
    const fraction = fc.double({ min: 0.01, max: 0.95, noNaN: true });
    const mode = fc.constantFrom<FitMode>('stretch', 'letterbox', 'letterbox-top-left');
    const decoder = createDecoder(manifest);
    let found = 0;
    fc.assert(
      fc.property(fc.nat(), fraction, fraction, fc.constantFrom(1, 7, 1000), mode, fc.boolean(), (seed, confidenceThreshold, iouThreshold, maxDetections, fitMode, multiLabel) => {
        const tensors = outputs(randomNumbers(seed));
        const thresholds = { confidenceThreshold, iouThreshold, maxDetections, multiLabel };
        const fit = fitImage(SOURCE, manifest.input, fitMode);
        const expected = referenceDecode(manifest, tensors, thresholds, fit, SOURCE);
        const detections = decoder.decode(tensors, thresholds, fit, SOURCE);
        expect(detections.boxesBeforeNms).toBe(expected.boxesBeforeNms);
        const rows = rowsOf(detections);
        expect(rows.map(({ classId }) => classId)).toEqual(expected.boxes.map(({ classId }) => classId));
        rows.forEach((row, i) => {
          expect(row.confidence).toBeCloseTo(expected.boxes[i]!.confidence, 6);
          row.xyxy.forEach((value, k) => expect(value).toBeCloseTo(expected.boxes[i]!.xyxy[k]!, 2));
        });
        found += rows.length;
      }),
      { numRuns: 60 },
    );
    expect(found).toBeGreaterThan(100);
  });

  test('a threshold of 1 finds nothing, of 0 every box', () => {
    const tensors = outputs(randomNumbers(1));
    const decoder = createDecoder(manifest);
    const everything = { confidenceThreshold: 0, iouThreshold: 1, maxDetections: 10_000 };
    const dense = referenceDecode(manifest, tensors, everything, IDENTITY, SOURCE);
    expect(decoder.decode(tensors, everything, IDENTITY, SOURCE).count).toBe(dense.boxes.length);
    const nothing = decoder.decode(tensors, { ...everything, confidenceThreshold: 1 }, IDENTITY, SOURCE);
    expect(nothing).toMatchObject({ count: 0, boxesBeforeNms: 0 });
    expect([nothing.xyxy.length, nothing.confidence.length, nothing.classId.length]).toEqual([0, 0, 0]);
  });

  test('broken numbers never become boxes', () => {
    const wild = fc.constantFrom(NaN, Infinity, -Infinity, 1e30, -1e30, 3.4e38, 0);
    fc.assert(
      fc.property(fc.nat(), fc.double({ min: 0, max: 1, noNaN: true }), fc.array(fc.tuple(fc.nat(), wild), { maxLength: 400 }), fc.boolean(), (seed, threshold, spoilt, multiLabel) => {
        const tensors = outputs(randomNumbers(seed));
        for (const { data } of Object.values(tensors)) spoilt.forEach(([index, value]) => (data[index % data.length] = value));
        const thresholds = { confidenceThreshold: threshold, iouThreshold: 0.5, maxDetections: 1000, multiLabel };
        const detections = createDecoder(manifest).decode(tensors, thresholds, fitImage(SOURCE, INPUT, 'stretch'), SOURCE);
        for (const { xyxy, confidence, classId } of rowsOf(detections)) {
          const [left, top, right, bottom] = xyxy as [number, number, number, number];
          expect(left >= 0 && right <= SOURCE.width && left < right).toBe(true);
          expect(top >= 0 && bottom <= SOURCE.height && top < bottom).toBe(true);
          expect(confidence > 0 && confidence >= Math.fround(threshold) && confidence <= 1).toBe(true);
          expect(Number.isInteger(classId) && classId >= 0 && classId < manifest.labels.length).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('outputs that are all NaN or all Infinity hold no box', () => {
    for (const value of [NaN, Infinity, -Infinity]) {
      const tensors = outputs(randomNumbers(1));
      for (const { data } of Object.values(tensors)) data.fill(value);
      const detections = createDecoder(manifest).decode(tensors, { confidenceThreshold: 0, iouThreshold: 0.5, maxDetections: 10, multiLabel: true }, IDENTITY, SOURCE);
      expect(detections.count).toBe(0);
    }
  });

  test('results may be transferred to another thread without harm to the next frame', () => {
    const decoder = createDecoder(manifest);
    const thresholds = { confidenceThreshold: 0.3, iouThreshold: 0.5, maxDetections: 100 };
    const frame = (threshold: number) => decoder.decode(outputs(randomNumbers(5)), { ...thresholds, confidenceThreshold: threshold }, IDENTITY, SOURCE);
    for (const threshold of [1, 0.3]) {
      const first = frame(threshold);
      const copy = rowsOf(first);
      structuredClone(first, { transfer: [first.xyxy.buffer, first.confidence.buffer, first.classId.buffer] as ArrayBuffer[] });
      const again = frame(threshold);
      expect(rowsOf(again)).toEqual(copy);
      structuredClone(again, { transfer: [again.xyxy.buffer, again.confidence.buffer, again.classId.buffer] as ArrayBuffer[] });
    }
  });

  test('a tensor of another shape is an error that says both shapes', () => {
    const tensors = outputs(randomNumbers(1));
    const spoilt: ModelOutputs = Object.fromEntries(Object.keys(tensors).map((name) => [name, { data: new Float32Array(77), dims: [1, 7, 11] }]));
    expect(() => createDecoder(manifest).scan(spoilt, { confidenceThreshold: 0.5, iouThreshold: 0.5, maxDetections: 1 })).toThrow(
      expect.objectContaining({ code: 'ERR_MODEL_OUTPUT_SHAPE', message: expect.stringMatching(/^Expected .*\[1,.*\] .*, found '.*' \[1,7,11\] with 77 values/) as string }) as AppError,
    );
  });
});

describe('boxes worked out by hand', () => {
  const thresholds: DecodeThresholds = { confidenceThreshold: 0.25, iouThreshold: 0.5, maxDetections: 10 };
  const input = { width: 32, height: 32 };
  const decode = (head: ModelHead, labels: number, outputs: ModelOutputs) => rowsOf(createDecoder(manifestOf(head, labels, input)).decode(outputs, thresholds, IDENTITY, input));
  /** A tensor of zeros but for what is set. */
  const sparse = (dims: number[], values: Record<number, number>, rest = 0) => {
    const data = new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(rest);
    for (const [index, value] of Object.entries(values)) data[Number(index)] = value;
    return { data, dims };
  };

  test.each<[name: string, head: ModelHead, labels: number, outputs: ModelOutputs, expected: { xyxy: number[]; confidence: number; classId: number }[]]>([
    [
      'darknet: cell (1, 0) of 2 x 2 at stride 16, centre of the cell, anchor size',
      { kind: 'darknet', scales: [{ stride: 16, anchors: [[8, 4]] }] },
      1,
      { out: sparse([1, 6, 2, 2], { [4 * 4 + 1]: 10, [5 * 4 + 1]: 10, [4 * 4]: -9, [4 * 4 + 2]: -9, [4 * 4 + 3]: -9 }) },
      [{ xyxy: [20, 6, 28, 10], confidence: 0.99991, classId: 0 }],
    ],
    [
      'darknet: scale_x_y 2 moves a saturated sigmoid half a cell further',
      { kind: 'darknet', scales: [{ stride: 16, anchors: [[8, 4]], scaleXy: 2 }] },
      1,
      { out: sparse([1, 6, 2, 2], { 0: -40, 4: -40, [4 * 4]: 10, [5 * 4]: 10, [4 * 4 + 1]: -9, [4 * 4 + 2]: -9, [4 * 4 + 3]: -9, 8: 1.0986123, 12: 2.7725887 }) },
      [{ xyxy: [0, 0, 4, 24], confidence: 0.99991, classId: 0 }],
    ],
    [
      'tiny-yolov2: two equal class logits halve the confidence, the first class wins',
      { kind: 'tiny-yolov2', scales: [{ stride: 32, anchors: [[8, 4]] }] },
      2,
      { out: sparse([1, 7, 1, 1], { 4: 40, 5: 3, 6: 3 }) },
      [{ xyxy: [12, 14, 20, 18], confidence: 0.5, classId: 0 }],
    ],
    [
      'tiny-yolov2 without classes: objectness alone',
      { kind: 'tiny-yolov2', classes: false, scales: [{ stride: 32, anchors: [[8, 4]] }] },
      1,
      { out: sparse([1, 5, 1, 1], { 4: 0 }) },
      [{ xyxy: [12, 14, 20, 18], confidence: 0.5, classId: 0 }],
    ],
    ['yolov5: objectness times class', { kind: 'yolov5' }, 2, { out: sparse([1, 2, 7], { 0: 10, 1: 12, 2: 4, 3: 8, 4: 0.8, 5: 0.1, 6: 0.5 }) }, [{ xyxy: [8, 8, 12, 16], confidence: 0.4, classId: 1 }]],
    ['yolov5: product below the threshold', { kind: 'yolov5' }, 2, { out: sparse([1, 1, 7], { 0: 10, 1: 12, 2: 4, 3: 8, 4: 0.4, 5: 0.1, 6: 0.5 }) }, []],
    ['yolov8: no objectness, planes', { kind: 'yolov8' }, 2, { out: sparse([1, 6, 3], { 1: 10, 4: 12, 7: 4, 10: 8, 13: 0.3, 16: 0.7 }) }, [{ xyxy: [8, 8, 12, 16], confidence: 0.7, classId: 1 }]],
    [
      'yolox: last cell of the finest of three scales; its strides are the default',
      { kind: 'yolox' },
      1,
      { out: sparse([1, 16 + 4 + 1, 6], { [15 * 6]: 0.5, [15 * 6 + 1]: 0.25, [15 * 6 + 4]: 0.8, [15 * 6 + 5]: 0.5 }) },
      [{ xyxy: [24, 22, 32, 30], confidence: 0.4, classId: 0 }],
    ],
    ['yolov10: as it comes, overlapping boxes stay', { kind: 'yolov10' }, 2, { out: sparse([1, 2, 6], { 0: 1, 1: 2, 2: 9, 3: 8, 4: 0.5, 5: 1, 6: 1, 7: 2, 8: 9, 9: 8, 10: 0.6, 11: 1 }) }, [
      { xyxy: [1, 2, 9, 8], confidence: 0.6, classId: 1 },
      { xyxy: [1, 2, 9, 8], confidence: 0.5, classId: 1 },
    ]],
    ['yolov8: of equal classes the first', { kind: 'yolov8' }, 2, { out: sparse([1, 6, 1], { 0: 10, 1: 12, 2: 4, 3: 8, 4: 0.5, 5: 0.5 }) }, [{ xyxy: [8, 8, 12, 16], confidence: 0.5, classId: 0 }]],
    ['yolov8: equal to the threshold is not over it', { kind: 'yolov8' }, 2, { out: sparse([1, 6, 1], { 0: 10, 1: 12, 2: 4, 3: 8, 4: 0.25, 5: 0.25 }) }, []],
    ['darknet: infinite objectness is a broken output', { kind: 'darknet', scales: [{ stride: 32, anchors: [[8, 4]] }] }, 1, { out: sparse([1, 6, 1, 1], { 4: Infinity, 5: 9 }) }, []],
    ['darknet: so is an infinite class', { kind: 'darknet', scales: [{ stride: 32, anchors: [[8, 4]] }] }, 2, { out: sparse([1, 7, 1, 1], { 4: 9, 5: 9, 6: Infinity }) }, []],
    ['rows: a class that is no label is no object', { kind: 'rows' }, 2, { out: sparse([1, 2, 6], { 2: 9, 3: 8, 4: 0.5, 5: -1, 8: 9, 9: 8, 10: 0.6, 11: 2 }) }, []],
    ['rows: without a class column it is class 0', { kind: 'rows', columns: ['score', 'x1', 'y1', 'x2', 'y2'] }, 1, { out: sparse([1, 1, 5], { 0: 0.5, 3: 9, 4: 8 }) }, [{ xyxy: [0, 0, 9, 8], confidence: 0.5, classId: 0 }]],
    ['rows: left and right swapped is no box', { kind: 'rows' }, 1, { out: sparse([1, 1, 6], { 0: 9, 3: 8, 4: 0.5 }) }, []],
    ['a confidence over 1 by rounding becomes 1', { kind: 'rows' }, 1, { out: sparse([1, 1, 6], { 2: 9, 3: 8, 4: 1.003 }) }, [{ xyxy: [0, 0, 9, 8], confidence: 1, classId: 0 }]],
    ['no rows at all', { kind: 'yolov5' }, 2, { out: sparse([1, 0, 7], {}) }, []],
  ])('%s', (_, head, labels, outputs, expected) => {
    const rows = decode(head, labels, outputs);
    expect(rows.map(({ classId }) => classId)).toEqual(expected.map(({ classId }) => classId));
    rows.forEach((row, i) => {
      expect(row.confidence).toBeCloseTo(expected[i]!.confidence, 4);
      row.xyxy.forEach((value, k) => expect(value).toBeCloseTo(expected[i]!.xyxy[k]!, 4));
    });
  });

  test('one picture with more boxes than any before: the buffers grow', () => {
    const rows = 5000;
    const data = Float32Array.from({ length: rows * 6 }, (_, i) => [i / 6, 0, i / 6 + 0.5, 1, 0.9, 0][i % 6]!);
    const decoder = createDecoder(manifestOf({ kind: 'rows' }, 1));
    const detections = decoder.decode({ out: { data, dims: [1, rows, 6] } }, { ...thresholds, maxDetections: rows }, IDENTITY, { width: rows, height: 10 });
    expect(detections.count).toBe(rows);
    expect(rowsOf(detections)[rows - 1]!.xyxy[1]).toBe(0);
  });
});

describe('outputs are found', () => {
  const head: ModelHead = { kind: 'darknet', scales: [{ stride: 16, anchors: [[8, 4]] }, { stride: 32, anchors: [[8, 4], [9, 9]] }] };
  const tensors = { b: { data: new Float32Array(12).fill(9), dims: [1, 12, 1, 1] }, other: { data: new Float32Array(1), dims: [1] }, a: { data: new Float32Array(24).fill(9), dims: [1, 6, 2, 2] } };
  const thresholds = { confidenceThreshold: 0.5, iouThreshold: 0.5, maxDetections: 10 };
  const input = { width: 32, height: 32 };

  test('by shape, where the manifest names none', () => {
    expect(createDecoder(manifestOf(head, 1, input)).scan(tensors, thresholds)).toBe(6);
  });

  test('by name, and a name that is missing is an error', () => {
    const named = (output: string) => createDecoder(manifestOf({ kind: 'darknet', output, scales: [head.scales![0]!] }, 1, input));
    expect(named('a').scan(tensors, thresholds)).toBe(4);
    expect(() => named('c').scan(tensors, thresholds)).toThrow(/^Expected output 'c' of shape \[1,6,2,2\] \(1 anchors \* \(5 \+ 1 classes\) at stride 16\), found 'b' \[1,12,1,1\]/);
  });

  test('no outputs', () => {
    expect(() => createDecoder(manifestOf(head, 1, input)).scan({}, thresholds)).toThrow(/found no outputs$/);
  });
});

describe('manifests that cannot be decoded', () => {
  test.each<[reason: string, head: ModelHead, code: string, message: RegExp]>([
    ['a head that nobody knows', { kind: 'ssd' as HeadKind }, 'ERR_MODEL_HEAD_UNKNOWN', /found ssd/],
    ['darknet without scales', { kind: 'darknet' }, 'ERR_MODEL_MANIFEST', /head\.scales in the manifest of test-model/],
    ['darknet without anchors', { kind: 'darknet', scales: [{ stride: 8 }] }, 'ERR_MODEL_MANIFEST', /head\.scales\[0\]\.anchors/],
    ['yolox with an empty list of scales', { kind: 'yolox', scales: [] }, 'ERR_MODEL_MANIFEST', /head\.scales/],
    ['rows without a score', { kind: 'rows', columns: ['x1', 'y1', 'x2', 'y2', 'class'] }, 'ERR_MODEL_MANIFEST', /column 'score'/],
  ])('%s', (_, head, code, message) => {
    expect(() => createDecoder(manifestOf(head, 2))).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as AppError);
  });
});
