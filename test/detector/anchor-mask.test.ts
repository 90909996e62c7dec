import { describe, expect, test } from 'vitest';
import type { ModelHead } from '../../src/core/manifest.js';
import { anchorMask, type AnchorsOff } from '../../src/detector/anchor-mask.js';
import { createDecoder, type ModelOutputs } from '../../src/detector/decoder.js';
import { thrownBy } from '../fixtures/failure.js';
import { HEADS } from './heads.js';
import { manifestOf } from './manifest.js';
import { randomNumbers } from './random.js';

const EVERYTHING = { confidenceThreshold: 0.05, iouThreshold: 1, maxDetections: 100_000, multiLabel: true };
const IDENTITY = { scaleX: 1, scaleY: 1, padX: 0, padY: 0 };
const SIZE = { width: 64, height: 32 };
const SCALES = [
  { output: 'coarse', stride: 16, anchors: [[12, 9], [30, 20], [50, 60]] },
  { output: 'fine', stride: 8, anchors: [[5, 6]] },
] as const;

describe('a choice of anchors', () => {
  test.each<[string, AnchorsOff, number[]]>([
    ['none', {}, []],
    ['one at stride 16', { 16: [1] }, [1]],
    ['named twice', { 16: [1, 1] }, [1]],
    ['the whole of a scale', { 8: [0] }, [3]],
    ['of both scales', { 8: [0], 16: [2, 0] }, [0, 2, 3]],
  ])('%s', (_, choice, expected) => {
    expect(anchorMask(manifestOf({ kind: 'darknet', scales: SCALES }, 2), choice)).toEqual(expected);
  });

  test.each<[string, ModelHead, AnchorsOff, RegExp]>([
    ['a stride that is not there', { kind: 'darknet', scales: SCALES }, { 32: [0] }, /no scale of stride 32/],
    ['an anchor that is not there', { kind: 'darknet', scales: SCALES }, { 8: [1] }, /no anchor 1 at stride 8/],
    ['all of them', { kind: 'darknet', scales: SCALES }, { 8: [0], 16: [0, 1, 2] }, /no anchor would be left/],
    ['a head without anchors', { kind: 'yolov8' }, { 8: [0] }, /yolov8 head has no anchors/],
    ['rows of unknown order', { kind: 'yolov5' }, { 8: [0] }, /can be told apart/],
  ])('%s is refused', (_, head, choice, message) => {
    expect(thrownBy(() => anchorMask(manifestOf(head, 2), choice))).toMatchObject({ code: 'ERR_CONFIG_INVALID', message: expect.stringMatching(message) as string });
  });
});

/** Rows of `[1, N, 5 + 2]` for the scales above: 3 anchors of 4x2 cells, one of 8x4. */
function decodedRows(random: () => number): ModelOutputs {
  const rows = 3 * 8 + 32;
  return { output0: { dims: [1, rows, 7], data: Float32Array.from({ length: rows * 7 }, (_, i) => (i % 7 < 2 ? random() * 30 : i % 7 < 4 ? 2 + random() * 20 : random())) } };
}

const MASKED = [
  ...HEADS.filter(({ manifest }) => manifest.head.scales?.every(({ anchors }) => anchors)),
  { name: 'yolov5 with known rows', manifest: manifestOf({ kind: 'yolov5', output: 'output0', scales: SCALES.map(({ stride, anchors }) => ({ stride, anchors })) }, 2), outputs: decodedRows },
];

describe.each(MASKED)('$name', ({ manifest, outputs }) => {
  test('anchors one by one find together what all find', () => {
    const tensors = outputs(randomNumbers(7));
    const decoder = createDecoder(manifest);
    const all = decoder.scan(tensors, EVERYTHING);
    const alone = [0, 1, 2, 3].map((anchor) => decoder.scan(tensors, { ...EVERYTHING, anchorsOff: [0, 1, 2, 3].filter((other) => other !== anchor) }));
    expect(alone.every((count) => count > 0)).toBe(true);
    expect(alone.reduce((sum, count) => sum + count, 0)).toBe(all);
  });

  test('an anchor that is off is as one whose objectness is nothing', () => {
    const tensors = outputs(randomNumbers(8));
    const decoder = createDecoder(manifest);
    const masked = decoder.decode(tensors, { ...EVERYTHING, anchorsOff: [1] }, IDENTITY, SIZE);
    const silenced = decoder.decode(silence(tensors, manifest.head.classes === false ? 0 : manifest.labels.length), EVERYTHING, IDENTITY, SIZE);
    expect(masked.count).toBeGreaterThan(0);
    expect(masked).toEqual(silenced);
  });
});

/** Writes the least objectness into the cells of anchor 1, which are the second 4x2 of the head. */
function silence(outputs: ModelOutputs, classes: number): ModelOutputs {
  const copy = Object.fromEntries(Object.entries(outputs).map(([name, { dims, data }]) => [name, { dims, data: data.slice() }]));
  const { coarse, output0 } = copy;
  if (coarse) coarse.data.fill(-100, (5 + classes + 4) * 8, (5 + classes + 5) * 8);
  if (output0) for (let row = 8; row < 16; row += 1) output0.data[row * 7 + 4] = 0;
  return copy;
}
