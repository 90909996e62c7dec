import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { kendallTau, rankAgreement } from '../../src/picker/kendall-tau.js';
import { paretoFront } from '../../src/picker/pareto.js';
import { percentilesOf } from '../../src/picker/percentiles.js';
import { placeLabels, type PlacedLabel } from '../../src/picker/place-labels.js';

describe('kendallTau, by hand', () => {
  test.each([
    ['the same order', [1, 2, 3, 4], [10, 20, 30, 40], 1],
    ['the opposite order', [1, 2, 3], [3, 2, 1], -1],
    ['one pair of six the wrong way: (5 - 1) / 6', [1, 2, 3, 4], [1, 2, 4, 3], 4 / 6],
    // Pairs: 6; one tie in a, none in b; concordant 5, discordant 0: 5 / sqrt(5 * 6).
    ['a tie on one side', [1, 2, 2, 3], [1, 2, 3, 4], 5 / Math.sqrt(30)],
    ['ties on both sides at once', [1, 1, 2], [5, 5, 7], 1],
    ['nothing but ties', [1, 1, 1], [1, 2, 3], null],
    ['one pair is no order', [1], [2], null],
    ['nothing', [], [], null],
  ])('%s', (_, a, b, expected) => {
    if (expected === null) expect(kendallTau(a, b)).toBeNull();
    else expect(kendallTau(a, b)).toBeCloseTo(expected, 12);
  });

  it('lies between -1 and 1, turns its sign with one side, and depends on ranks alone', () => {
    const values = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(values, (pairs) => {
        const [a, b] = [pairs.map(([one]) => one), pairs.map(([, other]) => other)];
        const tau = kendallTau(a, b);
        if (tau === null) return;
        expect(Math.abs(tau)).toBeLessThanOrEqual(1 + 1e-12);
        expect(kendallTau(a, b.map((value) => -value))).toBeCloseTo(-tau, 12);
        expect(kendallTau(a.map((value) => Math.exp(value)), b)).toBeCloseTo(tau, 12);
      }),
    );
  });

  it('has an interval where there are enough values, the same each time, around the figure', () => {
    const a = Array.from({ length: 20 }, (_, i) => i);
    const b = a.map((value) => (value % 5 === 0 ? value - 6 : value));
    const first = rankAgreement(a, b);
    expect(first).toEqual(rankAgreement(a, b));
    expect(first.interval!.low).toBeLessThan(first.tau!);
    expect(first.interval!.high).toBeGreaterThanOrEqual(first.tau!);
    expect(rankAgreement(a.slice(0, 7), b.slice(0, 7)).interval).toBeNull();
  });
});

describe('paretoFront', () => {
  const points = (...pairs: readonly (readonly [number, number])[]) => pairs.map(([cost, worth]) => ({ cost, worth }));
  test.each([
    ['nothing', points(), []],
    ['one alone', points([1, 1]), [true]],
    ['faster and better beats', points([1, 2], [2, 1]), [true, false]],
    ['each has something', points([1, 1], [2, 2]), [true, true]],
    ['as good but slower is beaten', points([1, 1], [2, 1]), [true, false]],
    ['as fast but worse is beaten', points([1, 1], [1, 2]), [false, true]],
    ['equals stay together', points([1, 1], [1, 1]), [true, true]],
  ])('%s', (_, given, front) => {
    expect(paretoFront(given)).toEqual(front);
  });

  it('everything off it is beaten by something on it, nothing on it is', () => {
    const point = fc.record({ cost: fc.integer({ min: 0, max: 6 }), worth: fc.integer({ min: 0, max: 6 }) });
    fc.assert(
      fc.property(fc.array(point, { maxLength: 15 }), (given) => {
        const isFront = paretoFront(given);
        const front = given.filter((_, i) => isFront[i]);
        const beats = (a: (typeof given)[number], b: (typeof given)[number]) => a.cost <= b.cost && a.worth >= b.worth && (a.cost !== b.cost || a.worth !== b.worth);
        given.forEach((one, i) => expect(front.some((other) => beats(other, one))).toBe(!isFront[i]));
      }),
    );
  });
});

describe('percentilesOf', () => {
  const counting = (n: number): number[] => Array.from({ length: n }, (_, i) => (i + 1) * 1000);
  test.each([
    ['nothing says nothing', 0, undefined],
    ['one is its own median', 1, { n: 1, p50Ms: 1, p95Ms: undefined, p99Ms: undefined }],
    ['too few for p95', 129, { n: 129, p50Ms: 65, p95Ms: undefined, p99Ms: undefined }],
    ['enough for p95', 130, { n: 130, p50Ms: 65, p95Ms: 124, p99Ms: undefined }],
    ['enough for p99', 700, { n: 700, p50Ms: 350, p95Ms: 665, p99Ms: 693 }],
  ])('%s', (_, n, expected) => {
    expect(percentilesOf(counting(n).reverse())).toEqual(expected);
  });
});

describe('placeLabels', () => {
  const bounds = { left: 0, right: 400, top: 0, bottom: 300 };
  const boxOf = ({ x, y, dx, dy, text, textAnchor }: PlacedLabel) => {
    const width = text.length * 6;
    const left = x + dx - { start: 0, middle: width / 2, end: width }[textAnchor];
    return { left, right: left + width, top: y + dy - 6, bottom: y + dy + 6 };
  };

  it('lets no label cover another or leave the picture, wherever the points are', () => {
    const anchor = fc.record({ x: fc.integer({ min: 0, max: 400 }), y: fc.integer({ min: 0, max: 300 }), text: fc.constantFrom('a', 'yolox-nano 320', 'yolo-fastest-1.1-xl 256') });
    fc.assert(
      fc.property(fc.array(anchor, { maxLength: 25 }), (anchors) => {
        const boxes = placeLabels(anchors, { bounds }).map(boxOf);
        for (const [i, a] of boxes.entries()) {
          expect(a.left >= 0 && a.right <= 400 && a.top >= 0 && a.bottom <= 300).toBe(true);
          for (const b of boxes.slice(0, i)) expect(a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom).toBe(false);
        }
      }),
    );
  });

  it('labels everything where there is room', () => {
    const anchors = [50, 150, 250].map((y) => ({ x: 200, y, text: 'yolox-nano 320' }));
    expect(placeLabels(anchors, { bounds })).toHaveLength(3);
  });

  it('keeps off lines', () => {
    const lines = [{ left: 0, right: 400, top: 0, bottom: 149 }];
    expect(placeLabels([{ x: 200, y: 150, text: 'below' }], { bounds, lines }).map(({ dy }) => dy > 0)).toEqual([true]);
  });
});
