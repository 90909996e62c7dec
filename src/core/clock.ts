/**
 * Monotonic time in milliseconds, comparable between all threads of this process.
 *
 * `performance.now()` counts from each thread's own start; `process.hrtime()` reads CLOCK_MONOTONIC, one origin for all.
 * A double holds it to better than a microsecond for an uptime of centuries.
 */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Wall-clock milliseconds since 1970: for stamps that leave the process, never for durations. */
export function epochMs(): number {
  return Date.now();
}
