import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LookPace } from '../../src/redundancy/look-pace.js';

const STEP_MS = 40;

/** Plays frames of a scene that changes as a whole, and then is still: a look shows that where the frame before was looked at, too. */
function play(restlessFrames: number, stillFrames: number, stepMs = STEP_MS) {
  const pace = new LookPace();
  const looks: boolean[] = [];
  let noticedAt: number | undefined;
  for (let i = 0; i < restlessFrames + stillFrames; i += 1) {
    const isDue = pace.isDue(1e3 * stepMs * i);
    const canCompare = isDue && looks.at(-1) === true;
    looks.push(isDue);
    if (!canCompare) continue;
    if (i <= restlessFrames) pace.useless();
    else {
      pace.useful();
      noticedAt ??= i;
    }
  }
  return { looks, noticedAt };
}

test('looks at every frame until that has been of no use eight times in a row', () => {
  const pace = new LookPace();
  for (let i = 0; i < 7; i += 1) {
    expect(pace.isDue(i)).toBe(true);
    pace.useless();
  }
  expect(pace.isDue(7)).toBe(true);
  pace.useful();
  for (let i = 0; i < 7; i += 1) {
    expect(pace.isDue(8 + i)).toBe(true);
    pace.useless();
  }
  expect(pace.isDue(15)).toBe(true);
});

test('then at two frames, one, two, four and eight frames later', () => {
  const words = play(60, 0)
    .looks.slice(9, 37)
    .map((isDue) => (isDue ? 'x' : '.'))
    .join('');
  expect(words).toBe('.xx..xx....xx........xx.....');
});

test('never looks away for longer than half a second', () => {
  const { looks } = play(4000, 0);
  let longest = 0;
  let run = 0;
  for (const isDue of looks) {
    run = isDue ? 0 : run + 1;
    longest = Math.max(longest, run);
  }
  expect(longest * STEP_MS).toBeGreaterThan(400);
  expect(longest * STEP_MS).toBeLessThanOrEqual(500 + STEP_MS);
  expect(looks.slice(-1000).filter(Boolean).length).toBeLessThan(150);
});

test('notices within half a second and three frames that the scene is still again, and looks at every frame then', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 1000 }), (restless, stepMs) => {
      const { looks, noticedAt } = play(restless, 600, stepMs);
      expect(noticedAt).toBeDefined();
      expect((noticedAt! - restless) * stepMs).toBeLessThanOrEqual(500 + 3 * stepMs);
      expect(looks.slice(noticedAt).every(Boolean)).toBe(true);
    }),
  );
});

test('a clock that is set back ends the pause', () => {
  const pace = new LookPace();
  for (let i = 0; i < 12; i += 1) pace.useless();
  expect(pace.isDue(9e6)).toBe(false);
  expect(pace.isDue(1e6)).toBe(true);
});
