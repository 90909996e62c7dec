import { setTimeout as wait } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { monotonicMs } from '../../src/core/clock.js';
import { RuntimeMonitor } from '../../src/timing/runtime-monitor.js';

let monitor: RuntimeMonitor;
beforeEach(() => {
  monitor = new RuntimeMonitor();
});
afterEach(() => monitor.close());

/** Blocks the event loop, and says when. */
function block(durationMs: number): { fromMs: number; toMs: number } {
  const fromMs = monotonicMs();
  while (monotonicMs() - fromMs < durationMs);
  return { fromMs, toMs: monotonicMs() };
}

/** Resolves when the monitor has probed `count` times more. */
async function probes(count: number): Promise<void> {
  for (const target = monitor.eventLoopDelay().n + count; monitor.eventLoopDelay().n < target; ) await wait(1);
}

/** The shortest delay that is seen for certain after a block of 60 ms: the timer was due at most 10 ms after the block began, and may be 1 ms off. */
const SEEN_OF_60_MS = 48;

describe('event-loop delay', () => {
  test('of a long task is seen in its interval, and not before or after it', async () => {
    await probes(2);
    const beforeMs = monotonicMs() - 10_000;
    const { fromMs, toMs } = block(60);
    await probes(2);
    expect(monitor.eventLoopDelayMs(fromMs, toMs)).toBeGreaterThan(SEEN_OF_60_MS);
    expect(monitor.eventLoopDelayMs(beforeMs, monotonicMs())).toBeGreaterThan(SEEN_OF_60_MS);
    expect(monitor.eventLoopDelayMs(fromMs - 1_000_000, fromMs - 100_000)).toBe(0);
    expect(monitor.eventLoopDelayMs(toMs + 100_000, toMs + 200_000)).toBe(0);
  });

  test('is at most as long as the interval that is asked about', async () => {
    await probes(1);
    const { toMs } = block(60);
    await probes(1);
    expect(monitor.eventLoopDelayMs(toMs - 20, toMs)).toBeCloseTo(20, 6);
  });

  test('is seen by who asks at the end of the long task, before the late timer had its turn', async () => {
    await probes(1);
    const { fromMs, toMs } = block(60);
    expect(monitor.eventLoopDelayMs(fromMs, toMs)).toBeGreaterThan(SEEN_OF_60_MS);
    expect(monitor.eventLoopDelayMs(fromMs - 100_000, fromMs - 90_000)).toBe(0);
  });

  test('is summed up with a sample for each probe', async () => {
    await probes(3);
    block(60);
    await probes(1);
    const { n, maxMs } = monitor.eventLoopDelay();
    expect(n).toBeGreaterThanOrEqual(4);
    expect(maxMs).toBeGreaterThan(SEEN_OF_60_MS - 1);
  });
});

describe('garbage collection', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' | 'major' }) => void;
  setFlagsFromString('--no-expose-gc');

  test('is seen in its interval, for as long as it took, and not elsewhere', async () => {
    const garbage = Array.from({ length: 200_000 }, (_, i) => ({ i }));
    const fromMs = monotonicMs();
    collect();
    const toMs = monotonicMs();
    // Node reports it some turns of the event loop later.
    while (monitor.gcMs(fromMs, toMs) === 0) await wait(1);
    expect(garbage).toHaveLength(200_000);
    expect(monitor.gcMs(fromMs, toMs)).toBeLessThanOrEqual(toMs - fromMs);
    expect(monitor.gcMs(fromMs - 1_000_000, fromMs - 100_000)).toBe(0);
    const middleMs = (fromMs + toMs) / 2;
    expect(monitor.gcMs(fromMs, middleMs) + monitor.gcMs(middleMs, toMs)).toBeCloseTo(monitor.gcMs(fromMs, toMs), 6);
  });

  test('is remembered for the newest 512 collections only', async () => {
    const fromMs = monotonicMs();
    collect();
    const firstEndMs = monotonicMs();
    while (monitor.gcMs(fromMs, firstEndMs) === 0) await wait(1);
    const lastMs = monotonicMs();
    for (let i = 0; i < 600; i += 1) collect({ type: 'minor' });
    while (monitor.gcMs(lastMs, monotonicMs()) === 0 || monitor.gcMs(fromMs, firstEndMs) > 0) await wait(1);
    expect(monitor.gcMs(fromMs, firstEndMs)).toBe(0);
  });
});

test('a closed monitor keeps nothing alive and answers from what it has seen', async () => {
  await probes(1);
  monitor.close();
  const { n } = monitor.eventLoopDelay();
  const { fromMs, toMs } = block(30);
  await wait(20);
  expect(monitor.eventLoopDelay().n).toBe(n);
  expect(monitor.eventLoopDelayMs(fromMs, toMs)).toBe(0);
});
