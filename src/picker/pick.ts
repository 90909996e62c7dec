import { AppError } from '../core/errors.js';
import type { Candidate } from './candidates.js';
import { dominates } from './pareto.js';
import type { Percentiles } from './percentiles.js';

/** What a latency is judged by. */
export type Statistic = 'p50' | 'p95' | 'p99';

export interface PickOptions {
  /** Of one inference, milliseconds. */
  readonly budgetMs: number;
  /** Only these; any number of threads where absent. */
  readonly threads?: number | undefined;
  /** 0 to 1. */
  readonly minMap50?: number | undefined;
  /** The strictest that every candidate has enough samples for, where absent. */
  readonly statistic?: Statistic | undefined;
  /** Share of the budget that stays free; 0, or 0.2 where the median judges. */
  readonly margin?: number | undefined;
}

export interface RunnerUp {
  readonly candidate: Candidate;
  readonly why: string;
}

export interface Pick {
  readonly choice: Candidate;
  readonly statistic: Statistic;
  readonly margin: number;
  /** Of the choice, by the statistic. */
  readonly latencyMs: number;
  /** Milliseconds that the choice had to stay under: the budget less the margin. */
  readonly limitMs: number;
  readonly runnersUp: readonly RunnerUp[];
}

/** The median says nothing about the slow ones. */
const MEDIAN_MARGIN = 0.2;
const RUNNERS_UP = 3;

/**
 * The most accurate candidate that fits the budget: of equally accurate ones the fastest.
 *
 * @throws AppError ERR_USAGE where nothing fits; its fix names what would.
 */
export function pick(candidates: readonly Candidate[], options: PickOptions): Pick {
  const allowed = candidates.filter(({ threads, accuracy }) => accuracy && (options.threads === undefined || threads === options.threads));
  if (allowed.length === 0) throw new AppError('ERR_USAGE', nothingMeasured(options), { fix: 'Measure it: lynceus models bench --data <dataset>.' });
  const statistic = options.statistic ?? strictest(allowed);
  const margin = options.margin ?? (statistic === 'p50' ? MEDIAN_MARGIN : 0);
  const limitMs = options.budgetMs * (1 - margin);
  const latencyMs = (candidate: Candidate): number => latencyBy(candidate.latency, statistic);
  const good = allowed.filter(({ accuracy }) => accuracy!.map50 >= (options.minMap50 ?? 0));
  const fitting = good.filter((candidate) => latencyMs(candidate) <= limitMs).sort((a, b) => b.accuracy!.map50 - a.accuracy!.map50 || latencyMs(a) - latencyMs(b));
  const [choice] = fitting;
  if (!choice) throw nothingFits(allowed, good, { ...options, limitMs, latencyMs, statistic });
  return { choice, statistic, margin, latencyMs: latencyMs(choice), limitMs, runnersUp: runnersUp(choice, good, fitting, limitMs, statistic) };
}

/** Infinity where there are too few samples. */
export function latencyBy({ p50Ms, p95Ms, p99Ms }: Percentiles, statistic: Statistic): number {
  const values = { p50: p50Ms, p95: p95Ms, p99: p99Ms };
  return values[statistic] ?? Number.POSITIVE_INFINITY;
}

function strictest(candidates: readonly Candidate[]): Statistic {
  return (['p99', 'p95'] as const).find((statistic) => candidates.every(({ latency }) => Number.isFinite(latencyBy(latency, statistic)))) ?? 'p50';
}

function nothingMeasured({ threads }: PickOptions): string {
  return threads === undefined ? 'No model has both a latency and an accuracy here' : `No model has both a latency with ${threads} threads and an accuracy here`;
}

/** What came next, and what stood just out of reach. */
function runnersUp(choice: Candidate, good: readonly Candidate[], fitting: readonly Candidate[], limitMs: number, statistic: Statistic): RunnerUp[] {
  const better = good
    .filter((candidate) => candidate.accuracy!.map50 > choice.accuracy!.map50)
    .sort((a, b) => latencyBy(a.latency, statistic) - latencyBy(b.latency, statistic))
    .map((candidate) => ({ candidate, why: `over the budget: ${statistic} ${shown(latencyBy(candidate.latency, statistic))} of ${shown(limitMs)}` }));
  const worse = fitting.slice(1, RUNNERS_UP).map((candidate) => ({ candidate, why: whyWorse(choice, candidate, statistic) }));
  return [...better.slice(0, 1), ...worse];
}

function whyWorse(choice: Candidate, candidate: Candidate, statistic: Statistic): string {
  const point = (one: Candidate) => ({ cost: latencyBy(one.latency, statistic), worth: one.accuracy!.map50 });
  const points = (choice.accuracy!.map50 - candidate.accuracy!.map50) * 100;
  const less = points < 0.05 ? 'as accurate' : `${points.toFixed(1)} points less accurate`;
  if (dominates(point(choice), point(candidate))) return `${less} and no faster`;
  const { map50Interval } = candidate.accuracy!;
  const isUnsure = map50Interval !== null && map50Interval.high >= choice.accuracy!.map50;
  return `${less}${isUnsure ? ', which these pictures can hardly tell' : ''}, ${(point(choice).cost / point(candidate).cost).toFixed(1)} times as fast`;
}

interface Judged extends PickOptions {
  readonly limitMs: number;
  readonly statistic: Statistic;
  readonly latencyMs: (candidate: Candidate) => number;
}

function nothingFits(allowed: readonly Candidate[], good: readonly Candidate[], { limitMs, minMap50, statistic, latencyMs }: Judged): AppError {
  if (good.length === 0) {
    const best = Math.max(...allowed.map(({ accuracy }) => accuracy!.map50));
    return new AppError('ERR_USAGE', `No model reaches an mAP50 of ${(minMap50! * 100).toFixed(1)} %; the best here has ${(best * 100).toFixed(1)} %`, { fix: 'Ask for less with --min-map50, or add a better model.' });
  }
  const fastest = good.reduce((best, one) => (latencyMs(one) < latencyMs(best) ? one : best));
  return new AppError('ERR_USAGE', `No model fits: ${fastest.variant.model} at ${fastest.variant.width}x${fastest.variant.height} is the fastest with a ${statistic} of ${shown(latencyMs(fastest))}, the limit is ${shown(limitMs)}`, {
    fix: 'Raise --budget, lower --min-map50, or measure smaller sizes: lynceus models bench --sizes.',
  });
}

function shown(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}
