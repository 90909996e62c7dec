import fc from 'fast-check';
import { expect, test } from 'vitest';
import { boxIou } from '../../src/core/box.js';

type Box = readonly [number, number, number, number];

test.each<[string, Box, Box, number]>([
  ['the same box', [0, 0, 10, 10], [0, 0, 10, 10], 1],
  ['half of it', [0, 0, 10, 10], [0, 0, 5, 10], 0.5],
  ['a quarter shared', [0, 0, 10, 10], [5, 5, 15, 15], 25 / 175],
  ['inside', [0, 0, 10, 10], [4, 4, 6, 6], 0.04],
  ['apart', [0, 0, 10, 10], [20, 20, 30, 30], 0],
  ['edges that touch', [0, 0, 10, 10], [10, 0, 20, 10], 0],
  ['corners that touch', [0, 0, 10, 10], [10, 10, 20, 20], 0],
  ['both empty', [5, 5, 5, 5], [5, 5, 5, 5], 0],
  ['one empty', [0, 0, 10, 10], [5, 5, 5, 8], 0],
  ['beyond the origin', [-10, -10, 0, 0], [-5, -5, 5, 5], 25 / 175],
])('%s', (_, a, b, iou) => {
  expect(boxIou([...a, ...b], 0, 1)).toBeCloseTo(iou, 12);
});

test('reads the boxes that it is asked for', () => {
  const xyxy = Float32Array.of(0, 0, 1, 1, 0, 0, 10, 10, 90, 90, 91, 91, 0, 0, 5, 10);
  expect(boxIou(xyxy, 1, 3)).toBe(0.5);
});

test('is symmetric, between 0 and 1, and does not change when both move', () => {
  const coordinate = fc.integer({ min: -1000, max: 1000 });
  const length = fc.integer({ min: 0, max: 500 });
  const box = fc.tuple(coordinate, coordinate, length, length).map(([x, y, width, height]): Box => [x, y, x + width, y + height]);
  fc.assert(
    fc.property(box, box, coordinate, (a, b, shift) => {
      const iou = boxIou([...a, ...b], 0, 1);
      expect(iou).toBeGreaterThanOrEqual(0);
      expect(iou).toBeLessThanOrEqual(1);
      expect(boxIou([...a, ...b], 1, 0)).toBe(iou);
      expect(boxIou([...a, ...b].map((value) => value + shift), 0, 1)).toBe(iou);
    }),
  );
});
