import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSameVariant, mergeVariant, samplesOf, type Accuracy, type BenchResults, type VariantResult } from './bench-results.js';
import { runRounds } from './run-rounds.js';
import { reasonOf, type Refusal, type Variant } from './variants.js';

/** What the bench can't do by itself: it runs on what its caller composes. */
export interface BenchTools {
  /** Accuracy of a variant, on data whose name is `data`. Undefined asks for none. */
  readonly accuracy?: { readonly data: string; readonly measure: (variant: Variant) => Promise<Accuracy> } | undefined;
  /** What a session of one thread adds to a process's memory, bytes; the path is a prepared network's. Rejects where it can't be run. */
  readonly sessionRss: (modelPath: string) => Promise<number>;
  /** After each measurement: results so far. */
  readonly save: (results: BenchResults) => Promise<void>;
  readonly onProgress: (progress: BenchProgress) => void;
  readonly isCancelled?: () => boolean;
}

export interface BenchProgress {
  readonly what: string;
  /** Inferences of all, estimated before: accuracy counts one a picture. */
  readonly done: number;
  readonly total: number;
}

export interface BenchOptions {
  readonly threads: readonly number[];
  /** Samples that each configuration has to have, with those of earlier runs. */
  readonly runs: number;
  /** Pictures of the data, for the progress. */
  readonly pictures: number;
  readonly startedAt: string;
}

export interface BenchOutcome {
  readonly results: BenchResults;
  /** Variants that the runtime couldn't load. */
  readonly refusals: readonly Refusal[];
}

/** Results are written so often, in bursts: an interrupted run has lost little. */
const BURSTS_A_SAVE = 100;

/**
 * Measures what isn't measured yet of variants and puts it to the results: accuracy and memory one by one, latencies in turns.
 */
export async function runBench(known: BenchResults, variants: readonly Variant[], options: BenchOptions, tools: BenchTools): Promise<BenchOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'lynceus-bench-'));
  try {
    return await new Bench(known, variants, options, tools, folder).run();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

class Bench {
  #results: BenchResults;
  #variants: readonly Variant[];
  readonly #refusals: Refusal[] = [];
  readonly #options: BenchOptions;
  readonly #tools: BenchTools;
  readonly #folder: string;
  readonly #total: number;
  #done = 0;

  constructor(known: BenchResults, variants: readonly Variant[], options: BenchOptions, tools: BenchTools, folder: string) {
    this.#results = known;
    this.#variants = variants;
    this.#options = options;
    this.#tools = tools;
    this.#folder = folder;
    const scored = variants.filter((variant) => this.#needsAccuracy(variant)).length;
    this.#total = scored * options.pictures + variants.reduce((sum, variant) => sum + this.#wanted(variant).reduce((all, { runs }) => all + runs, 0), 0);
  }

  async run(): Promise<BenchOutcome> {
    const running: Variant[] = [];
    for (const variant of this.#variants) {
      if (this.#tools.isCancelled?.()) break;
      const path = this.#pathOf(running.length);
      await writeFile(path, variant.prepared);
      try {
        const sessionRssBytes = this.#knownOf(variant)?.sessionRssBytes ?? (await this.#tools.sessionRss(path));
        await this.#describe(variant, sessionRssBytes);
        running.push(variant);
      } catch (error) {
        const { model, width, height } = variant.facts;
        this.#refusals.push({ model, size: { width, height }, why: reasonOf(error) });
      }
    }
    this.#variants = running;
    await this.#measureLatencies();
    return { results: this.#results, refusals: this.#refusals };
  }

  async #describe(variant: Variant, sessionRssBytes: number): Promise<void> {
    const name = nameOf(variant);
    const { accuracy } = this.#tools;
    const accuracies: Accuracy[] = [];
    if (accuracy && this.#needsAccuracy(variant)) {
      this.#progress(`${name}: accuracy`);
      accuracies.push(await accuracy.measure(variant));
      this.#done += this.#options.pictures;
    }
    await this.#merge({ ...variant.facts, sessionRssBytes, latencies: [], accuracies });
  }

  async #measureLatencies(): Promise<void> {
    const wanted = this.#variants.flatMap((variant, i) => this.#wanted(variant).map((one) => ({ ...one, variant, modelPath: this.#pathOf(i), samplesUs: [] as number[] })));
    const store = async (): Promise<void> => {
      for (const one of wanted.filter(({ samplesUs }) => samplesUs.length > 0)) {
        const runs = [{ startedAt: this.#options.startedAt, samplesUs: one.samplesUs }];
        this.#results = mergeVariant(this.#results, { ...one.variant.facts, sessionRssBytes: null, latencies: [{ threads: one.threads, runs }], accuracies: [] });
        one.samplesUs = [];
      }
      this.#results = joinRuns(this.#results);
      await this.#tools.save(this.#results);
    };
    let bursts = 0;
    await runRounds(wanted, {
      isCancelled: () => this.#tools.isCancelled?.() ?? false,
      onSamples: async (index, samplesUs) => {
        const one = wanted[index]!;
        one.samplesUs.push(...samplesUs);
        this.#done += samplesUs.length;
        this.#progress(`${nameOf(one.variant)}: latency, ${one.threads} thread${one.threads > 1 ? 's' : ''}`);
        if ((bursts += 1) % BURSTS_A_SAVE === 0) await store();
      },
    });
    await store();
  }

  async #merge(variant: VariantResult): Promise<void> {
    this.#results = mergeVariant(this.#results, variant);
    await this.#tools.save(this.#results);
  }

  #knownOf({ facts }: Variant): VariantResult | undefined {
    return this.#results.variants.find((one) => isSameVariant(one, facts));
  }

  #needsAccuracy(variant: Variant): boolean {
    const { accuracy } = this.#tools;
    return accuracy !== undefined && !(this.#knownOf(variant)?.accuracies.some(({ data }) => data === accuracy.data) ?? false);
  }

  #wanted(variant: Variant): { threads: number; runs: number }[] {
    const known = this.#knownOf(variant);
    return this.#options.threads
      .map((threads) => {
        const latency = known?.latencies.find((one) => one.threads === threads);
        return { threads, runs: this.#options.runs - (latency ? samplesOf(latency).length : 0) };
      })
      .filter(({ runs }) => runs > 0);
  }

  #pathOf(index: number): string {
    return join(this.#folder, `${index}.onnx`);
  }

  #progress(what: string): void {
    this.#tools.onProgress({ what, done: this.#done, total: this.#total });
  }
}

export function nameOf({ facts: { model, width, height } }: Variant): string {
  return `${model} ${width}x${height}`;
}

/** Stretches of the same run of the command become one. */
function joinRuns(results: BenchResults): BenchResults {
  const variants = results.variants.map((variant) => ({
    ...variant,
    latencies: variant.latencies.map(({ threads, runs }) => {
      const starts = [...new Set(runs.map(({ startedAt }) => startedAt))];
      return { threads, runs: starts.map((startedAt) => ({ startedAt, samplesUs: runs.filter((run) => run.startedAt === startedAt).flatMap(({ samplesUs }) => samplesUs) })) };
    }),
  }));
  return { ...results, variants };
}
