import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../core/assert.js';
import { monotonicMs } from '../core/clock.js';
import { allowedProcessors } from './allowed-processors.js';
import { ownCpuGroup, throttledMs } from './control-group.js';
import { offCpuOf, type Reading, type ThreadKind, type ThreadTurn } from './off-cpu.js';
import type { OffCpuRecord } from './records.js';
import { ThreadTimes } from './thread-times.js';

/** What the watching thread is told. */
export interface WatchData {
  /** Not 0: stop, and report. */
  readonly stop: Int32Array;
  readonly pid: number;
  /** Ids of threads that do no frame's work. */
  readonly helpers: readonly string[];
}

export interface WatchReport {
  /** When the whole process stood still. */
  readonly halts: [number, number][];
  readonly offCpu: Omit<OffCpuRecord, 'type' | 'run'>[];
}

const BEAT_MS = 2;
/** A later beat needs an explanation; where it isn't that this thread was waiting for a processor, nobody got one. */
const LATE_MS = 6;
/** A process that used less of the time than this while a beat was late was not running at all. */
const HALTED_CPU_SHARE = 0.2;
const READ_EVERY_MS = 20;
const LIST_EVERY_MS = 1000;
/** /proc/stat counts in hundredths of a second on every Linux that Node runs on. */
const MS_PER_TICK = 10;

/** Others' use of the processors is counted in hundredths of a second: over so long that is exact enough. */
const WINDOW_MS = 200;

/** All threads of the process and of its children (ffmpeg), but for this one. */
class Threads {
  readonly #pid: number;
  readonly #helpers: ReadonlySet<string>;
  readonly #known = new Map<string, { readonly kind: ThreadKind; readonly times: ThreadTimes }>();
  readonly #own = ownThread();

  constructor(pid: number, helpers: readonly string[]) {
    this.#pid = pid;
    this.#helpers = new Set(helpers);
  }

  list(): void {
    const pids = [this.#pid, ...childrenOf(this.#pid)];
    for (const pid of pids) {
      for (const tid of entries(`/proc/${pid}/task`)) {
        const path = `/proc/${pid}/task/${tid}/schedstat`;
        if (this.#known.has(path) || tid === this.#own) continue;
        const times = ThreadTimes.open(path);
        if (times) this.#known.set(path, { kind: this.#kindOf(pid, tid), times });
      }
    }
  }

  turns(): ThreadTurn[] {
    const turns: ThreadTurn[] = [];
    for (const [path, { kind, times }] of this.#known) {
      const since = times.advance();
      if (since) turns.push({ kind, ...since });
      else {
        times.close();
        this.#known.delete(path);
      }
    }
    return turns;
  }

  close(): void {
    for (const { times } of this.#known.values()) times.close();
  }

  #kindOf(pid: number, tid: string): ThreadKind {
    if (pid !== this.#pid) return 'decoder';
    if (tid === String(pid)) return 'main';
    return this.#helpers.has(tid) ? 'helpers' : 'workers';
  }
}

/** How much the processors that this process may use have been used by all, since the last call. */
class Processors {
  readonly #allowed = new Set(allowedProcessors()?.map((number) => `cpu${number}`));
  #idleMs = this.#readIdle();

  /** Undefined where the system doesn't say. */
  busyMs(elapsedMs: number): number | undefined {
    const before = this.#idleMs;
    this.#idleMs = this.#readIdle();
    if (before === undefined || this.#idleMs === undefined) return undefined;
    return Math.max(0, elapsedMs * this.#allowed.size - (this.#idleMs - before));
  }

  /** Fourth and fifth of a processor's numbers in /proc/stat: idle, and idle while waiting for a disk. */
  #readIdle(): number | undefined {
    if (this.#allowed.size === 0) return undefined;
    const lines = text('/proc/stat').split('\n').map((line) => line.split(' '));
    const own = lines.filter(([name = '']) => this.#allowed.has(name));
    return own.length === 0 ? undefined : own.reduce((sum, [, , , , idle, iowait]) => sum + (Number(idle) + Number(iowait)) * MS_PER_TICK, 0);
  }
}

/** Id of the calling thread, as /proc names it. */
function ownThread(): string {
  try {
    return basename(readlinkSync('/proc/thread-self'));
  } catch {
    return '';
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Processes whose parent this is: the fourth field of their `stat`, after a name in brackets that may hold anything. */
function childrenOf(pid: number): number[] {
  return entries('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const parent = stat.slice(stat.lastIndexOf(')')).split(' ')[2];
      return Number(parent) === pid ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

assert(parentPort, 'runs in a worker thread');
const { stop, pid, helpers } = workerData as WatchData;
const threads = new Threads(pid, helpers);
const processors = new Processors();
const group = ownCpuGroup();
const report: WatchReport = { halts: [], offCpu: [] };
let beatMs = monotonicMs();
let readMs = beatMs;
let listMs = -Infinity;
let usage = process.cpuUsage();
const own = ThreadTimes.open(`/proc/${process.pid}/task/${ownThread()}/schedstat`);
let throttled = throttledMs(group) ?? 0;
let readings: Reading[] = [];
let ranHereMs = 0;

/** Ends a window. */
function flush(): void {
  const [first, last] = [readings[0], readings.at(-1)];
  if (first && last) {
    const elapsedMs = last.at[1] - first.at[0];
    const busyMs = processors.busyMs(elapsedMs);
    const ranMs = readings.reduce((sum, reading) => sum + reading.ranMs, 0);
    report.offCpu.push(...offCpuOf(readings, busyMs === undefined ? undefined : Math.max(0, busyMs - ranMs) / elapsedMs));
  }
  readings = [];
}

while (Atomics.load(stop, 0) === 0) {
  Atomics.wait(stop, 0, 0, BEAT_MS);
  const nowMs = monotonicMs();
  const used = process.cpuUsage(usage);
  usage = process.cpuUsage();
  const lateMs = nowMs - beatMs;
  const { ranMs, waitedMs } = own?.advance() ?? { ranMs: 0, waitedMs: 0 };
  ranHereMs += ranMs;
  if (lateMs > LATE_MS && (used.user + used.system) / 1e3 < HALTED_CPU_SHARE * lateMs) {
    // A throttled thread counts as waiting, so the quota is asked first.
    const throttledBefore = throttled;
    throttled = throttledMs(group) ?? 0;
    if (throttled > throttledBefore || lateMs - waitedMs > LATE_MS) report.halts.push([beatMs, nowMs]);
  }
  if (nowMs - listMs >= LIST_EVERY_MS) {
    threads.list();
    listMs = nowMs;
  }
  if (nowMs - readMs >= READ_EVERY_MS) {
    const turns = threads.turns();
    readings.push({ at: [readMs, nowMs], turns, ranMs: turns.reduce((sum, turn) => sum + turn.ranMs, ranHereMs) });
    ranHereMs = 0;
    if (nowMs - readings[0]!.at[0] >= WINDOW_MS) flush();
    readMs = nowMs;
  }
  beatMs = monotonicMs();
}
flush();
threads.close();
own?.close();
parentPort.postMessage(report);
