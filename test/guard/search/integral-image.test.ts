import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IntegralImage } from '../../../src/guard/search/integral-image.js';

interface Window {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** A map with a window inside of it. */
const mapWithWindow = fc.record({ width: fc.integer({ min: 1, max: 14 }), height: fc.integer({ min: 1, max: 14 }) }).chain(({ width, height }) =>
  fc.record({
    width: fc.constant(width),
    height: fc.constant(height),
    map: fc.float32Array({ minLength: width * height, maxLength: width * height, min: -100, max: 100, noNaN: true }),
    window: fc
      .tuple(fc.integer({ min: 0, max: width - 1 }), fc.integer({ min: 0, max: height - 1 }))
      .chain(([left, top]) => fc.record({ left: fc.constant(left), top: fc.constant(top), right: fc.integer({ min: left + 1, max: width }), bottom: fc.integer({ min: top + 1, max: height }) })),
  }),
);

function cellsWhere(map: Float32Array, width: number, accepts: (x: number, y: number) => boolean): number[] {
  return [...map].filter((_, i) => accepts(i % width, Math.floor(i / width)));
}

const isIn = ({ left, top, right, bottom }: Window, x: number, y: number): boolean => x >= left && x < right && y >= top && y < bottom;
const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const meanOf = (values: readonly number[]): number => (values.length === 0 ? 0 : sumOf(values) / values.length);

function integral(map: Float32Array, width: number, height: number): IntegralImage {
  const image = new IntegralImage(width, height);
  image.update(map);
  return image;
}

describe('IntegralImage', () => {
  it('sums like one adds cell by cell', () => {
    fc.assert(
      fc.property(mapWithWindow, ({ width, height, map, window }) => {
        const { left, top, right, bottom } = window;
        expect(integral(map, width, height).sum(left, top, right, bottom)).toBeCloseTo(sumOf(cellsWhere(map, width, (x, y) => isIn(window, x, y))), 6);
      }),
    );
  });

  it('sets a window against the ring around it, a third of its sides wide', () => {
    fc.assert(
      fc.property(mapWithWindow, ({ width, height, map, window }) => {
        const { left, top, right, bottom } = window;
        const x = Math.max(1, Math.floor((right - left) / 3));
        const y = Math.max(1, Math.floor((bottom - top) / 3));
        const outer = { left: left - x, top: top - y, right: right + x, bottom: bottom + y };
        const inside = cellsWhere(map, width, (column, row) => isIn(window, column, row));
        const ring = cellsWhere(map, width, (column, row) => isIn(outer, column, row) && !isIn(window, column, row));
        expect(integral(map, width, height).contrast(left, top, right, bottom)).toBeCloseTo(meanOf(inside) - meanOf(ring), 6);
      }),
    );
  });

  it('has forgotten the last map when it takes the next one', () => {
    const image = integral(new Float32Array(12).fill(9), 4, 3);
    image.update(new Float32Array(12).fill(1));
    expect([image.sum(0, 0, 4, 3), image.contrast(1, 1, 3, 2)]).toEqual([12, 0]);
  });
});
