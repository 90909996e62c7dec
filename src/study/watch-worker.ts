import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../core/assert.js';
import { monotonicMs } from '../core/clock.js';
import type { OffCpuRecord } from './records.js';
import { ThreadTimes } from './thread-times.js';

/** What the watching thread is told. */
export interface WatchData {
  /** Not 0: stop, and report. */
  readonly stop: Int32Array;
  readonly pid: number;
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
/** A thread that wanted to run for less of the time than this holds no frame up. */
const BUSY_SHARE = 0.1;

type Kind = 'main' | 'workers' | 'decoder';

/** All threads of the process and of its children (ffmpeg), but for this one. */
class Threads {
  readonly #pid: number;
  readonly #known = new Map<string, { readonly kind: Kind; readonly times: ThreadTimes }>();
  readonly #own = ownThread();

  constructor(pid: number) {
    this.#pid = pid;
  }

  list(): void {
    const pids = [this.#pid, ...childrenOf(this.#pid)];
    for (const pid of pids) {
      for (const tid of entries(`/proc/${pid}/task`)) {
        const path = `/proc/${pid}/task/${tid}/schedstat`;
        if (this.#known.has(path) || tid === this.#own) continue;
        const kind: Kind = pid !== this.#pid ? 'decoder' : tid === String(pid) ? 'main' : 'workers';
        const times = ThreadTimes.open(path);
        if (times) this.#known.set(path, { kind, times });
      }
    }
  }

  /** As an `off-cpu` record tells them. */
  shares(elapsedMs: number): Record<Kind, number> {
    const ran: Record<Kind, number> = { main: 0, workers: 0, decoder: 0 };
    const waited: Record<Kind, number> = { main: 0, workers: 0, decoder: 0 };
    let decoder = 0;
    for (const [path, thread] of this.#known) {
      const since = thread.times.advance();
      if (!since) {
        thread.times.close();
        this.#known.delete(path);
        continue;
      }
      const { ranMs, waitedMs } = since;
      // The main thread runs in short turns, and each of them is waited for.
      if (thread.kind !== 'main' && ranMs + waitedMs < BUSY_SHARE * elapsedMs) continue;
      ran[thread.kind] += ranMs;
      waited[thread.kind] += waitedMs;
      if (thread.kind === 'decoder') decoder = Math.max(decoder, Math.min(1, waitedMs / elapsedMs));
    }
    const share = (kind: Kind) => (waited[kind] === 0 ? 0 : waited[kind] / (ran[kind] + waited[kind]));
    return { main: share('main'), workers: share('workers'), decoder };
  }

  close(): void {
    for (const { times } of this.#known.values()) times.close();
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

/** Of the control group, in the unit that it counts in; 0 where it doesn't say. */
function readThrottled(): number {
  for (const path of ['/sys/fs/cgroup/cpu.stat', '/sys/fs/cgroup/cpu/cpu.stat']) {
    try {
      return Number(/^throttled_(?:usec|time) (\d+)$/m.exec(readFileSync(path, 'utf8'))?.[1] ?? 0);
    } catch {
      // The other version of control groups, or none.
    }
  }
  return 0;
}

assert(parentPort, 'runs in a worker thread');
const { stop, pid } = workerData as WatchData;
const threads = new Threads(pid);
const report: WatchReport = { halts: [], offCpu: [] };
let beatMs = monotonicMs();
let readMs = beatMs;
let listMs = -Infinity;
let usage = process.cpuUsage();
const own = ThreadTimes.open(`/proc/${process.pid}/task/${ownThread()}/schedstat`);
let throttled = readThrottled();
while (Atomics.load(stop, 0) === 0) {
  Atomics.wait(stop, 0, 0, BEAT_MS);
  const nowMs = monotonicMs();
  const used = process.cpuUsage(usage);
  usage = process.cpuUsage();
  const lateMs = nowMs - beatMs;
  const waitedMs = own?.advance()?.waitedMs ?? 0;
  if (lateMs > LATE_MS && (used.user + used.system) / 1e3 < HALTED_CPU_SHARE * lateMs) {
    // A throttled thread counts as waiting, so the quota is asked first.
    const throttledBefore = throttled;
    throttled = readThrottled();
    if (throttled > throttledBefore || lateMs - waitedMs > LATE_MS) report.halts.push([beatMs, nowMs]);
  }
  if (nowMs - listMs >= LIST_EVERY_MS) {
    threads.list();
    listMs = nowMs;
  }
  if (nowMs - readMs >= READ_EVERY_MS) {
    const shares = threads.shares(nowMs - readMs);
    if (shares.main > 0 || shares.workers > 0 || shares.decoder > 0) report.offCpu.push({ at: [readMs, nowMs], ...shares });
    readMs = nowMs;
  }
  beatMs = monotonicMs();
}
threads.close();
own?.close();
parentPort.postMessage(report);
