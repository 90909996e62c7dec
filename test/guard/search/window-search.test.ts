import { describe, expect, it } from 'vitest';
import { IntegralImage } from '../../../src/guard/search/integral-image.js';
import { climb, type CellRegion } from '../../../src/guard/search/refine-region.js';
import { regionIou } from '../../../src/guard/search/region-geometry.js';
import { WindowSearch } from '../../../src/guard/search/window-search.js';
import { region } from '../found.js';

const WIDTH = 40;
const HEIGHT = 30;
const SIZES = [3, 4, 5, 6, 8, 10, 12];
/** In small windows, more is usual. */
const USUAL = SIZES.map((size) => 2 / Math.sqrt(size));

/** A map with bright rectangles: left, top, right, bottom, level. */
function evidence(...rectangles: readonly (readonly [number, number, number, number, number])[]): IntegralImage {
  const map = new Float32Array(WIDTH * HEIGHT).fill(2);
  for (const [left, top, right, bottom, level] of rectangles) {
    for (let y = top; y < bottom; y += 1) map.fill(level, y * WIDTH + left, y * WIDTH + right);
  }
  const image = new IntegralImage(WIDTH, HEIGHT);
  image.update(map);
  return image;
}

function search(image: IntegralImage, scale = USUAL): WindowSearch {
  const windows = new WindowSearch({ sizes: SIZES, scale }, WIDTH, HEIGHT);
  windows.update(image);
  return windows;
}

describe('WindowSearch', () => {
  it('finds nothing in a flat map', () => {
    expect(search(evidence()).strongest(5)).toEqual([]);
  });

  it.each([
    ['a small one', [20, 10, 23, 13]],
    ['a middling one', [11, 7, 17, 13]],
    ['a large one', [4, 8, 16, 20]],
    ['one in the corner', [0, 0, 5, 5]],
    ['one at the opposite corner', [34, 24, 40, 30]],
  ] as const)('finds a bright square at its place and in its size: %s', (_, [left, top, right, bottom]) => {
    const [best] = search(evidence([left, top, right, bottom, 5])).strongest(1);
    // Windows are moved by a third of their side: near enough to climb from.
    expect(regionIou(region(best!.cells), region([left, top, right, bottom]))).toBeGreaterThan(0.4);
    expect(best!.score).toBeGreaterThan(1.5);
  });

  it('gives the strongest first, each thing once', () => {
    const windows = search(evidence([4, 4, 9, 9, 5], [20, 4, 25, 9, 9], [30, 20, 35, 25, 7])).strongest(3);
    expect(windows.map(({ cells: [left] }) => Math.round(left / 10))).toEqual([2, 3, 0]);
    expect(windows.map(({ score }) => score)).toEqual(windows.map(({ score }) => score).toSorted((a, b) => b - a));
  });

  it('measures a window by what is usual for its size', () => {
    const both = evidence([4, 4, 7, 7, 6], [20, 10, 32, 22, 6]);
    const isLarge = (scale: readonly number[]): boolean => {
      const [, , size] = search(both, [...scale]).strongest(1).map(({ cells: [left, top, right] }) => [left, top, right - left])[0]!;
      return size! > 6;
    };
    expect(isLarge(SIZES.map((size) => (size > 6 ? 10 : 1)))).toBe(false);
    expect(isLarge(SIZES.map((size) => (size > 6 ? 1 : 10)))).toBe(true);
  });

  it('looks only where it is told to', () => {
    const windows = search(evidence([4, 4, 9, 9, 9], [20, 4, 25, 9, 5]));
    expect(windows.strongestWhere((left) => left > 15)?.cells[0]).toBeGreaterThanOrEqual(18);
    expect(windows.strongestWhere(() => false)).toBeUndefined();
  });

  it('has forgotten the last map when it takes the next one', () => {
    const windows = search(evidence([4, 4, 9, 9, 9]));
    windows.update(evidence());
    expect(windows.strongest(1)).toEqual([]);
  });

  it('finds the greatest contrast of each size, 0 where nothing stands out', () => {
    expect(WindowSearch.greatestBySize(evidence(), SIZES)).toEqual(SIZES.map(() => 0));
    const greatest = WindowSearch.greatestBySize(evidence([10, 10, 15, 15, 5]), SIZES);
    // A window that is just the square is 3 above what is around it.
    expect(greatest[2]).toBeCloseTo(3, 6);
    expect(greatest.every((contrast) => contrast > 0 && contrast <= 3 + 1e-6)).toBe(true);
    // One larger than the map has no place in it.
    expect(WindowSearch.greatestBySize(evidence([10, 10, 15, 15, 5]), [31])).toEqual([0]);
  });
});

describe('climb', () => {
  it.each([
    ['shifted', [12, 9, 18, 15]],
    ['smaller', [11, 8, 14, 11]],
    ['larger', [8, 5, 17, 14]],
    ['already right', [10, 7, 16, 13]],
  ] as const)('reaches the borders of a bright square from a window that is %s', (_, start) => {
    expect(climb(evidence([10, 7, 16, 13, 5]), [...start])).toEqual([10, 7, 16, 13]);
  });

  it('gives an upright rectangle its own shape', () => {
    expect(climb(evidence([10, 7, 16, 15, 5]), [10, 8, 16, 14])).toEqual([10, 7, 16, 15]);
  });

  it.each<[CellRegion]>([[[0, 0, 3, 3]], [[37, 27, 40, 30]], [[0, 14, 4, 18]]])('stays in the map and keeps the shape of a patch, from %j', (start) => {
    // A bar along the whole map: no end of it to climb to.
    for (const image of [evidence([0, 12, WIDTH, 18, 9]), evidence([0, 0, 4, HEIGHT, 9]), evidence()]) {
      const [left, top, right, bottom] = climb(image, start);
      expect(Math.min(left, top, WIDTH - right, HEIGHT - bottom)).toBeGreaterThanOrEqual(0);
      const aspect = (right - left) / (bottom - top);
      expect(Math.max(aspect, 1 / aspect)).toBeLessThan(2);
    }
  });
});
