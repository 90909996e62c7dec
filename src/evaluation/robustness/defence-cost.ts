import type { TimeSummary } from '../../core/stream-view.js';
import { SAMPLE_FLOORS } from '../../timing/time-distribution.js';
import { percentile } from '../bootstrap.js';
import type { PictureOutcome, RunOutcome } from './run-outcome.js';
import { share } from './run-score.js';

/** What a defence did over one run. */
export interface DefenceWork {
  /** Share of the pictures with an adversarial region, 0 to 1; null where no picture came. */
  readonly flagged: number | null;
  /** Inferences beside the one that every picture costs, mean per picture. */
  readonly extraPasses: number | null;
  /** Pictures by what the defence says of itself: `guarded`, or a state with its reason (`degraded:budget`). */
  readonly states: Readonly<Record<string, number>>;
}

export function defenceWork(run: RunOutcome): DefenceWork {
  const states: Record<string, number> = {};
  for (const { guard } of run) {
    if (!guard) continue;
    const state = guard.reason === undefined ? guard.state : `${guard.state}:${guard.reason}`;
    states[state] = (states[state] ?? 0) + 1;
  }
  const passes = run.reduce((sum, { guard }) => sum + (guard?.extraPasses ?? 0), 0);
  return { flagged: share(run.filter(isFlagged).length, run.length), extraPasses: share(passes, run.length), states };
}

function isFlagged({ guard }: PictureOutcome): boolean {
  return guard?.patches.some(({ verdict }) => verdict === 'adversarial') ?? false;
}

/** Milliseconds; percentiles with too few samples are null. */
export interface LatencySummary extends Pick<TimeSummary, 'n' | 'meanMs' | 'maxMs'> {
  readonly p50Ms: number;
  readonly p99Ms: number | null;
}

/** What a defence adds to the time of a picture. */
export interface AddedLatency {
  /** The defence's own work: exact also on a busy machine. */
  readonly own: LatencySummary;
  /** The whole picture's time minus that without the defence: holds what the defence slows down besides, and the noise of two runs. */
  readonly paired: LatencySummary;
}

/** One picture that was run with and without a defence. */
export interface LatencySample {
  readonly ownMs: number;
  readonly pairedMs: number;
}

/** Of every picture that both runs delivered. */
export function latencySamples(off: RunOutcome, defended: RunOutcome): LatencySample[] {
  const without = new Map(off.map(({ imageId, serviceMs }) => [imageId, serviceMs]));
  return defended.flatMap(({ imageId, serviceMs, defenceMs }) => {
    const before = without.get(imageId);
    return before === undefined ? [] : [{ ownMs: defenceMs, pairedMs: serviceMs - before }];
  });
}

/** Null without samples. */
export function addedLatency(samples: readonly LatencySample[]): AddedLatency | null {
  if (samples.length === 0) return null;
  return { own: summarise(samples.map(({ ownMs }) => ownMs)), paired: summarise(samples.map(({ pairedMs }) => pairedMs)) };
}

function summarise(samplesMs: readonly number[]): LatencySummary {
  const sorted = Float64Array.from(samplesMs).sort();
  return {
    n: sorted.length,
    meanMs: sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length,
    maxMs: sorted.at(-1)!,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: sorted.length < SAMPLE_FLOORS.p99 ? null : percentile(sorted, 0.99),
  };
}
