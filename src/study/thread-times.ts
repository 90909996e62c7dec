import { closeSync, openSync, readdirSync, readSync } from 'node:fs';

const NS_PER_MS = 1e6;
const TEXT = new TextDecoder();

/** Reads how long one thread ran and how long it was ready and wasn't let run (Linux: two numbers of nanoseconds in `schedstat`). */
export class ThreadTimes {
  readonly #file: number;
  readonly #buffer = new Uint8Array(128);
  #ranNs = 0;
  #waitedNs = 0;

  private constructor(file: number) {
    this.#file = file;
    this.advance();
  }

  /** Undefined where the thread has ended, or the system has no such file. */
  static open(path: string): ThreadTimes | undefined {
    try {
      return new ThreadTimes(openSync(path, 'r'));
    } catch {
      return undefined;
    }
  }

  /** Milliseconds since the last call; undefined where the thread has ended. */
  advance(): { readonly ranMs: number; readonly waitedMs: number } | undefined {
    let read: number;
    try {
      read = readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0);
    } catch {
      return undefined;
    }
    const [ran = NaN, waited = NaN] = TEXT.decode(this.#buffer.subarray(0, read)).split(' ').map(Number);
    if (Number.isNaN(ran) || Number.isNaN(waited)) return undefined;
    const since = { ranMs: (ran - this.#ranNs) / NS_PER_MS, waitedMs: (waited - this.#waitedNs) / NS_PER_MS };
    this.#ranNs = ran;
    this.#waitedNs = waited;
    return since;
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Of this process's main thread, whose id is the process's; undefined where the system doesn't say. */
export function mainThreadTimes(): ThreadTimes | undefined {
  return ThreadTimes.open(`/proc/self/task/${process.pid}/schedstat`);
}

/** Ids of the threads of this process; empty where the system doesn't say. */
export function threadIds(): string[] {
  try {
    return readdirSync('/proc/self/task');
  } catch {
    return [];
  }
}
