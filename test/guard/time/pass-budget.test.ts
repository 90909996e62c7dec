import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PassBudget, type PassBudgetOptions } from '../../../src/guard/time/pass-budget.js';

const SECOND_US = 1_000_000;

type Step = readonly [ptsUs: number, passes: number, given: boolean];

describe('PassBudget', () => {
  test.each<[string, PassBudgetOptions, readonly Step[]]>([
    ['the burst at once, then none in the same frame', { maxExtraPassesPerSecond: 2 }, [[0, 2, true], [0, 1, true], [0, 1, false]]],
    ['half a second gives one of two a second', { maxExtraPassesPerSecond: 2 }, [[0, 3, true], [0.4 * SECOND_US, 1, false], [0.5 * SECOND_US, 1, true], [0.5 * SECOND_US, 1, false]]],
    ['less than one a second adds up', { maxExtraPassesPerSecond: 0.5, burst: 1 }, [[0, 1, true], [SECOND_US, 1, false], [2 * SECOND_US, 1, true]]],
    ['ten steps of a tenth are a second', { maxExtraPassesPerSecond: 1, burst: 1 }, [[0, 1, true], ...tenths(9, false), [SECOND_US, 1, true]]],
    ['all or none: what is left of a refused request stays', { maxExtraPassesPerSecond: 1, burst: 3 }, [[0, 2, true], [0, 2, false], [0, 1, true]]],
    ['a long pause fills it once', { maxExtraPassesPerSecond: 1, burst: 2 }, [[0, 2, true], [3600 * SECOND_US, 2, true], [3600 * SECOND_US, 1, false]]],
    ['a jump back gives nothing, and time goes on from there', { maxExtraPassesPerSecond: 1, burst: 1 }, [[9 * SECOND_US, 1, true], [0, 1, false], [0.5 * SECOND_US, 1, false], [SECOND_US, 1, true]]],
    ['equal stamps give nothing', { maxExtraPassesPerSecond: 100, burst: 1 }, [[7, 1, true], [7, 1, false], [7, 1, false]]],
    ['more than the burst is never there', { maxExtraPassesPerSecond: 1, burst: 2 }, [[0, 3, false], [100 * SECOND_US, 3, false], [100 * SECOND_US, 2, true]]],
    ['a rate of 0 is no extra passes at all', { maxExtraPassesPerSecond: 0 }, [[0, 1, false], [100 * SECOND_US, 1, false]]],
    ['no rate is no limit', {}, [[0, 1000, true], [0, 1000, true]]],
    ['nothing can always be had', { maxExtraPassesPerSecond: 0 }, [[0, 0, true]]],
  ])('%s', (_, options, steps) => {
    const budget = new PassBudget(options);
    const given = steps.map(([ptsUs, passes]) => {
      budget.advance(ptsUs);
      return budget.take(passes);
    });
    expect(given).toEqual(steps.map(([, , expected]) => expected));
  });

  test('counts what it gave and what it refused, in passes', () => {
    const budget = new PassBudget({ maxExtraPassesPerSecond: 1, burst: 3 });
    budget.advance(0);
    expect([budget.take(2), budget.take(4), budget.take(1), budget.take(1)]).toEqual([true, false, true, false]);
    expect([budget.taken, budget.refused, budget.available]).toEqual([3, 5, 0]);
  });

  test('the first frame of a stream whose clock starts late is no pause', () => {
    const budget = new PassBudget({ maxExtraPassesPerSecond: 1, burst: 2 });
    budget.advance(0);
    budget.take(2);
    const late = new PassBudget({ maxExtraPassesPerSecond: 1, burst: 2 });
    late.advance(1e12);
    late.take(2);
    expect([budget.available, late.available]).toEqual([0, 0]);
  });

  test('never gives more than the burst and what time has brought, however the stamps jump', () => {
    const frame = fc.record({ ptsUs: fc.integer({ min: -5 * SECOND_US, max: 60 * SECOND_US }), passes: fc.integer({ min: 0, max: 6 }) });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 60 }), fc.double({ min: 0.1, max: 20, noNaN: true }), fc.integer({ min: 1, max: 10 }), (frames, rate, burst) => {
        const budget = new PassBudget({ maxExtraPassesPerSecond: rate, burst });
        let forwardUs = 0;
        frames.forEach(({ ptsUs, passes }, i) => {
          if (i > 0) forwardUs += Math.max(0, ptsUs - frames[i - 1]!.ptsUs);
          budget.advance(ptsUs);
          budget.take(passes);
          expect(budget.taken).toBeLessThanOrEqual(burst + (rate * forwardUs) / 1e6 + 1e-6);
        });
        expect(budget.taken + budget.refused).toBe(frames.reduce((sum, { passes }) => sum + passes, 0));
      }),
    );
  });
});

function tenths(count: number, given: boolean): Step[] {
  return Array.from({ length: count }, (_, i) => [((i + 1) * SECOND_US) / 10, 1, given]);
}
