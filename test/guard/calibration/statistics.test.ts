import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/core/seeded-random.js';
import { surprise } from '../../../src/guard/profile.js';
import { distributionOf, exceededBy, quantile, tailOf } from '../../../src/guard/calibration/statistics.js';

/** Of mean 1. */
function exponentials(count: number): number[] {
  const random = new SeededRandom(4);
  return Array.from({ length: count }, () => -Math.log(1 - random.unit()));
}

describe('quantile', () => {
  it.each([
    [[], 0.5, 0],
    [[7], 0.9, 7],
    [[1, 2, 3], 0.5, 2],
    [[1, 2, 3, 4], 0.5, 2.5],
    [[0, 10], 0.25, 2.5],
    [[1, 5, 9], 0, 1],
    [[1, 5, 9], 1, 9],
  ])('of %j at %f is %f', (sorted, share, expected) => {
    expect(quantile(sorted, share)).toBeCloseTo(expected, 9);
  });
});

describe('distributionOf', () => {
  it('describes its values, in any order', () => {
    const values = Array.from({ length: 1001 }, (_, i) => (i * 5) % 1001);
    const { mean, deviation, quantiles } = distributionOf(values);
    expect(mean).toBeCloseTo(500, 6);
    expect(deviation).toBeCloseTo(Math.sqrt((1001 ** 2 - 1) / 12), 6);
    [500, 900, 950, 990, 995, 999].forEach((expected, i) => expect(quantiles[i]).toBeCloseTo(expected, 6));
  });

  it('of nothing is nothing', () => {
    expect(distributionOf([])).toEqual({ mean: 0, deviation: 0, quantiles: [0, 0, 0, 0, 0, 0] });
  });
});

describe('tailOf', () => {
  it('finds the tail of an exponential distribution', () => {
    const { from, share, scale } = tailOf(exponentials(20_000), 0.01);
    expect(from).toBeCloseTo(Math.log(10), 1);
    expect(share).toBeCloseTo(0.1, 2);
    expect(Math.abs(scale - 1)).toBeLessThan(0.1);
    // One in a million: far beyond what was seen.
    expect(Math.abs(surprise({ from, share, scale }, Math.log(1e6)) - Math.log(1e6))).toBeLessThan(1.5);
  });

  it.each([
    ['nothing', []],
    ['nothing but zeros', [0, 0, 0, 0, 0, 0]],
    ['one value', [0.4]],
  ])('of %s is a tail nevertheless', (_, values: number[]) => {
    const tail = tailOf(values, 0.05);
    expect(tail).toMatchObject({ share: 1 / Math.max(1, values.length), scale: 0.05 });
    expect(Number.isFinite(surprise(tail, 0.3))).toBe(true);
  });

  it('is no narrower than it is told', () => {
    expect(tailOf([...exponentials(100).map((value) => value / 1000)], 0.5).scale).toBe(0.5);
  });

  it('is finite and in its ranges, whatever the values', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 10, noNaN: true })), (values) => {
        const { from, share, scale } = tailOf(values, 0.05);
        expect(from).toBeGreaterThanOrEqual(0);
        expect(share).toBeGreaterThan(0);
        expect(share).toBeLessThanOrEqual(1);
        expect(scale).toBeGreaterThanOrEqual(0.05);
        expect(Number.isFinite(scale + from)).toBe(true);
      }),
    );
  });
});

describe('exceededBy', () => {
  it('extrapolates to cases that are rarer than what was seen', () => {
    const value = exceededBy(exponentials(4000), 4000, 1e-5, 0.01)!;
    expect(Math.abs(value - Math.log(1e5))).toBeLessThan(1.2);
  });

  it('counts the cases that have no value', () => {
    const values = exponentials(400);
    const all = exceededBy(values, 400, 0.01, 0.01)!;
    const few = exceededBy(values, 4000, 0.01, 0.01)!;
    expect(all - few).toBeCloseTo(Math.log(10), 0);
  });

  it('rises as the target gets rarer, and by a scale that is no smaller than it is told', () => {
    const targets = [0.1, 0.01, 0.001].map((target) => exceededBy([1, 1, 1, 1], 4, target, 0.5)!);
    expect(targets[1]! - targets[0]!).toBeCloseTo(0.5 * Math.log(10), 6);
    expect(targets[2]! - targets[1]!).toBeCloseTo(0.5 * Math.log(10), 6);
  });

  it('is the middle where more is allowed than there is, and unknown where nothing is', () => {
    expect(exceededBy([1, 2, 3], 1000, 0.1, 0.5)).toBe(2);
    expect(exceededBy([], 1000, 0.01, 0.5)).toBeUndefined();
  });
});
