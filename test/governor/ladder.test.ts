import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { accuracyRank, buildLadder, frameMsOf, MOVE_MS, type Rung } from '../../src/governor/ladder.js';
import { parseTarget, targetText } from '../../src/governor/target.js';

const rung = (name: string, detectMs: number, accuracy: number, every = 1): Rung => ({ name, detectMs, accuracy, every });
const names = (rungs: readonly Rung[]) => rungs.map(({ name }) => name);

describe('buildLadder', () => {
  test.each<[string, Rung[], number, string[]]>([
    ['nothing', [], 0, []],
    ['cheapest first', [rung('b', 20, 2), rung('a', 10, 1)], 0, ['a', 'b']],
    ['dearer and worse is left out', [rung('a', 10, 1), rung('bad', 15, 0.5), rung('b', 20, 2)], 0, ['a', 'b']],
    ['dearer and no better is left out', [rung('a', 10, 1), rung('same', 15, 1)], 0, ['a']],
    ['worse by less than what a measurement says stays', [rung('a', 10, 0.5), rung('b', 15, 0.495)], 0.01, ['a', 'b']],
    ['worse by more does not', [rung('a', 10, 0.5), rung('b', 15, 0.48)], 0.01, ['a']],
    ['of two that cost the same the better', [rung('a', 10, 1), rung('b', 10.1, 2)], 0, ['b']],
    ['rhythms are points of their own', [rung('m', 40, 2), rung('m/2', 40, 1.9, 2)], 0, ['m/2', 'm']],
  ])('%s', (_, rungs, noise, expected) => {
    expect(names(buildLadder(rungs, noise))).toEqual(expected);
  });

  test('each rung costs more and is better; what is left out is dominated or as dear as a better one', () => {
    const one = fc.record({ name: fc.uuid(), detectMs: fc.double({ min: 1, max: 100, noNaN: true }), accuracy: fc.double({ min: 0, max: 1, noNaN: true }), every: fc.integer({ min: 1, max: 4 }) });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 30 }), (rungs) => {
        const ladder = buildLadder(rungs);
        ladder.slice(1).forEach((upper, i) => {
          expect(frameMsOf(upper)).toBeGreaterThan(frameMsOf(ladder[i]!));
          expect(upper.accuracy).toBeGreaterThan(ladder[i]!.accuracy);
        });
        const best = Math.max(...rungs.map(({ accuracy }) => accuracy));
        if (rungs.length > 0) expect(ladder.at(-1)!.accuracy).toBe(best);
      }),
    );
  });
});

test('a skipped frame costs what moving boxes costs', () => {
  expect(frameMsOf({ detectMs: 30, every: 1 })).toBe(30);
  expect(frameMsOf({ detectMs: 30, every: 3 })).toBeCloseTo((30 + 2 * MOVE_MS) / 3, 12);
});

test('without a measurement, more pixels rank higher; less exact numbers, fewer anchors and moved boxes lower', () => {
  const best = { pixelShare: 1, precision: 'fp32', isPruned: false, widthWorth: 1, every: 1 } as const;
  const ranks = [best, { ...best, isPruned: true }, { ...best, precision: 'int8' as const }, { ...best, every: 2 }, { ...best, pixelShare: 0.5 }].map(accuracyRank);
  expect(ranks).toEqual(ranks.toSorted((a, b) => b - a));
});

test.each<[string, ReturnType<typeof parseTarget>]>([
  ['25ms', { kind: 'latency', ms: 25 }],
  ['12.5 ms', { kind: 'latency', ms: 12.5 }],
  ['20fps', { kind: 'rate', ms: 50 }],
  ['0ms', undefined],
  ['-5ms', undefined],
  ['25', undefined],
  ['fast', undefined],
])('target %s', (text, target) => {
  expect(parseTarget(text)).toEqual(target);
  if (target) expect(parseTarget(targetText(target))).toEqual(target);
});
