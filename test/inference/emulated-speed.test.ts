import { expect, test } from 'vitest';
import { monotonicMs } from '../../src/core/clock.js';
import { createStepClock, EmulatedSpeed } from '../../src/inference/emulated-speed.js';

test('a step takes as much longer as the speed is lower, and never less', () => {
  const speed = new EmulatedSpeed(25);
  const stepEnd = createStepClock(speed.shared);
  const startMs = monotonicMs();
  while (monotonicMs() - startMs < 5);
  // 5 ms of work at a quarter of the speed are 20; whatever else the machine does makes it more.
  expect(stepEnd(startMs, 'a') - startMs).toBeGreaterThanOrEqual(20);
});

test('a change counts from the next step on, and full speed sleeps for nothing', () => {
  const speed = new EmulatedSpeed(1);
  const stepEnd = createStepClock(speed.shared);
  speed.percent = 100;
  expect(speed.percent).toBe(100);
  const startMs = monotonicMs() - 1000;
  // Were it still at 1 %, the end would be 100 s after the start.
  expect(stepEnd(startMs, 'a') - startMs).toBeLessThan(50_000);
});

test.each([0, -1, 101, Number.NaN])('%d percent is no speed', (percent) => {
  expect(() => new EmulatedSpeed(percent)).toThrow(/1 to 100/);
});

test('only what a step takes without interruption is stretched; steps of other names are others', () => {
  const speed = new EmulatedSpeed(100);
  const stepEnd = createStepClock(speed.shared);
  stepEnd(monotonicMs() - 1, 'short');
  speed.percent = 1;
  // It has taken 1 s this time, 1 ms before: 0.1 s more, not 99.
  const startMs = monotonicMs() - 1000;
  const tookMs = stepEnd(startMs, 'short') - startMs;
  expect(tookMs).toBeGreaterThanOrEqual(1099);
  expect(tookMs).toBeLessThan(50_000);
});
