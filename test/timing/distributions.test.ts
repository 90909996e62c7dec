import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RunningStats } from '../../src/timing/running-stats.js';
import { SAMPLE_FLOORS, TimeDistribution } from '../../src/timing/time-distribution.js';

/** The textbook: mean first, then the squares of what is left. */
function twoPass(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, variance: values.length < 2 ? 0 : squares / (values.length - 1) };
}

function recorded(values: readonly number[]): RunningStats {
  const stats = new RunningStats();
  for (const value of values) stats.record(value);
  return stats;
}

describe('RunningStats', () => {
  test.each<[string, number[], { mean: number; variance: number; cv: number; min: number; max: number }]>([
    ['nothing', [], { mean: 0, variance: 0, cv: 0, min: 0, max: 0 }],
    ['one value has no variance', [5], { mean: 5, variance: 0, cv: 0, min: 5, max: 5 }],
    ['two values', [1, 3], { mean: 2, variance: 2, cv: Math.SQRT1_2, min: 1, max: 3 }],
    ['a mean of 0 has no coefficient of variation', [-1, 1], { mean: 0, variance: 2, cv: 0, min: -1, max: 1 }],
    ['all equal', [0.1, 0.1, 0.1], { mean: 0.1, variance: 0, cv: 0, min: 0.1, max: 0.1 }],
  ])('%s', (_, values, { mean, variance, cv, min, max }) => {
    const stats = recorded(values);
    expect(stats.count).toBe(values.length);
    expect([stats.min, stats.max]).toEqual([min, max]);
    expect(stats.mean).toBeCloseTo(mean, 12);
    expect(stats.variance).toBeCloseTo(variance, 12);
    expect(stats.cv).toBeCloseTo(cv, 12);
  });

  test('agrees with the two-pass computation', () => {
    const value = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 500 }), (values) => {
        const [stats, exact] = [recorded(values), twoPass(values)];
        const scale = Math.max(...values, 1e-9);
        expect(Math.abs(stats.mean - exact.mean) / scale).toBeLessThan(1e-12);
        expect(Math.abs(stats.variance - exact.variance) / scale ** 2).toBeLessThan(1e-12);
        expect([stats.min, stats.max]).toEqual([Math.min(...values), Math.max(...values)]);
        expect(stats.stdDev).toBe(Math.sqrt(stats.variance));
      }),
    );
  });

  test('keeps a small variance beside a large mean, where a sum of squares would lose it', () => {
    const stats = recorded([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16]);
    expect(stats.variance).toBe(30);
  });
});

function distributionOf(values: readonly number[]): TimeDistribution {
  const distribution = new TimeDistribution();
  for (const value of values) distribution.record(value);
  return distribution;
}

describe('TimeDistribution', () => {
  test('before the first sample knows nothing', () => {
    expect(new TimeDistribution().summary()).toEqual({
      n: 0,
      meanMs: 0,
      varianceMs2: 0,
      cv: 0,
      minMs: 0,
      maxMs: 0,
      p50Ms: undefined,
      p90Ms: undefined,
      p95Ms: undefined,
      p99Ms: undefined,
      p999Ms: undefined,
    });
  });

  test.each<[keyof typeof SAMPLE_FLOORS, 'p50Ms' | 'p90Ms' | 'p95Ms' | 'p99Ms' | 'p999Ms', number]>([
    ['p50', 'p50Ms', 1],
    ['p90', 'p90Ms', 64],
    ['p95', 'p95Ms', 130],
    ['p99', 'p99Ms', 662],
    ['p999', 'p999Ms', 4603],
  ])('%s is undefined below its floor', (name, key, floor) => {
    expect(SAMPLE_FLOORS[name]).toBe(floor);
    const distribution = distributionOf(new Array<number>(floor - 1).fill(2));
    expect(distribution.summary()[key]).toBeUndefined();
    distribution.record(2);
    expect(distribution.summary()[key]).toBeCloseTo(2, 2);
  });

  test('percentiles are those of the samples to 3 significant digits', () => {
    // Microseconds to minutes, as many small as large ones.
    const ms = fc.double({ min: Math.log(0.002), max: Math.log(300_000), noNaN: true }).map(Math.exp);
    fc.assert(
      fc.property(fc.array(ms, { minLength: 4603, maxLength: 5000, size: 'max' }), (values) => {
        const sorted = Float64Array.from(values).sort();
        const { p50Ms, p90Ms, p95Ms, p99Ms, p999Ms } = distributionOf(values).summary();
        const found: [number, number][] = [[0.5, p50Ms!], [0.9, p90Ms!], [0.95, p95Ms!], [0.99, p99Ms!], [0.999, p999Ms!]];
        for (const [share, percentileMs] of found) {
          // Between the nearest ranks: definitions of a percentile differ by one.
          const rank = share * sorted.length;
          const [low, high] = [sorted[Math.max(0, Math.floor(rank) - 1)]!, sorted[Math.min(sorted.length - 1, Math.ceil(rank))]!];
          expect(percentileMs).toBeGreaterThanOrEqual(low * 0.999 - 0.001);
          expect(percentileMs).toBeLessThanOrEqual(high * 1.001 + 0.001);
        }
      }),
      { numRuns: 10 },
    );
  });

  test.each([
    ['a negative time, a fault of the clocks, counts as 0', -5, 0],
    ['no number counts as 0', NaN, 0],
    ['nothing is 0, though the histogram starts at a microsecond', 0, 0],
    ['days are longer than the histogram, the mean is exact', 2e8, 2e8],
  ])('%s', (_, ms, meanMs) => {
    const { n, meanMs: mean, p50Ms } = distributionOf([ms]).summary();
    expect([n, mean]).toEqual([1, meanMs]);
    expect(p50Ms).toBeGreaterThan(0);
    expect(p50Ms).toBeLessThan(3_610_000);
  });
});
