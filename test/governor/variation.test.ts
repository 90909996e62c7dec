import { expect, test } from 'vitest';
import { Variation } from '../../src/governor/variation.js';

function after(times: readonly number[]): Variation {
  const variation = new Variation();
  for (const time of times) variation.add(time);
  return variation;
}

test('nothing is believed after a few frames', () => {
  expect(after([1, 5, 1, 5, 1])).toMatchObject({ often: 1.02, nearlyAll: 1.02 });
});

test('equal frames leave the least room', () => {
  expect(after(Array(100).fill(7))).toMatchObject({ often: 1.02, nearlyAll: 1.02 });
});

test('a machine that gets slower all the time does not vary', () => {
  expect(after(Array.from({ length: 200 }, (_, i) => 1.003 ** i)).nearlyAll).toBeLessThan(1.03);
});

test('rare slow frames are of nearly all, not of what comes often', () => {
  const variation = after(Array.from({ length: 200 }, (_, i) => (i % 25 === 0 ? 1.5 : 1)));
  expect(variation.often).toBe(1.02);
  expect(variation.nearlyAll).toBeCloseTo(1.5, 9);
});

test('what jumps about is no variation of frames any more', () => {
  expect(after(Array.from({ length: 200 }, (_, i) => (i % 25 === 0 ? 9 : 1))).nearlyAll).toBe(2);
});
