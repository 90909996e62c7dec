import { precisionRecall, type Ranking } from '../average-precision.js';
import { percentile, type BootstrapOptions, type Interval } from '../bootstrap.js';
import { seededIntegers } from '../random.js';

/** An attack that costs less than this does no harm that a defence could take back: a share of it would be noise. */
export const LEAST_DROP = 0.01;

export interface RecoveredShare {
  /** `(guarded - attacked) / (clean - attacked)` of AP50: 1 is all of the drop, below 0 the defence does harm. */
  readonly share: number;
  /** Of the share: percentiles over pictures drawn anew, the same for the three runs. */
  readonly interval: Interval;
}

type Rankings = readonly (readonly Ranking[])[];

/**
 * How much of what an attack took a defence gives back, with a paired bootstrap interval: all three runs are scored on the same pictures,
 * drawn with replacement. Draws whose drop is under `LEAST_DROP` say nothing and are left out.
 *
 * The interval is that of percentiles: a ratio's errors are skewed, and mirroring them (as for differences) would point the wrong way.
 *
 * @param clean rankings per category, the first of each at IoU 0.5; `attacked` and `guarded` those of the other runs over the same pictures.
 * @returns null where the drop is under `LEAST_DROP`.
 */
export function recoveredShare(clean: Rankings, attacked: Rankings, guarded: Rankings, imageCount: number, options: BootstrapOptions = {}): RecoveredShare | null {
  const { resamples = 1000, seed = 1, level = 0.95 } = options;
  const runs = [clean, attacked, guarded];
  const envelope = new Float64Array(Math.max(0, ...runs.flat(2).map(({ count }) => count)));
  const shareOf = (copies: Int32Array | undefined) => ratio(runs.map((rankings) => meanAp50(rankings, copies, envelope)));
  const share = shareOf(undefined);
  if (share === undefined) return null;
  const below = seededIntegers(seed);
  const copies = new Int32Array(imageCount);
  const drawn: number[] = [];
  for (let i = 0; i < resamples; i += 1) {
    copies.fill(0);
    for (let draw = 0; draw < imageCount; draw += 1) copies[below(imageCount)]! += 1;
    const one = shareOf(copies);
    if (one !== undefined) drawn.push(one);
  }
  const sorted = Float64Array.from(drawn).sort();
  const interval = drawn.length === 0 ? { low: share, high: share } : { low: percentile(sorted, (1 - level) / 2), high: percentile(sorted, (1 + level) / 2) };
  return { share, interval };
}

function ratio([clean, attacked, guarded]: readonly (number | undefined)[]): number | undefined {
  if (clean === undefined || attacked === undefined || guarded === undefined || clean - attacked < LEAST_DROP) return undefined;
  return (guarded - attacked) / (clean - attacked);
}

function meanAp50(rankings: Rankings, copies: Int32Array | undefined, envelope: Float64Array): number | undefined {
  const scored = rankings.map(([ranking]) => precisionRecall(ranking!, copies, envelope)?.averagePrecision).filter((ap) => ap !== undefined);
  return scored.length === 0 ? undefined : scored.reduce((sum, ap) => sum + ap, 0) / scored.length;
}
