import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boxToRegion, regionBoxIou, regionToBox, type RegionBox } from '../../../src/guard/time/region-box.js';

const SIZE = { width: 100, height: 80 };

function box(centreX: number, centreY: number, width: number, height: number): RegionBox {
  return { centreX, centreY, width, height };
}

describe('boxToRegion', () => {
  test.each<[string, RegionBox, [left: number, top: number, right: number, bottom: number]]>([
    ['whole pixels stay', box(15, 25, 10, 10), [10, 20, 20, 30]],
    ['a fraction goes to the nearest', box(15.4, 25.6, 10, 10), [10, 21, 20, 31]],
    ['the length is rounded once', box(15, 25, 9.6, 10.4), [10, 20, 20, 30]],
    ['cut at the borders', box(1, 79, 10, 10), [0, 74, 6, 80]],
    ['outside is empty', box(-20, 90, 10, 10), [0, 80, 0, 80]],
    ['never thinner than a pixel', box(15.5, 25.5, 0.2, 0.2), [15, 25, 16, 26]],
  ])('%s', (_, given, [left, top, right, bottom]) => {
    expect(boxToRegion(given, SIZE)).toEqual({ left, top, right, bottom });
  });

  test('a box that only moves keeps its size', () => {
    fc.assert(
      fc.property(fc.double({ min: 30, max: 60, noNaN: true }), fc.double({ min: 1, max: 20, noNaN: true }), (centre, length) => {
        const { left, right } = boxToRegion(box(centre, 40, length, length), SIZE);
        expect(right - left).toBe(Math.max(1, Math.round(length)));
      }),
    );
  });

  test('a region of whole pixels comes back as it was', () => {
    const edge = (limit: number): fc.Arbitrary<[number, number]> => fc.tuple(fc.integer({ min: 0, max: limit - 1 }), fc.integer({ min: 1, max: limit })).filter(([from, to]) => to > from);
    fc.assert(
      fc.property(edge(SIZE.width), edge(SIZE.height), ([left, right], [top, bottom]) => {
        expect(boxToRegion(regionToBox({ left, top, right, bottom }), SIZE)).toEqual({ left, top, right, bottom });
      }),
    );
  });
});

test.each<[string, RegionBox, RegionBox, number]>([
  ['the same', box(10, 10, 4, 6), box(10, 10, 4, 6), 1],
  ['half over', box(10, 10, 4, 4), box(12, 10, 4, 4), 1 / 3],
  ['one within the other', box(10, 10, 4, 4), box(10, 10, 2, 2), 1 / 4],
  ['side by side', box(10, 10, 4, 4), box(14, 10, 4, 4), 0],
  ['empty', box(10, 10, 0, 0), box(10, 10, 4, 4), 0],
])('regionBoxIou: %s', (_, a, b, iou) => {
  expect(regionBoxIou(a, b)).toBeCloseTo(iou, 12);
  expect(regionBoxIou(b, a)).toBeCloseTo(iou, 12);
});
