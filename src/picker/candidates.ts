import { samplesOf, type Accuracy, type BenchResults, type VariantResult } from './bench-results.js';
import { paretoFront } from './pareto.js';
import { percentilesOf, type Percentiles } from './percentiles.js';

/** A model at a size with a number of threads: what can be chosen. */
export interface Candidate {
  readonly variant: VariantResult;
  readonly threads: number;
  readonly latency: Percentiles;
  /** Undefined where its classes are none of the data's, or nothing was scored. */
  readonly accuracy: ScoredAccuracy | undefined;
  /** When its samples were taken: those of one time were taken in turns. */
  readonly measuredAt: readonly string[];
  /** No other with as many threads is both as fast (by the median) and as accurate. False without accuracy. */
  readonly isOnFront: boolean;
}

export interface ScoredAccuracy extends Accuracy {
  readonly map50: number;
}

/** The data that most variants were scored on, and of those the latest. */
export function commonData({ variants }: BenchResults): string | undefined {
  const counts = new Map<string, number>();
  for (const { accuracies } of variants) for (const { data } of accuracies) counts.set(data, (counts.get(data) ?? 0) + 1);
  return [...counts].reduce<[string, number] | undefined>((best, one) => (best && best[1] > one[1] ? best : one), undefined)?.[0];
}

/** Everything that was measured, fastest first; fronts are drawn for each number of threads by itself. */
export function candidatesOf(results: BenchResults, data = commonData(results)): Candidate[] {
  // A resized model that was installed since is the same network as its parent at that size.
  const installed = new Set(results.variants.filter(({ isOwnSize }) => isOwnSize).map(({ sha256 }) => sha256));
  const variants = results.variants.filter(({ isOwnSize, sha256 }) => isOwnSize || !installed.has(sha256));
  const all = variants.flatMap((variant) => candidatesOfVariant(variant, data));
  const onFront = new Set([...new Set(all.map(({ threads }) => threads))].flatMap((threads) => frontOf(all.filter((one) => one.threads === threads))));
  return all.map((candidate) => ({ ...candidate, isOnFront: onFront.has(candidate) })).sort((a, b) => a.threads - b.threads || a.latency.p50Ms - b.latency.p50Ms);
}

type Unranked = Omit<Candidate, 'isOnFront'>;

function candidatesOfVariant(variant: VariantResult, data: string | undefined): Unranked[] {
  const accuracy = variant.accuracies.find((one) => one.data === data);
  return variant.latencies.flatMap((latency) => {
    const percentiles = percentilesOf(samplesOf(latency));
    const measuredAt = latency.runs.map(({ startedAt }) => startedAt);
    return percentiles ? [{ variant, threads: latency.threads, latency: percentiles, accuracy: isScored(accuracy) ? accuracy : undefined, measuredAt }] : [];
  });
}

function isScored(accuracy: Accuracy | undefined): accuracy is ScoredAccuracy {
  return accuracy !== undefined && accuracy.map50 !== null;
}

function frontOf(candidates: readonly Unranked[]): Unranked[] {
  const scored = candidates.filter(({ accuracy }) => accuracy);
  const isFront = paretoFront(scored.map(({ latency, accuracy }) => ({ cost: latency.p50Ms, worth: accuracy!.map50 })));
  return scored.filter((_, i) => isFront[i]);
}

/** For people. */
export function candidateName({ variant: { model, width, height, isOwnSize } }: Pick<Candidate, 'variant'>): string {
  return isOwnSize ? model : `${model} at ${width}x${height}`;
}

/** Whether latencies of different times are among them: these weren't taken in turns. */
export function isMeasuredApart(candidates: readonly Candidate[]): boolean {
  return new Set(candidates.map(({ measuredAt }) => measuredAt.join())).size > 1;
}
