import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fillRegions } from '../../src/guard/fill.js';
import { fillOf } from '../../src/guard/verify-regions.js';
import { region } from './found.js';

/** Three equal planes of the given rows. */
function picture(rows: readonly (readonly number[])[]): { planes: Uint8Array; size: { width: number; height: number } } {
  const plane = rows.flat();
  return { planes: Uint8Array.from([...plane, ...plane, ...plane]), size: { width: rows[0]!.length, height: rows.length } };
}

describe('fillRegions', () => {
  it.each([
    ['between the rows above and below, column by column', [1, 1, 3, 4], [[0, 0, 100, 9], [1, 40, 100, 9], [2, 80, 100, 9], [3, 120, 100, 9], [4, 160, 100, 9]]],
    ['from below where it begins at the top', [1, 0, 2, 3], [[0, 120, 100, 9], [1, 120, 7, 9], [2, 120, 7, 9], [3, 120, 100, 9], [4, 160, 100, 9]]],
    ['from above where it ends at the bottom', [1, 2, 2, 5], [[0, 0, 100, 9], [1, 7, 7, 9], [2, 7, 7, 9], [3, 7, 100, 9], [4, 7, 100, 9]]],
    ['with grey where it is as high as the picture', [3, 0, 4, 5], [[0, 0, 100, 128], [1, 7, 7, 128], [2, 7, 7, 128], [3, 120, 100, 128], [4, 160, 100, 128]]],
    ['cut at the borders', [-5, -5, 1, 2], [[2, 0, 100, 9], [2, 7, 7, 9], [2, 7, 7, 9], [3, 120, 100, 9], [4, 160, 100, 9]]],
    ['not at all where it lies outside', [4, 6, 9, 9], [[0, 0, 100, 9], [1, 7, 7, 9], [2, 7, 7, 9], [3, 120, 100, 9], [4, 160, 100, 9]]],
  ] as const)('fills %s', (_, xyxy, expected) => {
    const { planes, size } = picture([[0, 0, 100, 9], [1, 7, 7, 9], [2, 7, 7, 9], [3, 120, 100, 9], [4, 160, 100, 9]]);
    fillRegions(planes, size, [region(xyxy)]);
    expect(planes).toEqual(picture(expected).planes);
  });

  it('keeps the planes apart', () => {
    const planes = Uint8Array.from([10, 0, 30, 110, 0, 130, 210, 0, 230]);
    fillRegions(planes, { width: 1, height: 3 }, [region([0, 1, 1, 2])]);
    expect([...planes]).toEqual([10, 20, 30, 110, 120, 130, 210, 220, 230]);
  });

  it('takes regions in their order: the second sees what the first has left', () => {
    const rows = [[0], [200], [200], [200], [0]];
    const one = picture(rows);
    fillRegions(one.planes, one.size, [region([0, 1, 1, 4]), region([0, 0, 1, 1])]);
    expect([...one.planes.subarray(0, 5)]).toEqual([0, 0, 0, 0, 0]);
    const other = picture(rows);
    fillRegions(other.planes, other.size, [region([0, 0, 1, 1]), region([0, 1, 1, 4])]);
    expect([...other.planes.subarray(0, 5)]).toEqual([200, 150, 100, 50, 0]);
  });

  it('changes nothing outside of a region and leaves nothing of what was inside, wherever it lies', () => {
    const size = { width: 12, height: 9 };
    const side = fc.integer({ min: -6, max: 16 });
    fc.assert(
      fc.property(side, side, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), fc.uint8Array({ minLength: 324, maxLength: 324 }), (left, top, width, height, planes) => {
        const right = left + width;
        const bottom = top + height;
        const isInside = (i: number): boolean => i % 12 >= left && i % 12 < right && Math.floor((i % 108) / 12) >= top && Math.floor((i % 108) / 12) < bottom;
        const filled = planes.slice();
        fillRegions(filled, size, [{ left, top, right, bottom }]);
        expect(filled.every((level, i) => isInside(i) || level === planes[i])).toBe(true);
        const inverted = planes.map((level, i) => (isInside(i) ? 255 - level : level));
        fillRegions(inverted, size, [{ left, top, right, bottom }]);
        expect(inverted).toEqual(filled);
      }),
    );
  });
});

describe('fillOf', () => {
  it('has a rim of a pixel at least, more around what is larger', () => {
    expect(fillOf(region([10, 20, 14, 26]))).toEqual(region([9, 19, 15, 27]));
    const large = fillOf(region([100, 100, 200, 300]));
    expect(100 - large.left).toBeGreaterThan(1);
    expect([large.right - 200, large.bottom - 300]).toEqual([100 - large.left, 100 - large.top]);
    expect(large.bottom - 300).toBeGreaterThan(large.right - 200);
  });
});
