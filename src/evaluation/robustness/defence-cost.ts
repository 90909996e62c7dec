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

/** What a defence adds to the time that a picture takes, milliseconds; percentiles with too few samples are null. May be below 0 by noise. */
export interface AddedLatency extends Pick<TimeSummary, 'n' | 'meanMs' | 'maxMs'> {
  readonly p50Ms: number;
  readonly p99Ms: number | null;
}

/** For every picture that both runs delivered: service time with the defence minus service time without it. */
export function addedServiceMs(off: RunOutcome, defended: RunOutcome): number[] {
  const without = new Map(off.map(({ imageId, serviceMs }) => [imageId, serviceMs]));
  return defended.flatMap(({ imageId, serviceMs }) => {
    const before = without.get(imageId);
    return before === undefined ? [] : [serviceMs - before];
  });
}

/** Null without samples. */
export function summariseLatency(addedMs: readonly number[]): AddedLatency | null {
  if (addedMs.length === 0) return null;
  const sorted = Float64Array.from(addedMs).sort();
  return {
    n: sorted.length,
    meanMs: sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length,
    maxMs: sorted.at(-1)!,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: sorted.length < SAMPLE_FLOORS.p99 ? null : percentile(sorted, 0.99),
  };
}
