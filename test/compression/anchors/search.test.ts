import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allSets, guidedSearch, memoized, paretoFront, regret, type EvaluatedSet } from '../../../src/compression/anchors/search.js';

/** A head whose anchors cost and bring what is said here, each by itself. */
function additive(costs: readonly number[], losses: readonly number[]): (off: readonly number[]) => EvaluatedSet {
  const total = costs.reduce((a, b) => a + b, 0);
  return (off) => {
    const left = costs.reduce((sum, cost, i) => sum + (off.includes(i) ? 0 : cost), 0);
    return { off, map50: 0.5 - off.reduce((sum, i) => sum + losses[i]!, 0), macs: left, boxes: left, cost: left / total };
  };
}

function set(cost: number, map50: number, off: readonly number[] = []): EvaluatedSet {
  return { off, map50, macs: cost, boxes: cost, cost };
}

test('all sets leave an anchor on', () => {
  expect([...allSets(3)]).toEqual([[], [0], [1], [0, 1], [2], [0, 2], [1, 2]]);
});

test.each<[string, EvaluatedSet[], number[]]>([
  ['nothing', [], []],
  ['a dearer one that is worse is none', [set(1, 0.5), set(2, 0.4)], [1]],
  ['of equal scores the cheaper', [set(2, 0.5), set(1, 0.5)], [1]],
  ['of equal costs the better', [set(1, 0.4), set(1, 0.5)], [1]],
  ['cheapest first', [set(3, 0.6), set(1, 0.2), set(2, 0.4)], [1, 2, 3]],
])('front: %s', (_, sets, costs) => {
  expect(paretoFront(sets).map(({ cost }) => cost)).toEqual(costs);
});

test.each<[string, EvaluatedSet[], EvaluatedSet[], number]>([
  ['nothing is missed', [set(1, 0.4), set(2, 0.5)], [set(1, 0.4), set(2, 0.5)], 0],
  ['a better one of the same cost is', [set(2, 0.5)], [set(2, 0.47)], 0.03],
  ['a cheaper one that is as good makes up for it', [set(2, 0.5)], [set(1, 0.5)], 0],
  ['below the cheapest that was found nothing can be compared', [set(1, 0.3), set(2, 0.5)], [set(2, 0.5)], 0],
])('regret: %s', (_, best, found, expected) => {
  expect(regret(best, found)).toBeCloseTo(expected, 10);
});

describe('the guided search', () => {
  test('misses nothing where anchors cost and bring something each by itself', () => {
    const head = fc.array(fc.record({ cost: fc.integer({ min: 1, max: 9 }), loss: fc.integer({ min: -1, max: 5 }) }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(head, (anchors) => {
        const evaluate = additive(anchors.map(({ cost }) => cost), anchors.map(({ loss }) => loss / 1000));
        const found = guidedSearch(evaluate, { anchorCount: anchors.length, minMap50: 0, maxSets: 1000 });
        expect(new Set(found.map(({ off }) => off.join())).size).toBe(found.length);
        expect(found.every(({ off }) => off.length < anchors.length)).toBe(true);
        // What is left to miss is less than the worst anchor brings.
        expect(regret([...allSets(anchors.length)].map(evaluate), found)).toBeLessThanOrEqual(0.005);
      }),
      { numRuns: 100, seed: 3 },
    );
  });

  test('of eighteen anchors looks at no more sets than it may, and finds the free ones', () => {
    const losses = Array.from({ length: 18 }, (_, i) => (i % 3 === 0 ? 0 : 0.01));
    let asked = 0;
    const evaluate = additive(new Array<number>(18).fill(1), losses);
    const found = guidedSearch(
      memoized((off) => {
        asked += 1;
        return evaluate(off);
      }),
      { anchorCount: 18, minMap50: 0.3, maxSets: 400 },
    );
    expect(asked).toBe(found.length);
    expect(found.length).toBeLessThan(400 + 18);
    expect(found.some(({ off, map50 }) => map50 === 0.5 && off.length === 6)).toBe(true);
  });

  test('asks for a set once', () => {
    const asked: string[] = [];
    const evaluate = memoized((off) => {
      asked.push(off.join());
      return set(1, 0.5, off);
    });
    expect([evaluate([1]), evaluate([1])].map(({ off }) => off)).toEqual([[1], [1]]);
    expect(asked).toEqual(['1']);
  });
});
