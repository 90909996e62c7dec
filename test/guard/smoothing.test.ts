import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { smoothLocalGradients } from '../../src/guard/smoothing.js';

/** Three equal planes from a drawing. */
function grey(width: number, height: number, level: (x: number, y: number) => number): Uint8Array {
  const plane = Uint8Array.from({ length: width * height }, (_, i) => level(i % width, Math.floor(i / width)));
  return Uint8Array.from([...plane, ...plane, ...plane]);
}

describe('smoothLocalGradients', () => {
  test('leaves a flat picture as it is', () => {
    const planes = grey(20, 20, () => 90);
    const before = planes.slice();
    smoothLocalGradients(planes, { width: 20, height: 20 });
    expect(planes).toEqual(before);
  });

  // One window holds a picture of 15 x 15 pixels; stripes of one pixel have a gradient at every pixel but those of the last column.
  test('blackens a window full of edges: every gradient is the greatest, 1 - 2.3 is cut at 0', () => {
    const planes = grey(15, 15, (x) => (x % 2 === 0 ? 200 : 100));
    smoothLocalGradients(planes, { width: 15, height: 15 });
    const expected = grey(15, 15, (x) => (x < 14 ? 0 : 200));
    expect(planes).toEqual(expected);
  });

  test('leaves a window with a single edge: one column in 15 is a mean of 0.067, under 0.1', () => {
    const planes = grey(15, 15, (x) => (x < 7 ? 200 : 100));
    const before = planes.slice();
    smoothLocalGradients(planes, { width: 15, height: 15 });
    expect(planes).toEqual(before);
  });

  test('takes off in proportion: a gradient of 0.2 of the greatest leaves 1 - 2.3 * 0.2 = 0.54', () => {
    // Steps of 100 between the columns at the left, of 20 in the middle: (6 * 1 + 6 * 0.2) / 15 of a window is 0.48.
    const levels = [200, 100, 200, 100, 200, 100, 200, 180, 200, 180, 200, 180, 200, 200, 200];
    const planes = grey(15, 15, (x) => levels[x]!);
    smoothLocalGradients(planes, { width: 15, height: 15 });
    expect([...planes.subarray(0, 15)]).toEqual([0, 0, 0, 0, 0, 0, 108, 97, 108, 97, 108, 97, 200, 200, 200]);
  });

  test('pixels in two windows take the mean of both: stripes at the left of 25 columns, smooth at the right', () => {
    // Windows of columns 0 to 14 and 10 to 24. In the second only column 10 has an edge: 1 / 15 is under 0.1.
    const planes = grey(25, 15, (x) => (x <= 10 && x % 2 === 0 ? 200 : 100));
    smoothLocalGradients(planes, { width: 25, height: 15 });
    const row = [...planes.subarray(0, 25)];
    // Column 10 is an edge in both windows: the second is smooth, so 1 - 2.3 * 0.5 is still under 0.
    expect(row.slice(0, 12)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100]);
    expect(row.slice(12)).toEqual(new Array(13).fill(100));
  });

  test('weak edges that two windows share are taken off by half of what one would', () => {
    // Column 10 has 0.2 of the greatest gradient: 1 - 2.3 * 0.2 / 2 = 0.77, since its second window is smooth.
    const levels = [200, 100, 200, 100, 200, 100, 200, 100, 200, 200, 200, ...new Array<number>(14).fill(180)];
    const planes = grey(25, 15, (x) => levels[x]!);
    smoothLocalGradients(planes, { width: 25, height: 15 });
    expect([...planes.subarray(8, 13)]).toEqual([200, 200, 154, 180, 180]);
  });

  test('sees colour by its luma and darkens all planes alike', () => {
    // Green stripes: luma 0.587 * 100 apart; blue and red are constant and lose as much.
    const width = 15;
    const pixels = 15 * 15;
    const planes = new Uint8Array(3 * pixels).fill(50);
    for (let i = 0; i < pixels; i += 1) planes[i] = (i % width) % 2 === 0 ? 200 : 100;
    smoothLocalGradients(planes, { width, height: 15 });
    expect([planes[0], planes[pixels], planes[2 * pixels]]).toEqual([0, 0, 0]);
    expect([planes[14], planes[pixels + 14], planes[2 * pixels + 14]]).toEqual([200, 50, 50]);
  });

  test('never brightens, and takes pictures of any size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.infiniteStream(fc.integer({ min: 0, max: 255 })), (width, height, levels) => {
        const planes = Uint8Array.from({ length: 3 * width * height }, () => levels.next().value as number);
        const before = planes.slice();
        smoothLocalGradients(planes, { width, height });
        expect(planes.every((level, i) => level <= before[i]!)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});
