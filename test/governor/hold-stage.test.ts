import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { monotonicMs } from '../../src/core/clock.js';
import type { FrameResult } from '../../src/core/result.js';
import { HoldStage } from '../../src/governor/hold-stage.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'hrtime'] }));
afterEach(() => void vi.useRealTimers());

const bornAt = (firstByteMs: number): FrameResult => ({ frame: { firstByteMs } }) as unknown as FrameResult;

test('a result that is ready early waits until shortly before the target', async () => {
  const stage = new HoldStage(100);
  const input = bornAt(monotonicMs());
  await vi.advanceTimersByTimeAsync(30);
  let outMs: number | undefined;
  const startMs = input.frame.firstByteMs;
  void Promise.resolve(stage.process(input)).then((output) => {
    expect(output).toBe(input);
    outMs = monotonicMs() - startMs;
  });
  await vi.advanceTimersByTimeAsync(200);
  expect(outMs).toBeGreaterThan(85);
  expect(outMs).toBeLessThan(100);
});

test.each([
  ['late', 120],
  ['as good as due', 91.5],
])('a result that is %s passes at once', async (_, afterMs) => {
  const input = bornAt(monotonicMs());
  await vi.advanceTimersByTimeAsync(afterMs);
  expect(new HoldStage(100).process(input)).toBe(input);
});

test('holds as many frames at once as a camera of a hundred frames a second has in that time', () => {
  expect(new HoldStage(100).concurrency).toBeGreaterThanOrEqual(10);
  expect(new HoldStage(5).concurrency).toBe(2);
});
