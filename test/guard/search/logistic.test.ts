import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/core/seeded-random.js';
import { fitLogistic, logOdds } from '../../../src/guard/search/logistic.js';

/** Two clouds of points, `apart` deviations from each other in the first of three numbers; the second is noise, the third constant. */
function clouds(apart: number, positives: number, negatives: number): { rows: number[][]; isPositive: boolean[] } {
  const random = new SeededRandom(11);
  const isPositive = Array.from({ length: positives + negatives }, (_, i) => i < positives);
  return { rows: isPositive.map((positive) => [100 + random.normal() + (positive ? apart : 0), 1000 * random.normal(), 7]), isPositive };
}

describe('fitLogistic', () => {
  it('tells separable examples apart', () => {
    const { rows, isPositive } = clouds(10, 40, 60);
    const model = fitLogistic(rows, isPositive);
    expect(rows.map((row) => logOdds(model, row) > 0)).toEqual(isPositive);
  });

  it('relies on what tells them apart, whatever its unit, and leaves alone what does not vary', () => {
    const { rows, isPositive } = clouds(3, 200, 200);
    const { weights } = fitLogistic(rows, isPositive);
    expect(weights[0]).toBeGreaterThan(5 * Math.abs(weights[1]!));
    expect(Math.abs(weights[2]!)).toBeLessThan(1e-3);
  });

  it('weights both classes alike: the middle between the clouds is as good as even, with ten times as many on one side', () => {
    const { rows, isPositive } = clouds(3, 60, 600);
    const model = fitLogistic(rows, isPositive);
    const slope = logOdds(model, [102.5, 0, 7]) - logOdds(model, [101.5, 0, 7]);
    // In log odds of points half a deviation off.
    expect(Math.abs(logOdds(model, [101.5, 0, 7]))).toBeLessThan(slope / 2);
  });

  it('does not run away where one number says it all', () => {
    const { weights, bias } = fitLogistic([[0], [1]], [false, true]);
    expect([...weights, bias].every(Number.isFinite)).toBe(true);
  });

  it('gives the same weights for the same data', () => {
    const { rows, isPositive } = clouds(2, 30, 50);
    expect(fitLogistic(rows, isPositive)).toEqual(fitLogistic(rows.map((row) => Float64Array.from(row)), [...isPositive]));
  });

  it.each([
    ['no examples', [], []],
    ['one class alone', [[1, 2], [3, 5]], [false, false]],
  ])('stays finite for %s', (_, rows: number[][], isPositive: boolean[]) => {
    const { mean, deviation, weights, bias } = fitLogistic(rows, isPositive);
    expect([...mean, ...deviation, ...weights, bias].every(Number.isFinite)).toBe(true);
  });
});
