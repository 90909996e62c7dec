import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TurnQueue } from '../../src/core/admission.js';

const take = () => true;
const somebody = () => ({});

test('as many turns are out as there are, the next ones in the order of asking where nobody had any', () => {
  const turns = new TurnQueue(2);
  const granted: string[] = [];
  for (const name of ['a', 'b', 'c', 'd']) turns.request(() => granted.push(name) > 0, somebody());
  expect(granted).toEqual(['a', 'b']);
  turns.release();
  turns.release();
  expect(granted).toEqual(['a', 'b', 'c', 'd']);
});

test('a turn that is not used goes to the next', () => {
  const turns = new TurnQueue(1);
  const granted: string[] = [];
  turns.request(take, somebody());
  turns.request(() => false, somebody());
  turns.request(() => granted.push('third') > 0, somebody());
  turns.release();
  expect(granted).toEqual(['third']);
});

test('a withdrawn request gets no turn; withdrawing twice or too late does nothing', () => {
  const turns = new TurnQueue(1);
  const granted: string[] = [];
  const first = turns.request(take, somebody());
  const withdraw = turns.request(() => granted.push('second') > 0, somebody());
  turns.request(() => granted.push('third') > 0, somebody());
  withdraw();
  withdraw();
  first();
  turns.release();
  expect(granted).toEqual(['third']);
});

test('who asks again when granted comes after those who wait', () => {
  const turns = new TurnQueue(1);
  const served: string[] = [];
  const ask = (name: string, asker: object) =>
    turns.request(() => {
      served.push(name);
      if (served.length < 9) ask(name, asker);
      return true;
    }, asker);
  turns.request(take, somebody());
  for (const name of ['a', 'b', 'c']) ask(name, somebody());
  for (let i = 0; i < 9; i += 1) turns.release();
  expect(served.join('')).toBe('abcabcabc');
});

test('who had a turn last comes after those whose last one is longer ago, though it asks first', () => {
  const turns = new TurnQueue(1);
  const served: string[] = [];
  const [a, b, c] = [somebody(), somebody(), somebody()];
  const ask = (name: string, asker: object) => turns.request(() => served.push(name) > 0, asker);
  ask('a', a);
  for (const [name, asker] of [['a', a], ['c', c], ['b', b], ['c', c]] as const) ask(name, asker);
  for (let i = 0; i < 4; i += 1) turns.release();
  expect(served.join('')).toBe('acbac');
});

test('a turn that was not used does not count as one', () => {
  const turns = new TurnQueue(1);
  const served: string[] = [];
  const [a, b] = [somebody(), somebody()];
  turns.request(() => served.push('b') > 0, b);
  turns.request(() => false, a);
  turns.release();
  turns.request(take, somebody());
  turns.request(() => served.push('b') > 0, b);
  turns.request(() => served.push('a') > 0, a);
  turns.release();
  turns.release();
  expect(served.join('')).toBe('bab');
});

/** Frames that each of four cameras got served in a minute, all with the same frame rate and a fixed phase, as cameras on one switch have. */
function framesServed(serviceMs: number, phaseMs: number): number[] {
  const turns = new TurnQueue(1);
  const cameras = Array.from({ length: 4 }, (_, i) => ({ nextFrameMs: i * phaseMs, isWaiting: false, hasAsked: false, served: 0 }));
  let serving: (typeof cameras)[number] | undefined;
  let doneMs = Infinity;
  let nowMs = 0;
  const ask = (camera: (typeof cameras)[number]) => {
    if (camera.hasAsked || !camera.isWaiting || serving === camera) return;
    camera.hasAsked = true;
    turns.request(() => {
      Object.assign(camera, { hasAsked: false, isWaiting: false, served: camera.served + 1 });
      serving = camera;
      doneMs = nowMs + serviceMs;
      return true;
    }, camera);
  };
  while (nowMs < 60_000) {
    const next = cameras.reduce((first, camera) => (camera.nextFrameMs < first.nextFrameMs ? camera : first));
    nowMs = Math.min(next.nextFrameMs, doneMs);
    if (nowMs === doneMs) {
      const done = serving;
      serving = undefined;
      doneMs = Infinity;
      turns.release();
      if (done) ask(done);
    } else {
      next.nextFrameMs += 40;
      next.isWaiting = true;
      ask(next);
    }
  }
  return cameras.map(({ served }) => served);
}

test.each([
  [8, 0.001, 'enough for all'],
  [11, 1, 'a tenth too little'],
  [12.5, 1, 'a fifth too little'],
  [13.4, 0.001, 'a third too little'],
  [15, 3, 'half as much again'],
  [30, 1, 'three times too little'],
])('four cameras of 25 fps on one session of %d ms, %d ms apart (%s), get the same', (serviceMs, phaseMs) => {
  const served = framesServed(serviceMs, phaseMs);
  expect(Math.min(...served) / Math.max(...served)).toBeGreaterThan(0.98);
  expect(served.reduce((sum, count) => sum + count)).toBeGreaterThan(0.99 * Math.min(4 * 1_500, 60_000 / serviceMs));
});

test('never are more turns out than there are, and none is forgotten', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(fc.constantFrom('ask', 'refuse', 'release', 'withdraw'), { maxLength: 60 }), (count, acts) => {
      const turns = new TurnQueue(count);
      const askers = [somebody(), somebody(), somebody()];
      const asked: (() => void)[] = [];
      let [out, waiting] = [0, 0];
      const request = (uses: boolean) => {
        waiting += 1;
        let isWaiting = true;
        const withdraw = turns.request(() => {
          isWaiting = false;
          waiting -= 1;
          if (uses) out += 1;
          return uses;
        }, askers[asked.length % askers.length]!);
        asked.push(() => {
          withdraw();
          if (isWaiting) waiting -= 1;
          isWaiting = false;
        });
      };
      for (const act of acts) {
        if (act === 'ask') request(true);
        else if (act === 'refuse') request(false);
        else if (act === 'withdraw') asked.shift()?.();
        else if (out > 0) {
          out -= 1;
          turns.release();
        }
        expect(out).toBeLessThanOrEqual(count);
        // A turn is free only where nobody waits for it.
        if (out < count) expect(waiting).toBe(0);
      }
    }),
  );
});
