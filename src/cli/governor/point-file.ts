import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { FrameFormat } from '../../core/frame.js';
import type { WorkerSettings } from '../../detector/model-workers.js';
import { writeFileAtomic } from '../../model-store/files.js';
import { benchFolder, machineKey } from '../../picker/bench-results.js';
import { machine } from '../bench/machine.js';
import type { Network } from './networks.js';

/** Of a file: another number means another layout or way to measure. */
const SCHEMA_VERSION = 2;
/** A machine changes: another kernel, another neighbour. */
const FRESH_DAYS = 30;

const pointFile = z.object({
  schemaVersion: z.literal(SCHEMA_VERSION),
  measuredAt: z.string(),
  /** Of an inference: so many made the slow ones fastest. */
  threads: z.int().positive(),
  /** By name of the network, each with the sum of the model that was run. */
  detectMs: z.record(z.string(), z.object({ sha256: z.string(), ms: z.number().positive() })),
  /** AP50 (0 to 1) by name of the point, and on what; null where nobody has measured it. */
  accuracy: z.object({ data: z.string(), ap50: z.record(z.string(), z.number()) }).nullable(),
});

/** What was measured of a model's operating points on this machine. */
export type PointFile = z.output<typeof pointFile>;

export type PointAccuracy = NonNullable<PointFile['accuracy']>;

/** Where it is kept: times hold for a machine, a model, its frames and how many cores it has. */
export function pointFilePath(model: Network, { size, fit }: FrameFormat, { mode, cores }: WorkerSettings): string {
  const key = createHash('sha256').update(JSON.stringify([model.sha256, size, fit, mode, cores])).digest('hex').slice(0, 12);
  return join(benchFolder(), 'governor', `${model.model}-${key}-${machineKey(machine())}.json`);
}

/** Undefined where there is none that can be used: it is measured anew then. */
export async function readPointFile(path: string): Promise<PointFile | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const checked = pointFile.safeParse(JSON.parse(text));
    return checked.success ? checked.data : undefined;
  } catch {
    return undefined;
  }
}

/** @throws AppError ERR_DISK_FULL, ERR_OUTPUT_WRITE */
export function writePointFile(path: string, measured: Omit<PointFile, 'schemaVersion' | 'measuredAt'>): Promise<void> {
  const file: PointFile = { schemaVersion: SCHEMA_VERSION, measuredAt: new Date().toISOString(), ...measured };
  return writeFileAtomic(path, `${JSON.stringify(file, null, 2)}\n`);
}

export interface MeasuredTimes {
  readonly timesMs: number[];
  readonly threads: number;
}

/** Times of these networks, where all of them were measured not long ago. */
export function freshTimes(file: PointFile | undefined, networks: readonly Network[], now = Date.now()): MeasuredTimes | undefined {
  if (!file || now - Date.parse(file.measuredAt) > FRESH_DAYS * 86_400_000) return undefined;
  const times = networks.map(({ name, sha256 }) => (file.detectMs[name]?.sha256 === sha256 ? file.detectMs[name].ms : undefined));
  return times.every((ms) => ms !== undefined) ? { timesMs: times, threads: file.threads } : undefined;
}
