import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../src/core/seeded-random.js';
import { addedVariance, sharesOf, type Split, splitVariance } from '../../src/study/covariance.js';
import { blockLength, describe as describeTimes } from '../../src/study/describe.js';
import { analyseEffects, type Observation } from '../../src/study/effects.js';
import { fitLine, fitTrimmed } from '../../src/study/predictor.js';
import { explainTail } from '../../src/study/tail.js';
import { lengthMs, split, union } from '../../src/study/timeline.js';

const finite = fc.double({ min: -1e3, max: 1e3, noNaN: true });

function frame(parts: Readonly<Record<string, number>>): Split {
  return { totalMs: Object.values(parts).reduce((sum, value) => sum + value, 0), parts };
}

describe('covariance shares', () => {
  test('by hand: a varies by 1, b against it by a half', () => {
    // Totals 11, 12, 13 minus b 1, .5, 0: a = 10, 11.5, 13.
    const { varianceMs2, covarianceMs2 } = splitVariance([[frame({ a: 10, b: 1 }), frame({ a: 11.5, b: 0.5 }), frame({ a: 13, b: 0 })]]);
    expect(varianceMs2).toBeCloseTo(1, 12);
    expect(covarianceMs2['a']).toBeCloseTo(1.5, 12);
    expect(covarianceMs2['b']).toBeCloseTo(-0.5, 12);
  });

  test('what only differs between runs is not counted', () => {
    const { varianceMs2, covarianceMs2 } = splitVariance([[frame({ a: 1 }), frame({ a: 3 })], [frame({ a: 101 }), frame({ a: 103 })]]);
    expect(varianceMs2).toBe(2);
    expect(covarianceMs2).toEqual({ a: 2 });
  });

  test.each([
    ['no frame', []],
    ['an empty run', [[]]],
    ['one frame', [[frame({ a: 5 })]]],
    ['equal frames', [[frame({ a: 5, b: 1 }), frame({ a: 5, b: 1 })]]],
  ])('%s: nothing varies and nothing is shared out', (_, groups) => {
    const variance = splitVariance(groups);
    expect(variance.varianceMs2).toBe(0);
    expect(sharesOf(variance)).toEqual({});
  });

  test('shares sum to one, whatever the frames', () => {
    const runs = fc.array(fc.array(fc.record({ a: finite, b: finite, c: finite }), { maxLength: 12 }), { maxLength: 4 });
    fc.assert(
      fc.property(runs, (groups) => {
        const variance = splitVariance(groups.map((group) => group.map(frame)));
        const sum = Object.values(variance.covarianceMs2).reduce((total, one) => total + one, 0);
        expect(Math.abs(sum - variance.varianceMs2)).toBeLessThanOrEqual(1e-6 * (1 + variance.varianceMs2));
      }),
    );
  });

  test('simulated: independent parts get their own variances', () => {
    const random = new SeededRandom(11);
    const frames = Array.from({ length: 20_000 }, () => frame({ a: 10 + 3 * random.normal(), b: 5 + random.normal() }));
    expect(sharesOf(splitVariance([frames]))['a']).toBeCloseTo(0.9, 1);
    expect(Math.abs(sharesOf(splitVariance([frames]))['a']! - 0.9)).toBeLessThan(0.01);
  });

  test('what was added to one part is found there, although all parts vary', () => {
    const random = new SeededRandom(5);
    const draw = (added: number) => Array.from({ length: 5_000 }, () => frame({ a: 10 + random.normal(), b: 5 + random.normal() + added * random.normal() }));
    const { addedMs2, shares } = addedVariance(splitVariance([draw(0)]), splitVariance([draw(5)]));
    expect(Math.abs(addedMs2 - 25)).toBeLessThan(2);
    expect(shares!['b']).toBeGreaterThan(0.97);
    expect(shares!['a']! + shares!['b']!).toBeCloseTo(1, 9);
  });

  test('less variance than before is told and not shared out', () => {
    const calm = splitVariance([[frame({ a: 1 }), frame({ a: 1 })]]);
    const wild = splitVariance([[frame({ a: 1 }), frame({ a: 3 })]]);
    expect(addedVariance(wild, calm)).toEqual({ addedMs2: -2, shares: undefined });
  });
});

describe('times of one configuration', () => {
  test('by hand', () => {
    const { n, mean, deviation, cv, min, max, range, p50, p95 } = describeTimes([[1, 2, 3], [4, 10]]);
    expect({ n, mean: mean.value, min, max, range, p50: p50.value, p95 }).toEqual({ n: 5, mean: 4, min: 1, max: 10, range: 9, p50: 3, p95: undefined });
    // Squares 9, 4, 1, 0, 36: 50 over 4.
    expect(deviation.value).toBeCloseTo(Math.sqrt(12.5), 12);
    expect(cv.value).toBeCloseTo(Math.sqrt(12.5) / 4, 12);
  });

  test('percentiles wait for their samples', () => {
    const times = (n: number) => describeTimes([Array.from({ length: n }, (_, i) => i)], { resamples: 5 });
    expect([times(129).p95, times(661).p99, times(4602).p999]).toEqual([undefined, undefined, undefined]);
    expect([times(130).p95?.value, times(662).p99?.value, times(4603).p999?.value]).toEqual([123, 655, 4598]);
  });

  test('the same seed gives the same intervals', () => {
    const times = [Array.from({ length: 50 }, (_, i) => (i * 7919) % 31)];
    expect(describeTimes(times)).toEqual(describeTimes(times));
  });

  test('intervals hold the true mean about as often as they promise, also where neighbours are alike', () => {
    const random = new SeededRandom(21);
    let held = 0;
    for (let trial = 0; trial < 120; trial += 1) {
      // First-order autoregression around 20, correlation 0.6.
      let deviation = 0;
      const times = Array.from({ length: 300 }, () => 20 + (deviation = 0.6 * deviation + random.normal()));
      const { low, high } = describeTimes([times], { seed: trial, resamples: 200 }).mean;
      if (low <= 20 && 20 <= high) held += 1;
    }
    // A plain bootstrap holds it in two thirds of the trials.
    expect(held / 120).toBeGreaterThan(0.85);
  });

  test('the interval lies around the figure', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e4, noNaN: true }), { minLength: 2, maxLength: 40 }), (times) => {
        const { mean, p50, min, max } = describeTimes([times], { resamples: 20 });
        for (const { low, high } of [mean, p50]) {
          expect(low).toBeGreaterThanOrEqual(min - 1e-9 * Math.abs(min));
          expect(high).toBeLessThanOrEqual(max + 1e-9 * Math.abs(max));
        }
      }),
    );
  });

  test.each([
    ['one time', [3], 1],
    ['all alike', [3, 3, 3, 3, 3, 3, 3, 3], 2],
  ])('%s', (_, times, expected) => {
    expect(blockLength(times)).toBe(expected);
  });

  test('a long swing is drawn in stretches of about a quarter of it, where it is no longer like itself', () => {
    const period = 190;
    const length = blockLength(Array.from({ length: 400 }, (_, i) => Math.sin((2 * Math.PI * i) / period)));
    expect(length).toBeGreaterThan(period / 5);
    expect(length).toBeLessThan(period / 3);
  });
});

describe('effects of factors', () => {
  const cell = (a: string, b: string, ...values: number[]): Observation[] => values.map((value) => ({ levels: { a, b }, value }));

  test('by hand: two factors and their interaction, balanced', () => {
    // Cell means 1, 3, 5, 11 around 5: a -3 and 3, b -2 and 2, interaction 1. Each cell +-1.
    const observations = [...cell('1', '1', 0, 2), ...cell('1', '2', 2, 4), ...cell('2', '1', 4, 6), ...cell('2', '2', 10, 12)];
    const { effects, residualShare, isBalanced } = analyseEffects(observations, ['a', 'b']);
    // Sums of squares: a 8*9 = 72, b 8*4 = 32, interaction 8*1 = 8, within 8: 120 in all.
    const found = Object.fromEntries(effects.map(({ name, etaSquared }) => [name, etaSquared]));
    expect(found['a']).toBeCloseTo(72 / 120, 12);
    expect(found['b']).toBeCloseTo(32 / 120, 12);
    expect(found['a x b']).toBeCloseTo(8 / 120, 12);
    expect(residualShare).toBeCloseTo(8 / 120, 12);
    expect(isBalanced).toBe(true);
    expect(effects.map(({ name }) => name)).toEqual(['a', 'b', 'a x b']);
    expect(effects.every(({ degreesOfFreedom }) => degreesOfFreedom === 1)).toBe(true);
  });

  test('one factor at a time: no interaction is claimed, and the design is said to be unbalanced', () => {
    const observations = [...cell('1', '1', 0, 2), ...cell('1', '2', 2, 4), ...cell('2', '1', 4, 6)];
    const { effects, isBalanced } = analyseEffects(observations, ['a', 'b']);
    expect(effects.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(isBalanced).toBe(false);
  });

  test.each([
    ['nothing varies', [...cell('1', '1', 3, 3)], ['a', 'b']],
    ['a factor of one level', [...cell('1', '1', 3, 5)], ['a']],
  ])('%s: no effect', (_, observations, factors) => {
    expect(analyseEffects(observations, factors).effects).toEqual([]);
  });

  test('balanced: effects and residual sum to one, for any values', () => {
    const design = ['1', '2', '3'].flatMap((a) => ['1', '2'].flatMap((b) => [0, 1, 2].map(() => ({ a, b }))));
    fc.assert(
      fc.property(fc.array(finite, { minLength: design.length, maxLength: design.length }), (values) => {
        const observations = design.map((levels, i) => ({ levels, value: values[i]! }));
        const { effects, residualShare } = analyseEffects(observations, ['a', 'b']);
        const sum = effects.reduce((total, { etaSquared }) => total + etaSquared, residualShare);
        if (new Set(values).size > 1) expect(sum).toBeCloseTo(1, 6);
      }),
    );
  });

  test('simulated: a factor of 80 % is found, and one that does nothing is not', () => {
    const random = new SeededRandom(8);
    // Levels -2 and 2: variance 4 between, 1 within.
    const observations = Array.from({ length: 4_000 }, (_, i) => ({ levels: { strong: String(i % 2), idle: String((i >> 1) % 3) }, value: (i % 2 ? 2 : -2) + random.normal() }));
    const found = Object.fromEntries(analyseEffects(observations, ['strong', 'idle']).effects.map(({ name, etaSquared }) => [name, etaSquared]));
    expect(Math.abs(found['strong']! - 0.8)).toBeLessThan(0.02);
    expect(found['idle']).toBeLessThan(0.005);
  });
});

describe('post-processing by boxes', () => {
  test('by hand', () => {
    const fit = fitLine([0, 1, 2, 3], [1, 3, 5, 8])!;
    // Means 1.5 and 4.25; slope 11.5 / 5.
    expect(fit.slope).toBeCloseTo(2.3, 12);
    expect(fit.intercept).toBeCloseTo(0.8, 12);
    expect(fit.r2).toBeCloseTo(1 - 0.3 / 26.75, 12);
    expect(fit.residualDeviation).toBeCloseTo(Math.sqrt(0.15), 12);
  });

  test.each([
    ['two points', [1, 2], [1, 2], undefined],
    ['boxes that never change', [4, 4, 4], [1, 2, 3], { slope: 0, intercept: 2, r2: 0 }],
    ['times that never change', [1, 2, 3], [5, 5, 5], { slope: 0, intercept: 5, r2: 0 }],
  ])('%s', (_, x, y, expected) => {
    if (expected) expect(fitLine(x, y)).toMatchObject(expected);
    else expect(fitLine(x, y)).toBeUndefined();
  });

  test('a frame that was interrupted says nothing of what a box costs', () => {
    const x = Array.from({ length: 50 }, (_, i) => i);
    const y = x.map((boxes) => 1 + 0.5 * boxes + (boxes % 2 ? 0.1 : -0.1) + (boxes === 3 ? 400 : 0));
    const fit = fitTrimmed(x, y)!;
    expect(fit.outliers).toBe(1);
    expect(Math.abs(fit.slope - 0.5)).toBeLessThan(0.01);
    expect(fit.r2).toBeGreaterThan(0.99);
  });

  test('any line is found again', () => {
    fc.assert(
      fc.property(fc.integer({ min: -50, max: 50 }), fc.integer({ min: -50, max: 50 }), fc.uniqueArray(fc.integer({ min: -100, max: 100 }), { minLength: 3, maxLength: 20 }), (a, b, x) => {
        const fit = fitLine(x, x.map((value) => a + b * value))!;
        expect(fit.slope).toBeCloseTo(b, 6);
        expect(fit.intercept).toBeCloseTo(a, 6);
      }),
    );
  });
});

describe('the gap between slow and ordinary frames', () => {
  test('is laid to the part that makes it', () => {
    // Every hundredth frame waits 50 ms in a queue; computing swings by itself and has no part in it.
    const frames = Array.from({ length: 1_000 }, (_, i) => frame({ compute: 10 + (i % 3) / 10, queue: i % 100 === 7 ? 50 : 0 }));
    const tail = explainTail(frames)!;
    expect(tail.p50Ms).toBeCloseTo(10.1, 6);
    expect(tail.byPart['queue']).toBeGreaterThan(0.9 * tail.gapMs);
    expect(tail.byPart['queue']! + tail.byPart['compute']!).toBeCloseTo(tail.gapMs, 9);
  });

  test('needs a hundred frames', () => {
    expect(explainTail(Array.from({ length: 99 }, () => frame({ a: 1 })))).toBeUndefined();
  });
});

describe('pieces of time', () => {
  test.each([
    ['nothing', [], []],
    ['backward and empty ones are none', [[3, 2], [4, 4]], []],
    ['overlapping and touching ones are one', [[4, 6], [1, 2], [2, 3], [5, 9]], [[1, 3], [4, 9]]],
    ['one within another', [[1, 9], [2, 3]], [[1, 9]]],
  ] as const)('union: %s', (_, intervals, expected) => {
    expect(union(intervals)).toEqual(expected);
  });

  test.each([
    ['no marks', [[0, 10]], [], [], [[0, 10]]],
    ['a mark before, one after', [[5, 10]], [[0, 5], [10, 12]], [], [[5, 10]]],
    ['marks over both ends and one inside', [[5, 10]], [[4, 6], [7, 8], [9, 11]], [[5, 6], [7, 8], [9, 10]], [[6, 7], [8, 9]]],
    ['a mark over all', [[5, 6], [7, 8]], [[0, 9]], [[5, 6], [7, 8]], []],
  ] as const)('split: %s', (_, within, marks, inside, outside) => {
    expect(split(within, marks)).toEqual({ inside, outside });
  });

  test('inside and outside are all of it', () => {
    const intervals = fc.array(fc.tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 100 })), { maxLength: 8 });
    fc.assert(
      fc.property(intervals, intervals, (a, b) => {
        const within = union(a);
        const { inside, outside } = split(within, union(b));
        expect(lengthMs(inside) + lengthMs(outside)).toBe(lengthMs(within));
        expect(union([...inside, ...outside])).toEqual(within);
      }),
    );
  });
});
