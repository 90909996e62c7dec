import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { AppError, systemErrorCode } from '../core/errors.js';
import { writeFileAtomic } from '../model-store/files.js';
import { storePaths, type StorePaths } from '../model-store/store-paths.js';

/** Of a file: another number means another layout. */
const SCHEMA_VERSION = 1;

const interval = z.object({ low: z.number(), high: z.number() }).nullable();

const accuracySchema = z.object({
  /** What it was measured on: two of the same name are compared with each other. */
  data: z.string(),
  pictures: z.int(),
  /** 0 to 1; null where the model's classes are none of the data's. */
  map50: z.number().nullable(),
  map5095: z.number().nullable(),
  map50Interval: interval,
  map5095Interval: interval,
});

const latencySchema = z.object({
  threads: z.int().positive(),
  /** Measurements in the order that they were taken, a stretch for each time that the command was run. */
  runs: z.array(z.object({ startedAt: z.string(), samplesUs: z.array(z.int().nonnegative()) })),
});

const variantSchema = z.object({
  model: z.string(),
  /** Of the network that was run: the model's own, or the resized one's. */
  sha256: z.string(),
  /** The model that this one and its relatives were all made from. */
  family: z.string(),
  precision: z.enum(['fp32', 'fp16', 'int8']),
  width: z.int().positive(),
  height: z.int().positive(),
  /** Whether this is the size that the model is installed with. */
  isOwnSize: z.boolean(),
  macs: z.number().nullable(),
  parameters: z.number(),
  fileBytes: z.number(),
  peakActivationBytes: z.number().nullable(),
  /** What a loaded session of one thread added to a process's resident memory. */
  sessionRssBytes: z.number().nullable(),
  latencies: z.array(latencySchema),
  accuracies: z.array(accuracySchema),
});

const resultsSchema = z.object({
  schemaVersion: z.literal(SCHEMA_VERSION),
  machine: z.record(z.string(), z.union([z.string(), z.number()])),
  variants: z.array(variantSchema),
});

export type Accuracy = z.output<typeof accuracySchema>;
export type Latency = z.output<typeof latencySchema>;
/** A model at one input size, and everything that was measured of it on this machine. */
export type VariantResult = z.output<typeof variantSchema>;
export type BenchResults = z.output<typeof resultsSchema>;
export type Machine = BenchResults['machine'];

/** Folder of the measurements, beside the models. */
export function benchFolder(paths: Pick<StorePaths, 'models'> = storePaths()): string {
  return join(dirname(paths.models), 'bench');
}

/** Latencies hold for a processor, its cores and the runtime's version; nothing else of a machine is in the key. */
export function machineKey({ cpu = 'unknown', cores = 0, onnxruntime = '' }: Machine): string {
  const text = `${cpu}|${cores}|${onnxruntime}`;
  const slug = `${cpu}-${cores}-cores-ort-${onnxruntime}`.toLowerCase().replace(/\(r\)|\(tm\)/g, '').replace(/[^a-z0-9.]+/g, '-');
  return `${slug.slice(0, 60).replace(/^-|-$/g, '')}-${createHash('sha256').update(text).digest('hex').slice(0, 8)}`;
}

export function resultsPath(folder: string, machine: Machine): string {
  return join(folder, `${machineKey(machine)}.json`);
}

/**
 * What was measured on this machine; undefined where nothing was yet.
 *
 * @throws AppError ERR_CONFIG_INVALID where the file is no such results.
 */
export async function readResults(path: string): Promise<BenchResults | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return undefined;
    throw new AppError('ERR_FILE_NOT_FOUND', `${path} can't be read`, { cause, fix: 'Check its permissions.' });
  }
  const checked = resultsSchema.safeParse(parseJson(text));
  if (checked.success) return checked.data;
  throw new AppError('ERR_CONFIG_INVALID', `${path} holds no measurements: ${checked.error.issues[0]?.message ?? ''}`, { fix: 'Delete it and measure anew: lynceus models bench.' });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export async function writeResults(path: string, results: BenchResults): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(results)}\n`);
}

export function emptyResults(machine: Machine): BenchResults {
  return { schemaVersion: SCHEMA_VERSION, machine, variants: [] };
}

export function isSameVariant(a: Pick<VariantResult, 'model' | 'sha256' | 'width' | 'height'>, b: Pick<VariantResult, 'model' | 'sha256' | 'width' | 'height'>): boolean {
  return a.model === b.model && a.sha256 === b.sha256 && a.width === b.width && a.height === b.height;
}

/**
 * Puts new measurements to old ones: of the same network at the same size, latencies of a thread count grow by what was measured and
 * accuracies on the same data are replaced. Variants of a model whose network is another by now go.
 */
export function mergeVariant(results: BenchResults, variant: VariantResult): BenchResults {
  const known = results.variants.find((one) => isSameVariant(one, variant));
  const isStale = (one: VariantResult): boolean => one.model === variant.model && one.width === variant.width && one.height === variant.height && one.sha256 !== variant.sha256;
  const others = results.variants.filter((one) => one !== known && !isStale(one));
  if (!known) return { ...results, variants: [...others, variant] };
  const latencies = mergeBy(known.latencies, variant.latencies, ({ threads }) => threads, (old, added) => ({ threads: old.threads, runs: [...old.runs, ...added.runs] }));
  const accuracies = mergeBy(known.accuracies, variant.accuracies, ({ data }) => data, (_, added) => added);
  return { ...results, variants: [...others, { ...variant, sessionRssBytes: variant.sessionRssBytes ?? known.sessionRssBytes, latencies, accuracies }] };
}

function mergeBy<T>(old: readonly T[], added: readonly T[], keyOf: (one: T) => unknown, merge: (old: T, added: T) => T): T[] {
  const kept = old.map((one) => {
    const other = added.find((candidate) => keyOf(candidate) === keyOf(one));
    return other ? merge(one, other) : one;
  });
  return [...kept, ...added.filter((one) => !old.some((other) => keyOf(other) === keyOf(one)))];
}

/** Without models that aren't installed any more. */
export function withoutRemoved(results: BenchResults, listed: readonly { readonly id: string; readonly status: string }[]): BenchResults {
  const here = new Set(listed.filter(({ status }) => status === 'added' || status === 'included').map(({ id }) => id));
  return { ...results, variants: results.variants.filter(({ model }) => here.has(model)) };
}

/** All samples of a latency, microseconds. */
export function samplesOf({ runs }: Latency): number[] {
  return runs.flatMap(({ samplesUs }) => samplesUs);
}
