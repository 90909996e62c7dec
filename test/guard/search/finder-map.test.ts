import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFinder, type FinderMap, finderLogOdds, FINDER_STRIDE } from '../../../src/guard/search/finder-map.js';
import { regionIou } from '../../../src/guard/search/region-geometry.js';
import { region } from '../found.js';

const COLUMNS = 12;
const ROWS = 8;
const SIZE = { width: COLUMNS * FINDER_STRIDE, height: ROWS * FINDER_STRIDE };

type Spot = readonly [column: number, row: number, logOdds: number, sides?: readonly [number, number, number, number]];

/** Nothing is found but at the spots, where things are 16 pixels a side. */
function map(spots: readonly Spot[]): FinderMap {
  const cells = COLUMNS * ROWS;
  const centre = new Float32Array(cells).fill(-9);
  const sides = new Float32Array(4 * cells).fill(8);
  for (const [column, row, logOdds, own] of spots) {
    centre[row * COLUMNS + column] = logOdds;
    own?.forEach((side, i) => (sides[i * cells + row * COLUMNS + column] = side));
  }
  return { columns: COLUMNS, rows: ROWS, centre, sides };
}

describe('decodeFinder', () => {
  it.each<[string, readonly Spot[], readonly (readonly [number, number, number, number])[]]>([
    ['nothing', [], []],
    ['one, around the middle of its cell', [[5, 3, 2]], [[14, 6, 30, 22]]],
    ['each side by itself', [[5, 3, 2, [1, 2, 11, 12]]], [[21, 12, 33, 26]]],
    ['what lies over the border: what of it is inside', [[0, 0, 2, [30, 8, 8, 8]]], [[0, 0, 10, 10]]],
    ['under the floor: nothing', [[5, 3, -6.5]], []],
    ['the greatest of neighbours alone', [[5, 3, 2], [6, 4, 1], [4, 3, 1.5]], [[14, 6, 30, 22]]],
    ['of equal neighbours the first', [[6, 3, 2], [5, 4, 2]], [[18, 6, 34, 22]]],
    ['several, most certain first', [[1, 3, 1], [10, 4, 3]], [[34, 10, 48, 26], [0, 6, 14, 22]]],
    ['one place twice: once', [[4, 3, 2, [16, 16, 16, 16]], [6, 3, 3, [16, 16, 16, 16]]], [[10, 0, 42, 30]]],
    ['what has no size', [[5, 3, 2, [0.5, 8, 0.5, 8]], [9, 3, 2, [8, -8, 8, 8]]], []],
    ['what is no number', [[5, 3, Number.NaN], [8, 3, Number.POSITIVE_INFINITY], [2, 3, 1, [8, Number.NaN, 8, 8]]], []],
  ])('%s', (_, spots, regions) => {
    expect(decodeFinder(map(spots), SIZE).map((found) => found.region)).toEqual(regions.map(region));
  });

  it('keeps places that overlap a little, and as many as are wanted', () => {
    const spots = [[3, 2, 2], [6, 2, 3], [9, 2, 1], [3, 6, 0]] as const;
    const found = decodeFinder(map(spots), SIZE);
    expect(found.map(({ logOdds }) => logOdds)).toEqual([3, 2, 1, 0]);
    expect(decodeFinder(map(spots), SIZE, { most: 2 })).toEqual(found.slice(0, 2));
    expect(decodeFinder(map(spots), SIZE, { floor: 1 })).toEqual(found.slice(0, 3));
  });

  it('gives regions of a size inside of the picture, apart from each other, in order, whatever the network says', () => {
    const number = fc.oneof(fc.float(), fc.float({ min: -10, max: 10, noNaN: true }), fc.float({ min: 0, max: 60, noNaN: true }));
    const numbers = (length: number): fc.Arbitrary<Float32Array> => fc.float32Array({ minLength: length, maxLength: length }).chain((wild) => fc.array(number, { minLength: length, maxLength: length }).map((tame) => Float32Array.from(tame, (value, i) => (i % 7 === 0 ? wild[i]! : value))));
    fc.assert(
      fc.property(numbers(COLUMNS * ROWS), numbers(4 * COLUMNS * ROWS), (centre, sides) => {
        const found = decodeFinder({ columns: COLUMNS, rows: ROWS, centre, sides }, SIZE);
        expect(found.length).toBeLessThanOrEqual(12);
        found.forEach(({ region: { left, top, right, bottom }, logOdds }, i) => {
          expect(left >= 0 && top >= 0 && right <= SIZE.width && bottom <= SIZE.height, JSON.stringify(found[i])).toBe(true);
          expect(right - left >= 4 && bottom - top >= 4, JSON.stringify(found[i])).toBe(true);
          expect(logOdds).toBeGreaterThanOrEqual(-6);
          if (i > 0) expect(logOdds).toBeLessThanOrEqual(found[i - 1]!.logOdds);
          for (const other of found.slice(0, i)) expect(regionIou(other.region, found[i]!.region)).toBeLessThanOrEqual(0.5);
        });
      }),
      { numRuns: 60 },
    );
  });
});

describe('finderLogOdds', () => {
  it.each<[string, readonly Spot[], readonly [number, number, number, number], number]>([
    ['nothing there', [], [8, 8, 24, 24], -8],
    ['in the middle', [[3, 3, 2]], [8, 8, 24, 24], 2],
    ['at its rim only', [[2, 2, 5]], [8, 8, 24, 24], -8],
    ['the greatest one', [[3, 3, 1], [4, 4, 2.5]], [8, 8, 24, 24], 2.5],
    ['more than sure', [[3, 3, 40]], [8, 8, 24, 24], 8],
    ['no number', [[3, 3, Number.NaN]], [8, 8, 24, 24], -8],
    ['smaller than a cell', [[3, 3, 2]], [13, 13, 14, 14], 2],
    ['beyond the border', [[11, 7, 2]], [44, 28, 60, 44], 2],
  ])('of a region with %s', (_, spots, xyxy, expected) => {
    expect(finderLogOdds(map(spots), region(xyxy))).toBe(expected);
  });
});
