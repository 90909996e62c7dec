import { workerData } from 'node:worker_threads';
import { monotonicMs } from '../core/clock.js';

/** Computes for a share of each period and sleeps for the rest; ends with its thread. */
const PERIOD_MS = 5;

const hundredths = new Int32Array(workerData as SharedArrayBuffer);
const sleeper = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
for (;;) {
  // An equal that always computes leaves 50 %: so 100 % is no load and 50 % is all of the time.
  const busyMs = PERIOD_MS * Math.min(1, Math.max(0, (1e4 - Atomics.load(hundredths, 0)) / 5e3));
  const untilMs = monotonicMs() + busyMs;
  while (monotonicMs() < untilMs);
  if (busyMs < PERIOD_MS) Atomics.wait(sleeper, 0, 0, PERIOD_MS - busyMs);
}
