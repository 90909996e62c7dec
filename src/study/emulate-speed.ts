import { access, constants, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { AppError } from '../core/errors.js';
import { workerUrl } from '../core/worker-url.js';
import { EmulatedSpeed } from '../inference/emulated-speed.js';

/**
 * How a slower CPU is emulated. `stretch`: the inference workers sleep for the time that they would have computed longer; exact, and
 * nothing else is slowed. `load`: other threads of this process compete for the cores; real contention, whose effect is what the
 * scheduler makes of it. `quota`: the control group may use so much CPU time and no more; real throttling, of the whole process and
 * what runs beside it in the group.
 */
export type SpeedMethod = 'stretch' | 'load' | 'quota';

export const SPEED_METHODS: readonly SpeedMethod[] = ['stretch', 'load', 'quota'];

/** A CPU speed that a study sets. */
export interface SpeedEmulation {
  readonly method: SpeedMethod;
  /** For reports: `emulated (stretch)`. */
  readonly label: string;
  /** What workers are started with where the method works inside of them. */
  readonly speed: EmulatedSpeed | undefined;
  /** @param percent of the machine's own speed, 1 to 100; nominal for `load`. */
  set(percent: number): Promise<void>;
  /** Back to the machine's own speed. */
  close(): Promise<void>;
}

/** @throws AppError `ERR_USAGE` where the method doesn't work on this machine; the message says why. */
export async function emulateSpeed(method: SpeedMethod): Promise<SpeedEmulation> {
  switch (method) {
    case 'stretch':
      return stretched();
    case 'load':
      return loaded();
    case 'quota':
      return throttled();
  }
}

function stretched(): SpeedEmulation {
  const speed = new EmulatedSpeed();
  const set = (percent: number): Promise<void> => {
    speed.percent = percent;
    return Promise.resolve();
  };
  return { method: 'stretch', label: 'emulated (stretch)', speed, set, close: () => set(100) };
}

/**
 * A competing thread a core, each of which computes for a share of the time. One that always does takes half a core from an equal, so
 * 50 % is the least that the method can say; what is asked below it is that.
 */
function loaded(): SpeedEmulation {
  const share = new EmulatedSpeed(100);
  const workers = Array.from({ length: availableParallelism() }, () => new Worker(workerUrl(import.meta.url, './competing-load.js'), { workerData: share.shared }));
  const set = (percent: number): Promise<void> => {
    share.percent = Math.max(50, percent);
    return Promise.resolve();
  };
  const close = async (): Promise<void> => {
    await Promise.all(workers.map((worker) => worker.terminate()));
  };
  return { method: 'load', label: 'emulated (competing load)', speed: undefined, set, close };
}

/** Of the period that the kernel divides CPU time by: short, so that a throttled group stutters as little as it can. */
const QUOTA_PERIOD_US = 10_000;

async function throttled(): Promise<SpeedEmulation> {
  const file = await quotaFile();
  const before = await readFile(file, 'utf8');
  const set = (percent: number): Promise<void> => writeFile(file, `${Math.round((percent / 100) * availableParallelism() * QUOTA_PERIOD_US)} ${QUOTA_PERIOD_US}`);
  return { method: 'quota', label: 'emulated (cgroup quota)', speed: undefined, set, close: () => writeFile(file, before.trim()) };
}

/** `cpu.max` of this process's control group (cgroup v2). */
async function quotaFile(): Promise<string> {
  try {
    const own = /^0::(\/.*)$/m.exec(await readFile('/proc/self/cgroup', 'utf8'))?.[1];
    const file = join('/sys/fs/cgroup', own ?? '', 'cpu.max');
    await access(file, constants.R_OK | constants.W_OK);
    return file;
  } catch (cause) {
    throw new AppError('ERR_USAGE', 'This process may not set the CPU quota of its control group (cgroup v2, cpu.max)', { cause, fix: 'Emulate by stretch or load, or run in a group that you own (systemd-run --user --scope -p Delegate=yes).' });
  }
}
