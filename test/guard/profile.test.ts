import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { surprise, type Tail } from '../../src/guard/profile.js';

const TAIL: Tail = { from: 0.2, share: 0.1, scale: 0.05 };

describe('surprise', () => {
  it.each([
    [-1, 0],
    [0, 0],
    [0.1, Math.log(10) / 2],
    [0.2, Math.log(10)],
    [0.25, Math.log(10) + 1],
    [0.4, Math.log(10) + 4],
  ])('of %f is %f nats', (value, expected) => {
    expect(surprise(TAIL, value)).toBeCloseTo(expected, 9);
  });

  it('begins with the tail where half of all values are nothing', () => {
    expect(surprise({ from: 0, share: 0.1, scale: 0.05 }, 0.05)).toBeCloseTo(Math.log(10) + 1, 9);
    expect(surprise({ from: 0, share: 0.1, scale: 0.05 }, 0)).toBe(0);
  });

  const tail = fc.record({
    from: fc.double({ min: 0.01, max: 2, noNaN: true }),
    share: fc.double({ min: 1e-4, max: 1, noNaN: true }),
    scale: fc.double({ min: 0.01, max: 2, noNaN: true }),
  });

  it('never falls as the value rises', () => {
    const value = fc.double({ min: -1, max: 5, noNaN: true });
    fc.assert(
      fc.property(tail, value, value, (ordinary, a, b) => {
        expect(surprise(ordinary, Math.max(a, b)) + 1e-9).toBeGreaterThanOrEqual(surprise(ordinary, Math.min(a, b)));
      }),
    );
  });

  it('does not jump where the tail begins', () => {
    fc.assert(
      fc.property(tail, (ordinary) => {
        const step = 1e-9;
        expect(surprise(ordinary, ordinary.from)).toBeCloseTo(-Math.log(ordinary.share), 9);
        expect(surprise(ordinary, ordinary.from - step)).toBeCloseTo(surprise(ordinary, ordinary.from), 4);
      }),
    );
  });
});
