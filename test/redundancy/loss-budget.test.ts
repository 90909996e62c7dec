import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LossBudget } from '../../src/redundancy/loss-budget.js';

const STEP_MS = 40;
const NONE = { wrong: 0, boxes: 0 };

interface SceneOptions {
  readonly maxLoss?: number;
  /** Share of the boxes that goes wrong in a second. */
  readonly ratePerS: number;
  /** Share that two inferences of the same don't agree on, where things move and where they don't. */
  readonly flicker?: number;
  readonly stillBoxes?: number;
  readonly boxes?: number;
  readonly frames?: number;
}

/** Plays a scene where boxes go wrong at a rate, and skips whatever the budget allows. @returns shares of the second half. */
function play({ maxLoss = 0.01, ratePerS, flicker = 0, stillBoxes = 0, boxes = 4, frames = 4000 }: SceneOptions) {
  const budget = new LossBudget(maxLoss);
  let ageMs = 0;
  let lost = 0;
  let skipped = 0;
  for (let i = 0; i < frames; i += 1) {
    ageMs += STEP_MS;
    budget.frame(boxes + stillBoxes, 1e3 * STEP_MS * i);
    const loss = Math.min(1, (ratePerS * ageMs) / 1e3);
    if (budget.allows(boxes, ageMs)) {
      budget.spend(boxes, ageMs);
      if (2 * i < frames) continue;
      skipped += 1;
      lost += loss * boxes;
      continue;
    }
    budget.learn({ changed: { wrong: Math.min(1, loss + flicker) * boxes, boxes }, still: { wrong: flicker * stillBoxes, boxes: stillBoxes } }, ageMs);
    ageMs = 0;
  }
  return { lossShare: lost / ((boxes + stillBoxes) * (frames / 2)), skippedShare: skipped / (frames / 2), budget };
}

describe('what is lost stays below the bound', () => {
  test.each([0.1, 0.4, 1, 2])('where %d of the boxes go wrong in a second', (ratePerS) => {
    const { lossShare } = play({ ratePerS });
    expect(lossShare).toBeLessThan(0.0105);
    expect(lossShare).toBeGreaterThan(0.005);
  });

  test('whatever the rate and the bound are', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.7, max: 10, noNaN: true }), fc.double({ min: 0.001, max: 0.1, noNaN: true }), fc.double({ min: 1, max: 30, noNaN: true }), (ratePerS, maxLoss, boxes) => {
        // What was saved before may be spent within the half that is counted, and what is expected at first takes a part in the rate.
        expect(play({ ratePerS, maxLoss, boxes, frames: 2000 }).lossShare).toBeLessThan(1.2 * maxLoss);
      }),
      { numRuns: 60 },
    );
  });

  test('the wilder the scene, the less is left out', () => {
    const shares = [0.1, 0.3, 1, 3].map((ratePerS) => play({ ratePerS }).skippedShare);
    expect(shares).toEqual(shares.toSorted((a, b) => b - a));
    expect(shares[0]!).toBeGreaterThan(0.8);
    expect(shares[3]!).toBeLessThan(0.15);
  });
});

test('no loss is allowed: nothing is left out', () => {
  expect(play({ ratePerS: 0.1, maxLoss: 0 }).skippedShare).toBe(0);
});

test('flicker that shows where nothing changes is no loss', () => {
  const counted = play({ ratePerS: 0.2, flicker: 0.05 });
  const known = play({ ratePerS: 0.2, flicker: 0.05, stillBoxes: 4 });
  expect(known.budget.flicker).toBeCloseTo(0.05, 1);
  expect(known.budget.ratePerS).toBeLessThan(0.6 * counted.budget.ratePerS);
  expect(known.skippedShare).toBeGreaterThan(counted.skippedShare);
});

test('what did not have the time to change is not still', () => {
  const budget = new LossBudget(0.01);
  budget.learn({ changed: NONE, still: { wrong: 10, boxes: 20 } }, 40);
  expect(budget.flicker).toBe(0);
  budget.learn({ changed: NONE, still: { wrong: 10, boxes: 20 } }, 200);
  expect(budget.flicker).toBeGreaterThan(0.2);
});

test('a scene that was wild is tried again', () => {
  const budget = new LossBudget(0.01);
  budget.learn({ changed: { wrong: 50, boxes: 50 }, still: NONE }, 40);
  const wild = budget.ratePerS;
  for (let i = 0; i < 3000; i += 1) budget.frame(4, 1e3 * STEP_MS * i);
  expect(wild).toBeGreaterThan(10);
  expect(budget.ratePerS).toBeLessThan(1);
  expect(budget.allows(4, STEP_MS)).toBe(true);
});

test('a quiet hour does not pay for a wild minute', () => {
  const budget = new LossBudget(0.01);
  for (let i = 0; i < 90_000; i += 1) budget.frame(4, 1e3 * STEP_MS * i);
  let allowed = 0;
  while (budget.allows(4, 400)) {
    budget.spend(4, 400);
    allowed += 1;
  }
  // Two seconds of earnings, 2 boxes, at 0.6 / s * 0.4 s * 4 boxes each.
  expect(allowed).toBe(2);
});
