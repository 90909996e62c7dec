import { readFileSync } from 'node:fs';
import { PerformanceObserver, performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { monotonicMs } from '../core/clock.js';
import { workerUrl } from '../core/worker-url.js';
import { ownCpuGroup, throttledMs } from './control-group.js';
import type { MarkRecord, OffCpuRecord } from './records.js';
import { mainThreadTimes } from './thread-times.js';
import type { WatchData, WatchReport } from './watch-worker.js';

export interface WatchedMark {
  readonly kind: MarkRecord['kind'];
  readonly at: readonly [number, number];
  /** As in a `mark` record. */
  readonly offCpu?: number;
}

/** What happened to a process while it was watched. Times are monotonic milliseconds. */
export interface Watched {
  readonly marks: readonly WatchedMark[];
  readonly offCpu: readonly Omit<OffCpuRecord, 'type' | 'run'>[];
  /** Undefined where the system doesn't say. */
  readonly throttledMs: number | undefined;
  readonly stolenMs: number | undefined;
}

/** The main thread's own probe: later than this, the thread was busy. */
const PROBE_EVERY_MS = 2;
/** Timers are rounded to whole milliseconds, and waking up takes its time. */
const TOLERATED_MS = 1.5;
/** The thread waited for something to do: it had done everything else. */
const IDLE_MS = 0.05;
/** /proc/stat counts in hundredths of a second on every Linux that Node runs on. */
const MS_PER_TICK = 10;

/**
 * Watches this process closely: garbage collections and a busy main thread as the main thread itself sees them, and from a thread beside it
 * when the whole process stood still, and how long its threads were ready to run and weren't let (Linux: `/proc/.../schedstat`).
 * Costs about 2 % of a core: for experiments, not for production.
 */
export class RuntimeWatch {
  readonly #worker: Worker;
  readonly #stop = new Int32Array(new SharedArrayBuffer(4));
  readonly #report: Promise<WatchReport>;
  readonly #observer: PerformanceObserver;
  readonly #timer: NodeJS.Timeout;
  readonly #marks: WatchedMark[] = [];
  readonly #own = mainThreadTimes();
  readonly #group = ownCpuGroup();
  readonly #before = { throttledMs: throttledMs(this.#group), stolenMs: stolenMs() };
  #dueMs = monotonicMs() + PROBE_EVERY_MS;
  #probedMs = monotonicMs();
  #idleMs = 0;
  #catchesUp = false;

  /** @param helpers ids of threads that do no frame's work: those that the process has before anything is loaded are the engine's own. */
  constructor(helpers: readonly string[] = []) {
    const workerData: WatchData = { stop: this.#stop, pid: process.pid, helpers };
    this.#worker = new Worker(workerUrl(import.meta.url, './watch-worker.js'), { workerData, name: 'watch' });
    this.#report = new Promise((resolve, reject) => {
      this.#worker.once('message', resolve);
      this.#worker.once('error', reject);
    });
    // The failure is the caller's, in `stop`.
    this.#report.catch(() => undefined);
    const offsetMs = monotonicMs() - performance.now();
    this.#observer = new PerformanceObserver((list) => this.#collected(list.getEntries(), offsetMs));
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#timer = setInterval(() => this.#probe(), PROBE_EVERY_MS);
  }

  /** Ends the watch. */
  async stop(): Promise<Watched> {
    this.#probe();
    clearInterval(this.#timer);
    const last = this.#observer.takeRecords();
    this.#collected(last, monotonicMs() - performance.now());
    this.#observer.disconnect();
    this.#own?.close();
    Atomics.store(this.#stop, 0, 1);
    Atomics.notify(this.#stop, 0);
    const { halts, offCpu } = await this.#report;
    await this.#worker.terminate();
    const since = (before: number | undefined, now: number | undefined) => (before === undefined || now === undefined ? undefined : now - before);
    return {
      marks: [...this.#marks, ...halts.map((at) => ({ kind: 'halt' as const, at }))],
      offCpu,
      throttledMs: since(this.#before.throttledMs, throttledMs(this.#group)),
      stolenMs: since(this.#before.stolenMs, stolenMs()),
    };
  }

  #collected(entries: readonly { startTime: number; duration: number }[], offsetMs: number): void {
    for (const { startTime, duration } of entries) this.#marks.push({ kind: 'gc', at: [startTime + offsetMs, startTime + duration + offsetMs] });
  }

  #probe(): void {
    const nowMs = monotonicMs();
    const waitedMs = this.#own?.advance()?.waitedMs;
    const { idle } = performance.eventLoopUtilization();
    // Until it has had nothing to do, a thread that was late works on what has come meanwhile.
    this.#catchesUp &&= idle - this.#idleMs < IDLE_MS;
    const fromMs = this.#catchesUp ? this.#probedMs : this.#dueMs;
    const lateMs = nowMs - fromMs;
    if (this.#catchesUp || lateMs > TOLERATED_MS) {
      this.#marks.push({ kind: 'loop', at: [fromMs, nowMs], ...(waitedMs === undefined ? {} : { offCpu: Math.min(1, waitedMs / lateMs) }) });
      this.#catchesUp = true;
    }
    this.#idleMs = idle;
    this.#probedMs = nowMs;
    this.#dueMs = nowMs + PROBE_EVERY_MS;
  }
}

/** Time that the hypervisor gave to others so far, over all processors: the eighth number of `cpu` in /proc/stat. */
function stolenMs(): number | undefined {
  try {
    const match = /^cpu +(?:\d+ ){7}(\d+)/.exec(readFileSync('/proc/stat', 'utf8'));
    return match ? Number(match[1]) * MS_PER_TICK : undefined;
  } catch {
    return undefined;
  }
}
