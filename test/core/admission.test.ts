import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TurnQueue } from '../../src/core/admission.js';

const take = () => true;

test('as many turns are out as there are, the next ones in the order of asking', () => {
  const turns = new TurnQueue(2);
  const granted: string[] = [];
  for (const name of ['a', 'b', 'c', 'd']) turns.request(() => granted.push(name) > 0);
  expect(granted).toEqual(['a', 'b']);
  turns.release();
  turns.release();
  expect(granted).toEqual(['a', 'b', 'c', 'd']);
});

test('a turn that is not used goes to the next', () => {
  const turns = new TurnQueue(1);
  const granted: string[] = [];
  turns.request(take);
  turns.request(() => false);
  turns.request(() => granted.push('third') > 0);
  turns.release();
  expect(granted).toEqual(['third']);
});

test('a withdrawn request gets no turn; withdrawing twice or too late does nothing', () => {
  const turns = new TurnQueue(1);
  const granted: string[] = [];
  const first = turns.request(take);
  const withdraw = turns.request(() => granted.push('second') > 0);
  turns.request(() => granted.push('third') > 0);
  withdraw();
  withdraw();
  first();
  turns.release();
  expect(granted).toEqual(['third']);
});

test('who asks again when granted comes after those who wait', () => {
  const turns = new TurnQueue(1);
  const served: string[] = [];
  const ask = (name: string) =>
    turns.request(() => {
      served.push(name);
      if (served.length < 9) ask(name);
      return true;
    });
  turns.request(take);
  for (const name of ['a', 'b', 'c']) ask(name);
  for (let i = 0; i < 9; i += 1) turns.release();
  expect(served.join('')).toBe('abcabcabc');
});

test('never are more turns out than there are, and none is forgotten', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(fc.constantFrom('ask', 'refuse', 'release', 'withdraw'), { maxLength: 60 }), (count, acts) => {
      const turns = new TurnQueue(count);
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
        });
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
