import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Outbox } from '../../src/server/outbox.js';

const item = (name: string, bytes = 1) => ({ name, bytes });
const drain = (outbox: Outbox<{ name: string; bytes: number }>): string[] => {
  const names: string[] = [];
  for (let next = outbox.take(); next !== undefined; next = outbox.take()) names.push(next.name);
  return names;
};

test('an empty one gives nothing', () => {
  const outbox = new Outbox({ maxMessages: 2, maxBytes: 10 });
  expect(outbox.take()).toBeUndefined();
  expect(outbox.size).toBe(0);
});

test('a newer one takes the place of the older and keeps its turn', () => {
  const outbox = new Outbox<{ name: string; bytes: number }>({ maxMessages: 2, maxBytes: 10 });
  expect(outbox.putLatest('a', item('a1'))).toBeUndefined();
  outbox.putLatest('b', item('b1'));
  expect(outbox.putLatest('a', item('a2'))).toEqual(item('a1'));
  expect(drain(outbox)).toEqual(['a2', 'b1']);
});

test('answers go first, the other two lines take turns', () => {
  const outbox = new Outbox<{ name: string; bytes: number }>({ maxMessages: 9, maxBytes: 99 });
  for (const name of ['all1', 'all2', 'all3']) outbox.push(item(name));
  for (const name of ['latest1', 'latest2']) outbox.putLatest(name, item(name));
  outbox.answer(item('answer'));
  expect(drain(outbox)).toEqual(['answer', 'all1', 'latest1', 'all2', 'latest2', 'all3']);
});

test.each([
  ['messages', { maxMessages: 2, maxBytes: 100 }, [1, 1, 1], [true, true, false]],
  ['bytes', { maxMessages: 9, maxBytes: 10 }, [6, 4, 1], [true, true, false]],
  ['bytes, but a smaller one still fits', { maxMessages: 9, maxBytes: 10 }, [6, 5, 4], [true, false, true]],
])('is bounded in %s', (_, bounds, sizes, kept) => {
  const outbox = new Outbox(bounds);
  expect(sizes.map((bytes) => outbox.push(item('x', bytes)))).toEqual(kept);
  while (outbox.take());
  expect(outbox.push(item('x', 6))).toBe(true);
});

test('forgets what belongs to a stream that is not wanted any more', () => {
  const outbox = new Outbox<{ name: string; bytes: number }>({ maxMessages: 9, maxBytes: 99 });
  for (const key of ['frame a', 'frame b', 'stats a']) outbox.putLatest(key, item(key));
  outbox.forget((key) => key.endsWith(' a'));
  expect(drain(outbox)).toEqual(['frame b']);
});

test('whatever is put and taken, the bounds hold, order is kept, and each key is the newest', () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), bytes: fc.nat(40) }),
    fc.record({ kind: fc.constant('latest' as const), key: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ kind: fc.constant('take' as const) }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const outbox = new Outbox<{ key: string; serial: number; bytes: number }>({ maxMessages: 5, maxBytes: 100 });
      const newest = new Map<string, number>();
      let waiting: { serial: number; bytes: number }[] = [];
      actions.forEach((step, serial) => {
        if (step.kind === 'push') {
          const fits = waiting.length < 5 && waiting.reduce((total, { bytes }) => total + bytes, 0) + step.bytes <= 100;
          expect(outbox.push({ key: '', serial, bytes: step.bytes })).toBe(fits);
          if (fits) waiting.push({ serial, bytes: step.bytes });
        } else if (step.kind === 'latest') {
          outbox.putLatest(step.key, { key: step.key, serial, bytes: 0 });
          newest.set(step.key, serial);
        } else {
          const taken = outbox.take();
          if (taken === undefined) expect(waiting.length + newest.size).toBe(0);
          else if (taken.key === '') expect(taken.serial).toBe(waiting.shift()!.serial);
          else {
            expect(taken.serial).toBe(newest.get(taken.key));
            newest.delete(taken.key);
          }
        }
        expect(outbox.size).toBe(waiting.length + newest.size);
      });
      waiting = [];
    }),
  );
});
