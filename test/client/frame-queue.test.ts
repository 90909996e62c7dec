import { expect, test } from 'vitest';
import { FrameQueue } from '../../src/client/frame-queue.js';

const queue = (capacity = 2): FrameQueue<number> => new FrameQueue<number>(capacity, () => undefined);

test('gives what came, in order, and waits for what comes', async () => {
  const q = queue();
  q.push(1);
  expect(await q.next()).toEqual({ done: false, value: 1 });
  const next = q.next();
  q.push(2);
  expect(await next).toEqual({ done: false, value: 2 });
});

test('skips the oldest where the consumer is too slow, and counts them', async () => {
  const q = queue(2);
  for (const item of [1, 2, 3, 4]) q.push(item);
  q.end(undefined);
  const items: number[] = [];
  for await (const item of q) items.push(item);
  expect(items).toEqual([3, 4]);
  expect(q.skipped).toBe(2);
});

test('gives what it has before it throws', async () => {
  const q = queue();
  q.push(1);
  q.end(new Error('over'));
  expect(await q.next()).toEqual({ done: false, value: 1 });
  await expect(q.next()).rejects.toThrow('over');
});

test('tells when its consumer leaves', async () => {
  let left = 0;
  const q = new FrameQueue<number>(2, () => left++);
  q.push(1);
  for await (const item of q) {
    expect(item).toBe(1);
    break;
  }
  expect(left).toBe(1);
  expect(await q.next()).toEqual({ done: true, value: undefined });
});
