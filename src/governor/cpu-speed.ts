import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monotonicMs } from '../core/clock.js';

/** Reads how fast the CPU is just now, in a unit that stays the same. */
export type CpuSpeedReader = () => Promise<number>;

const SYSFS = '/sys/devices/system/cpu';

/**
 * The clock frequency where the kernel tells it (mean of all cores, kHz), else a probe: how often a fixed piece of integer work is done a
 * millisecond. A probe sees what slows every thread (a lower clock, a busy sibling of the core), not that there is less time to compute
 * in; the ledger sees both.
 *
 * @param root where the kernel lists its cores.
 */
export async function createCpuSpeedReader(root = SYSFS): Promise<CpuSpeedReader> {
  const files = await frequencyFiles(root);
  if (files.length === 0) return () => Promise.resolve(probeSpeed());
  return async () => {
    const frequencies = await Promise.all(files.map(async (file) => Number(await readFile(file, 'utf8'))));
    return frequencies.reduce((sum, kHz) => sum + kHz, 0) / frequencies.length;
  };
}

async function frequencyFiles(root: string): Promise<string[]> {
  const cores = (await readdir(root).catch(() => [])).filter((name) => /^cpu\d+$/.test(name));
  const files = cores.map((core) => join(root, core, 'cpufreq', 'scaling_cur_freq'));
  const readable = await Promise.all(files.map((file) => readFile(file, 'utf8').then((text) => Number(text) > 0, () => false)));
  return files.filter((_, i) => readable[i]);
}

const PROBE_ROUNDS = 5;
const PROBE_STEPS = 20_000;

/** About 0.1 ms: the quickest of a few rounds, so that an interruption is no slowness. */
function probeSpeed(): number {
  let bestMs = Infinity;
  for (let round = 0; round < PROBE_ROUNDS; round += 1) {
    const startMs = monotonicMs();
    probeSink = probeWork(probeSink);
    bestMs = Math.min(bestMs, monotonicMs() - startMs);
  }
  return 1 / bestMs;
}

/** Kept, so that the work can't be left out. */
let probeSink = 1;

/** Each step waits for the one before (xorshift, Marsaglia 2003): nothing but the clock makes it faster. */
function probeWork(seed: number): number {
  let x = seed;
  for (let i = 0; i < PROBE_STEPS; i += 1) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
  }
  return x;
}

/** A change of speed counts from here on: below, readings differ by themselves. */
const LEAST_CHANGE = 0.2;

/** Tells when the speed has changed: two readings in a row that agree with each other and not with what was told before. */
export class SpeedChanges {
  #told: number | undefined;
  #before: number | undefined;

  /** @returns the new speed where it has changed (and for the first reading), else undefined. */
  add(speed: number): number | undefined {
    const before = this.#before;
    this.#before = speed;
    if (this.#told === undefined) return (this.#told = speed);
    if (before === undefined || !isChange(speed, this.#told) || !isChange(before, this.#told) || isChange(speed, before)) return undefined;
    return (this.#told = speed);
  }
}

function isChange(a: number, b: number): boolean {
  return Math.max(a, b) / Math.min(a, b) > 1 + LEAST_CHANGE;
}
