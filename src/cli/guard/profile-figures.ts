import type { CleanCheck } from '../../guard/calibration/clean-check.js';
import { type GuardProfile, viewsOf } from '../../guard/profile.js';

/** Where the quantiles of a profile's distributions lie. */
export const QUANTILE_SHARES = [0.5, 0.9, 0.95, 0.99, 0.995, 0.999] as const;

/** How often ordinary pictures trouble the guard. */
export interface CheckFigures {
  readonly pictures: number;
  /** With a place that looks as if a patch could be there. */
  readonly with_candidates: number;
  /** With at least one extra inference. */
  readonly verified: number;
  /** With a region that was taken for a patch. */
  readonly flagged: number;
  readonly extra_passes_per_picture: number;
}

/** Shares of the pictures; zeros where there are none. */
export function checkFigures({ pictures }: CleanCheck): CheckFigures {
  const share = (count: number): number => (pictures.length === 0 ? 0 : count / pictures.length);
  return {
    pictures: pictures.length,
    with_candidates: share(pictures.filter(({ candidates }) => candidates.length > 0).length),
    verified: share(pictures.filter(({ extraPasses }) => extraPasses > 0).length),
    flagged: share(pictures.filter(({ flagged }) => flagged.length > 0).length),
    extra_passes_per_picture: share(pictures.reduce((sum, { extraPasses }) => sum + extraPasses, 0)),
  };
}

/** How the guard searches, and with which finder. */
export function searchText({ search, finder }: GuardProfile): string {
  return finder ? `${search}, finder ${finder.sha256.slice(0, 16)}...` : search;
}

/** For JSON output. */
export function profileJson(profile: GuardProfile): Record<string, unknown> {
  const { modelId, modelSha256, tap, calibratedOn, search, finder, thresholds, evidence } = profile;
  return { model: modelId, model_sha256: modelSha256, search, finder_sha256: finder?.sha256 ?? null, tap, calibrated_on: calibratedOn, triggers: Object.fromEntries(triggersOf(profile)), thresholds, evidence };
}

/** From which log odds on a region is looked at closely, by how it was found. */
function triggersOf({ search, region }: GuardProfile): (readonly [name: string, trigger: number])[] {
  return viewsOf(search).map((view) => [view, region[view]!.trigger]);
}

export const EVIDENCE_HEADER = ['evidence', 'mean', 'deviation', ...QUANTILE_SHARES.map((share) => `p${100 * share}`)];

/** A row for each kind of evidence. */
export function evidenceRows({ evidence }: GuardProfile): string[][] {
  return Object.entries(evidence).map(([name, { mean, deviation, quantiles }]) => [name, ...[mean, deviation, ...QUANTILE_SHARES.map((_, i) => quantiles[i])].map((value) => (value === undefined ? '-' : short(value)))]);
}

export function thresholdRows(profile: GuardProfile): string[][] {
  const triggers = triggersOf(profile).map(([view, trigger]): [string, number] => [`trigger, ${view}`, trigger]);
  return [...triggers, ...Object.entries<number>({ ...profile.thresholds })].map(([name, value]) => [name, short(value)]);
}

/** What the share of flagged pictures and its neighbours say, for people. */
export function checkRows({ with_candidates: candidates, verified, flagged, extra_passes_per_picture: passes }: CheckFigures): string[][] {
  return [
    ['pictures that look suspicious somewhere', percent(candidates)],
    ['pictures that cost extra inferences', percent(verified)],
    ['pictures with a false alarm', percent(flagged)],
    ['extra inferences a picture', passes.toFixed(3)],
  ];
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Four digits are more than any of them is good for. */
function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
