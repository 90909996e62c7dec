import { PerformanceObserver, performance } from 'node:perf_hooks';
import type { TimeSummary } from '../core/stream-view.js';
import { monotonicMs } from '../core/clock.js';
import { TimeDistribution } from './time-distribution.js';

const PROBE_EVERY_MS = 10;
/** Timers are rounded to whole milliseconds: less than one is not a delay. */
const TIMER_RESOLUTION_MS = 1;
/** Intervals kept: some minutes of garbage collections, far more than any frame lives. */
const RING_SIZE = 512;

/** The newest intervals of something that happens now and then; asks about the past are short. */
class IntervalRing {
  readonly #startMs = new Float64Array(RING_SIZE);
  readonly #endMs = new Float64Array(RING_SIZE);
  #written = 0;

  add(startMs: number, endMs: number): void {
    const slot = this.#written % RING_SIZE;
    this.#startMs[slot] = startMs;
    this.#endMs[slot] = endMs;
    this.#written += 1;
  }

  /** Calls back for each interval that overlaps `[fromMs, toMs]`, newest first. Intervals are added in the order of their ends. */
  overlapping(fromMs: number, toMs: number, visit: (startMs: number, endMs: number) => void): void {
    const oldest = Math.max(0, this.#written - RING_SIZE);
    for (let i = this.#written - 1; i >= oldest; i -= 1) {
      const slot = i % RING_SIZE;
      if (this.#endMs[slot]! <= fromMs) return;
      if (this.#startMs[slot]! < toMs) visit(this.#startMs[slot]!, this.#endMs[slot]!);
    }
  }
}

/** When the main thread was held up, in monotonic milliseconds, oldest first. */
export interface RuntimeIntervals {
  readonly collections: readonly Interval[];
  /** The event loop came later than it ought to. */
  readonly late: readonly Interval[];
}

export interface Interval {
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * What the runtime did to the main thread, so that a frame's ledger can say whether it waited for its own kind or for Node:
 * garbage collections, and how late the event loop was (a timer every 10 ms that ought to be punctual).
 */
export class RuntimeMonitor {
  readonly #collections = new IntervalRing();
  readonly #late = new IntervalRing();
  readonly #delay = new TimeDistribution();
  readonly #observer: PerformanceObserver;
  readonly #timer: NodeJS.Timeout;
  /** When the timer ought to fire next. */
  #dueMs = monotonicMs() + PROBE_EVERY_MS;

  constructor() {
    const offsetMs = monotonicMs() - performance.now();
    this.#observer = new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) {
        this.#collections.add(startTime + offsetMs, startTime + duration + offsetMs);
      }
    });
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#timer = setInterval(() => this.#probe(), PROBE_EVERY_MS);
    this.#timer.unref();
  }

  #probe(): void {
    const nowMs = monotonicMs();
    const lateMs = Math.max(0, nowMs - this.#dueMs - TIMER_RESOLUTION_MS);
    this.#delay.record(lateMs);
    if (lateMs > 0) this.#late.add(this.#dueMs, nowMs);
    this.#dueMs = nowMs + PROBE_EVERY_MS;
  }

  /** Milliseconds of garbage collection within the interval, as far as Node has reported it yet. */
  gcMs(fromMs: number, toMs: number): number {
    let sum = 0;
    this.#collections.overlapping(fromMs, toMs, (startMs, endMs) => (sum += Math.min(endMs, toMs) - Math.max(startMs, fromMs)));
    return sum;
  }

  /** The longest time that the event loop was late within the interval; at most the interval's length. */
  eventLoopDelayMs(fromMs: number, toMs: number): number {
    let worst = this.#overdueMs(fromMs, toMs);
    this.#late.overlapping(fromMs, toMs, (startMs, endMs) => (worst = Math.max(worst, Math.min(endMs, toMs) - Math.max(startMs, fromMs))));
    return worst;
  }

  /** Who asks right after a long task comes before the timer that would have reported it. */
  #overdueMs(fromMs: number, toMs: number): number {
    if (toMs - this.#dueMs <= TIMER_RESOLUTION_MS) return 0;
    const nowMs = monotonicMs();
    if (nowMs - this.#dueMs <= TIMER_RESOLUTION_MS) return 0;
    return Math.max(0, Math.min(toMs, nowMs) - Math.max(fromMs, this.#dueMs));
  }

  /** All that overlaps the time, as far as it is still known. */
  intervals(fromMs: number, toMs: number): RuntimeIntervals {
    const list = (ring: IntervalRing): Interval[] => {
      const found: Interval[] = [];
      ring.overlapping(fromMs, toMs, (startMs, endMs) => found.push({ startMs, endMs }));
      return found.reverse();
    };
    return { collections: list(this.#collections), late: list(this.#late) };
  }

  eventLoopDelay(): TimeSummary {
    return this.#delay.summary();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#dueMs = Infinity;
    this.#observer.disconnect();
  }
}
