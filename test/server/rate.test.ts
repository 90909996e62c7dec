import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Pacer, TokenBucket } from '../../src/server/rate.js';

describe('Pacer', () => {
  const admitted = (rate: number, timesMs: number[]): number[] => {
    const pacer = new Pacer(rate);
    return timesMs.filter((ms) => pacer.admits(ms));
  };

  test.each([
    ['the first comes through', 10, [5], [5]],
    ['before its time is refused', 10, [0, 99, 100], [0, 100]],
    ['10 of 25 a second do not drift to 8.3', 10, [0, 40, 80, 120, 160, 200, 240, 280, 320], [0, 120, 200, 320]],
    ['a pause earns no burst', 10, [0, 1000, 1040, 1080, 1100], [0, 1000, 1100]],
    ['less than one a second', 0.5, [0, 1000, 1999, 2000, 3999, 4000], [0, 2000, 4000]],
  ])('%s', (_, rate, timesMs, expected) => {
    expect(admitted(rate, timesMs)).toEqual(expected);
  });

  test('never more than rate * time + 1, whatever comes when', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.array(fc.nat(200), { minLength: 1, maxLength: 300 }), (rate, gaps) => {
        let nowMs = 0;
        const times = gaps.map((gap) => (nowMs += gap));
        expect(admitted(rate, times).length).toBeLessThanOrEqual(((nowMs - times[0]!) * rate) / 1e3 + 1 + 1e-6);
      }),
    );
  });
});

test('TokenBucket allows a burst, then the rate', () => {
  const bucket = new TokenBucket(10, 3, 0);
  expect([0, 0, 0, 0, 50, 99, 100, 150, 200].map((ms) => bucket.take(ms))).toEqual([true, true, true, false, false, false, true, false, true]);
});
