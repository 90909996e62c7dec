import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FILTER_LENGTH, filterBox, predictFilter, startFilter, updateFilter } from '../../src/tracking/track-filter.js';

const [VELOCITY_X, VARIANCE_X] = [1, 2] as const;

function started(xyxy: readonly number[]): Float64Array {
  const filter = new Float64Array(FILTER_LENGTH);
  startFilter(xyxy, 0, filter);
  return filter;
}

function boxOf(filter: Float64Array): number[] {
  const box = new Float64Array(4);
  filterBox(filter, box, 0);
  return [...box];
}

/** A box of 40 x 80 that moves to the right. */
function at(x: number): number[] {
  return [x - 20, 60, x + 20, 140];
}

function followed(times: readonly number[], velocity: number): Float64Array {
  const filter = started(at(100));
  times.slice(1).forEach((time, i) => {
    predictFilter(filter, time - times[i]!, true);
    updateFilter(filter, at(100 + velocity * time), 0, 1);
  });
  return filter;
}

describe('the filter of a track', () => {
  test('is where its first box was, and stays there', () => {
    const filter = started([10, 20, 50, 100]);
    predictFilter(filter, 2, true);
    expect(boxOf(filter)).toEqual([10, 20, 50, 100]);
  });

  test.each<[string, number[]]>([
    ['at 10 frames a second', Array.from({ length: 31 }, (_, i) => i / 10)],
    ['at 30 frames a second', Array.from({ length: 91 }, (_, i) => i / 30)],
    ['with gaps of any length', [0, 0.1, 0.4, 0.5, 0.6, 1.1, 1.2, 1.9, 2, 2.1, 2.2, 2.8, 3]],
  ])('learns a velocity in pixels a second %s', (_, times) => {
    const filter = followed(times, 60);
    expect(filter[VELOCITY_X]).toBeCloseTo(60, 0);
    predictFilter(filter, 0.5, true);
    expect((boxOf(filter)[0]! + boxOf(filter)[2]!) / 2).toBeCloseTo(100 + 60 * 3.5, 0);
  });

  test('two steps are the same as one of their sum', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 5, noNaN: true }), fc.double({ min: 0, max: 5, noNaN: true }), fc.double({ min: -200, max: 200, noNaN: true }), (first, second, velocity) => {
        const [once, twice] = [followed([0, 0.1, 0.2], velocity), followed([0, 0.1, 0.2], velocity)];
        // Noise is in units of the size, which must be the same for both.
        for (const filter of [once, twice]) for (const axis of [2, 3]) filter[5 * axis + 1] = 0;
        predictFilter(once, first + second, true);
        predictFilter(twice, first, true);
        predictFilter(twice, second, true);
        // Of centre x and centre y.
        for (let i = 0; i < 10; i += 1) expect(twice[i]! / (once[i]! || 1)).toBeCloseTo(once[i]! === 0 ? 0 : 1, 6);
      }),
    );
  });

  test('keeps its size where it is not seen, and its path', () => {
    const filter = started([0, 0, 40, 80]);
    for (let i = 1; i <= 10; i += 1) {
      predictFilter(filter, 0.1, true);
      updateFilter(filter, [10 * i, 0, 10 * i + 40 - 2 * i, 80], 0, 1);
    }
    const [left, , right] = boxOf(filter) as [number, number, number];
    predictFilter(filter, 1, false);
    const [laterLeft, , laterRight] = boxOf(filter) as [number, number, number];
    expect(laterRight - laterLeft).toBeCloseTo(right - left, 6);
    expect(laterLeft).toBeGreaterThan(left + 50);
  });

  test('a box in doubt moves it less', () => {
    const moved = (doubt: number): number => {
      const filter = followed([0, 0.1, 0.2, 0.3], 0);
      predictFilter(filter, 0.1, true);
      updateFilter(filter, at(130), 0, doubt);
      return (boxOf(filter)[0]! + boxOf(filter)[2]!) / 2 - 100;
    };
    expect(moved(5)).toBeGreaterThan(0);
    expect(moved(5)).toBeLessThan(0.5 * moved(1));
  });

  test('stays finite and positive whatever it sees', () => {
    const coordinate = fc.double({ min: -1e4, max: 1e4, noNaN: true });
    const box = fc.tuple(coordinate, coordinate, fc.double({ min: 0, max: 5e3, noNaN: true }), fc.double({ min: 0, max: 5e3, noNaN: true })).map(([x, y, width, height]) => [x, y, x + width, y + height]);
    fc.assert(
      fc.property(box, fc.array(fc.record({ box, seconds: fc.double({ min: 0, max: 10, noNaN: true }), isSeen: fc.boolean() }), { maxLength: 30 }), (first, steps) => {
        const filter = started(first);
        for (const step of steps) {
          predictFilter(filter, step.seconds, step.isSeen);
          if (step.isSeen) updateFilter(filter, step.box, 0, 1);
          const [left, top, right, bottom] = boxOf(filter) as [number, number, number, number];
          expect(filter.every(Number.isFinite)).toBe(true);
          expect(filter[VARIANCE_X]).toBeGreaterThan(0);
          expect(right).toBeGreaterThan(left);
          expect(bottom).toBeGreaterThan(top);
        }
      }),
    );
  });
});
