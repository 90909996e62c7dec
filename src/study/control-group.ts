import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { AppError } from '../core/errors.js';

/** Where control groups are told of; a test has others. */
export interface GroupPaths {
  /** Default `/sys/fs/cgroup`. */
  readonly root?: string;
  /** Default `/proc/self/cgroup`. */
  readonly own?: string;
}

/** The group of a process that rules its processors. */
export interface CpuGroup {
  readonly version: 1 | 2;
  readonly folder: string;
}

/** The period that CPU time is divided by, as container runtimes have it. */
const PERIOD_US = 100_000;
/** A group can be removed when the last process in it is gone for good. */
const REMOVE_TRIES = 50;
const REMOVE_EVERY_MS = 20;

/** The calling process's group; undefined where the system has none, or doesn't show it. */
export function ownCpuGroup({ root = '/sys/fs/cgroup', own = '/proc/self/cgroup' }: GroupPaths = {}): CpuGroup | undefined {
  const text = readText(own);
  if (text === undefined) return undefined;
  const paths = [/^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(.*)$/m.exec(text)?.[1], /^0::(.*)$/m.exec(text)?.[1]];
  // Inside of a container a group may go by its name outside: what is mounted is then the group itself.
  const candidates: CpuGroup[] = [
    ...shown(paths[0], (path) => ({ version: 1, folder: join(root, 'cpu', path) })),
    ...shown(paths[1], (path) => ({ version: 2, folder: join(root, path) })),
  ];
  return candidates.find(({ folder }) => existsSync(join(folder, 'cpu.stat')));
}

function shown(path: string | undefined, group: (path: string) => CpuGroup): CpuGroup[] {
  return path === undefined ? [] : [group(path), group('/')];
}

/** Milliseconds that the quota of a group held it up so far; undefined where it isn't counted. Version 2 counts microseconds, version 1 nanoseconds. */
export function throttledMs(group: CpuGroup | undefined): number | undefined {
  const match = /^throttled_(usec|time) (\d+)$/m.exec((group && readText(join(group.folder, 'cpu.stat'))) ?? '');
  return match ? Number(match[2]) / (match[1] === 'usec' ? 1e3 : 1e6) : undefined;
}

/** A group of its own below the calling process's, whose CPU time can be limited. */
export class QuotaGroup {
  readonly #group: CpuGroup;

  private constructor(group: CpuGroup) {
    this.#group = group;
  }

  /** @throws AppError `ERR_USAGE` where none can be made here; the message says why */
  static create(name: string, paths: GroupPaths = {}): QuotaGroup {
    const parent = ownCpuGroup(paths);
    if (!parent) throw notHere('the system shows none');
    const folder = join(parent.folder, name);
    try {
      mkdirSync(folder, { recursive: true });
    } catch (cause) {
      throw notHere((cause as Error).message, cause);
    }
    const group = new QuotaGroup({ version: parent.version, folder });
    // A group of version 2 has no quota where its parent keeps the processors to itself.
    if (existsSync(join(folder, group.#quotaFile))) return group;
    removeFolder(folder);
    throw notHere('the group above this process hands no CPU quotas down');
  }

  get #quotaFile(): string {
    return this.#group.version === 2 ? 'cpu.max' : 'cpu.cfs_quota_us';
  }

  /** Moves a process into the group; what it starts later is in it too. */
  add(pid: number): void {
    writeFileSync(join(this.#group.folder, 'cgroup.procs'), String(pid));
  }

  /** @param share of all processors, over 0 up to 1. */
  limit(share: number): void {
    const quotaUs = Math.round(share * availableParallelism() * PERIOD_US);
    if (this.#group.version === 2) {
      writeFileSync(join(this.#group.folder, 'cpu.max'), `${quotaUs} ${PERIOD_US}`);
      return;
    }
    writeFileSync(join(this.#group.folder, 'cpu.cfs_period_us'), String(PERIOD_US));
    writeFileSync(join(this.#group.folder, 'cpu.cfs_quota_us'), String(quotaUs));
  }

  /** Removes the group when its last process has ended. */
  async close(): Promise<void> {
    for (let left = REMOVE_TRIES; !removeFolder(this.#group.folder) && left > 0; left -= 1) await wait(REMOVE_EVERY_MS);
  }
}

/** True where it is gone. */
function removeFolder(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return !existsSync(folder);
  }
}

function notHere(why: string, cause?: unknown): AppError {
  return new AppError('ERR_USAGE', `No control group with a CPU quota can be made here: ${why}`, { cause, fix: 'Leave the quota out, or run in a group that you own (systemd-run --user --scope -p Delegate=yes).' });
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
