import { SeededRandom } from '../core/seeded-random.js';
import { SAMPLE_FLOORS } from '../timing/time-distribution.js';

/** A figure and where it would lie with other frames of the same kind. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Of one configuration's times, milliseconds (`cv`: a ratio). Percentiles with too few samples are undefined. */
export interface Description {
  readonly n: number;
  readonly mean: Estimate;
  readonly deviation: Estimate;
  readonly cv: Estimate;
  readonly min: number;
  readonly max: number;
  readonly range: number;
  readonly p50: Estimate;
  readonly p95: Estimate | undefined;
  readonly p99: Estimate | undefined;
  readonly p999: Estimate | undefined;
}

export interface DescribeOptions {
  /** Default 300. */
  readonly resamples?: number;
  readonly seed?: number;
  /** Share of the resamples inside of an interval, default 0.95. */
  readonly level?: number;
}

type Figure = 'mean' | 'deviation' | 'cv' | 'p50' | 'p95' | 'p99' | 'p999';

/**
 * Describes times, with confidence intervals by the circular block bootstrap (Politis and Romano 1992): neighbouring frames are alike, so
 * stretches of them are drawn and not single ones. Stretches have length n^(1/3) of a run, or as long as neighbours are alike
 * (the first lag at which the autocorrelation falls below 2 / sqrt n), whichever is more, and never cross from one run into another.
 *
 * @param runs times in the order of their frames, run by run; at least one time in all.
 */
export function describe(runs: readonly (readonly number[])[], { resamples = 300, seed = 1, level = 0.95 }: DescribeOptions = {}): Description {
  const filled = runs.filter((run) => run.length > 0);
  const all = filled.flat();
  const figures = figuresOf(all);
  const blocks = filled.map(blockLength);
  const random = new SeededRandom(seed, 4);
  const drawn: Record<Figure, number>[] = [];
  const sample = new Float64Array(all.length);
  for (let i = 0; i < resamples; i += 1) {
    resample(filled, blocks, random, sample);
    drawn.push(figuresOf(sample));
  }
  const estimate = (figure: Figure): Estimate => {
    const sorted = Float64Array.from(drawn, (one) => one[figure]).sort();
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(share * (sorted.length - 1))))] ?? figures[figure];
    return { value: figures[figure], low: at((1 - level) / 2), high: at((1 + level) / 2) };
  };
  const tail = (figure: 'p95' | 'p99' | 'p999') => (all.length < SAMPLE_FLOORS[figure] ? undefined : estimate(figure));
  const [min, max] = [Math.min(...all), Math.max(...all)];
  return { n: all.length, mean: estimate('mean'), deviation: estimate('deviation'), cv: estimate('cv'), min, max, range: max - min, p50: estimate('p50'), p95: tail('p95'), p99: tail('p99'), p999: tail('p999') };
}

/** Nearest rank. @param sorted at least one value */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

function figuresOf(values: ArrayLike<number>): Record<Figure, number> {
  const sorted = Float64Array.from(values).sort();
  const n = sorted.length;
  let sum = 0;
  for (const value of sorted) sum += value;
  const mean = sum / n;
  let squares = 0;
  for (const value of sorted) squares += (value - mean) ** 2;
  const deviation = n < 2 ? 0 : Math.sqrt(squares / (n - 1));
  const at = (share: number) => percentile(sorted, share);
  return { mean, deviation, cv: mean === 0 ? 0 : deviation / mean, p50: at(0.5), p95: at(0.95), p99: at(0.99), p999: at(0.999) };
}

/** How many neighbouring times are drawn together, 1 to half of the run. */
export function blockLength(values: readonly number[]): number {
  const n = values.length;
  const usual = Math.ceil(Math.cbrt(n));
  const most = Math.max(1, Math.floor(n / 2));
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const centred = values.map((value) => value - mean);
  const power = centred.reduce((sum, value) => sum + value * value, 0);
  if (power === 0) return Math.min(usual, most);
  const bound = 2 / Math.sqrt(n);
  let lag = 1;
  for (; lag < most; lag += 1) {
    let product = 0;
    for (let i = lag; i < n; i += 1) product += centred[i]! * centred[i - lag]!;
    if (product / power < bound) break;
  }
  return Math.min(Math.max(usual, lag), most);
}

function resample(runs: readonly (readonly number[])[], blocks: readonly number[], random: SeededRandom, into: Float64Array): void {
  let at = 0;
  runs.forEach((run, i) => {
    const end = at + run.length;
    while (at < end) {
      const from = random.integer(run.length);
      for (let offset = 0; offset < blocks[i]! && at < end; offset += 1) into[at++] = run[(from + offset) % run.length]!;
    }
  });
}
