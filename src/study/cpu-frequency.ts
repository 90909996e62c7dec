import { accessSync, constants, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SYSFS = '/sys/devices/system/cpu';

/** What cpufreq says of the first processor; all are set alike. */
export interface CpuFrequency {
  readonly governor: string;
  /** That could be set. */
  readonly governors: readonly string[];
  readonly currentKhz: number | undefined;
  /** The limits of the hardware. */
  readonly minKhz: number;
  readonly maxKhz: number;
  /** Whether this process may change them. */
  readonly isWritable: boolean;
}

/** What of it a study sets; the rest stays. */
export interface FrequencySetting {
  readonly governor?: string | undefined;
  readonly maxKhz?: number | undefined;
}

/** Undefined where there is no cpufreq: not Linux, or a virtual machine. @param root of the processors in sysfs; a test has its own */
export function readCpuFrequency(root = SYSFS): CpuFrequency | undefined {
  const folder = policies(root)[0];
  if (folder === undefined) return undefined;
  const read = (name: string) => readText(join(folder, name));
  const [governor, min, max, current] = [read('scaling_governor'), read('cpuinfo_min_freq'), read('cpuinfo_max_freq'), read('scaling_cur_freq')];
  if (governor === undefined || min === undefined || max === undefined) return undefined;
  return {
    governor,
    governors: (read('scaling_available_governors') ?? governor).split(/\s+/),
    currentKhz: current === undefined ? undefined : Number(current),
    minKhz: Number(min),
    maxKhz: Number(max),
    isWritable: ['scaling_governor', 'scaling_max_freq'].every((name) => isWritable(join(folder, name))),
  };
}

/** Sets all processors. @returns puts back what was there before. */
export function setCpuFrequency({ governor, maxKhz }: FrequencySetting, root = SYSFS): () => void {
  const before: (readonly [file: string, value: string])[] = [];
  const restore = (): void => {
    for (const [file, value] of before.splice(0)) writeFileSync(file, value);
  };
  const set = (file: string, value: string): void => {
    before.push([file, readFileSync(file, 'utf8').trim()]);
    writeFileSync(file, value);
  };
  try {
    for (const folder of policies(root)) {
      if (governor !== undefined) set(join(folder, 'scaling_governor'), governor);
      if (maxKhz !== undefined) set(join(folder, 'scaling_max_freq'), String(maxKhz));
    }
  } catch (error) {
    restore();
    throw error;
  }
  return restore;
}

/** The folders of cpufreq, one for each processor. */
function policies(root: string): string[] {
  try {
    return readdirSync(root)
      .filter((name) => /^cpu\d+$/.test(name))
      .sort((a, b) => Number(a.slice(3)) - Number(b.slice(3)))
      .map((name) => join(root, name, 'cpufreq'))
      .filter((folder) => readText(join(folder, 'scaling_governor')) !== undefined);
  } catch {
    return [];
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
