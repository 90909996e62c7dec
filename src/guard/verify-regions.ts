import type { Detections } from '../core/detections.js';
import type { ImageFit } from '../core/image-fit.js';
import { effectOf, madeUpBy, netEffect, vanishedWith } from './effect.js';
import type { Candidate } from './passes.js';
import { type GuardProfile, surprise } from './profile.js';
import type { InputRegion } from './region.js';

/** A smaller net effect is none, in units of the score scale. */
const LEAST_EFFECT = 0.05;
/** An object that comes back or goes away has at least this confidence, in units of the score scale: more where looks say little. */
const LEAST_CONFIDENCE = { looksLikeOne: 0.25, doubtful: 0.45 } as const;
/** The fill reaches a little beyond what was found: a rim of the patch would be smeared over all of it. */
const FILL_MARGIN = 0.04;

/** What a region does to the detector, as covering it tells; in units of the score scale, 0 where it is nothing worth the name. */
export interface RegionAction {
  /** Net confidence that the object below gains when the region is covered. */
  readonly hiding: number;
  /** Confidence of a false object beside it that goes away. */
  readonly makingUp: number;
}

export const NO_ACTION: RegionAction = { hiding: 0, makingUp: 0 };

/** A candidate and what covering it does. */
export interface MeasuredCandidate extends Candidate {
  readonly action: RegionAction;
  /** Confidence of the object that goes away with it, in units of the score scale: see `vanishedWith`. */
  readonly vanished: number;
}

/** Regions with less evidence than this are doubtful and have to stand a control. */
const DOUBTFUL_BELOW = 2;
/** What covering a patch does is so many times what covering the place below it does. */
const LEAST_CONTROL_RATIO = 1.5;

/** Runs the detector with regions covered. */
export type CoveredPass = (fills: readonly InputRegion[]) => Promise<Detections>;

/** What the first pass found, and how to read it. */
export interface Scene {
  readonly detections: Detections;
  readonly fit: ImageFit;
  /** Confidence that counts as 1. */
  readonly scoreScale: number;
}

export interface MeasuredCandidates {
  readonly measured: readonly MeasuredCandidate[];
  /** The last pass that was run, and which regions were covered in it. */
  readonly last: { readonly detections: Detections; readonly fills: readonly InputRegion[] };
  readonly passes: number;
}

/**
 * What covering each candidate does to the objects that it lies on. All are covered at once; those with an effect once more without
 * the others, whose covering may have had a part in it; and where looks say little, the place below is covered as a control: an object that
 * comes back whatever is covered was not hidden by a patch. One pass to three.
 */
export async function measureEffects(candidates: readonly Candidate[], scene: Scene, pass: CoveredPass): Promise<MeasuredCandidates> {
  const all = candidates.map(({ region }) => fillOf(region));
  const together = { detections: await pass(all), fills: all };
  const rough = measure(candidates, scene, together.detections);
  const kept = rough.filter(({ action }) => acts(action));
  if (kept.length === 0) return { measured: rough, last: together, passes: 1 };
  const isAll = kept.length === candidates.length;
  const fills = kept.map(({ region }) => fillOf(region));
  const last = isAll ? together : { detections: await pass(fills), fills };
  const fine = isAll ? rough : measure(kept, scene, last.detections);
  const doubtful = fine.filter((candidate) => acts(candidate.action) && candidate.evidence < DOUBTFUL_BELOW);
  const failed = doubtful.length > 0 ? await failControl(doubtful, scene, pass) : [];
  const passes = 1 + (isAll ? 0 : 1) + (doubtful.length > 0 ? 1 : 0);
  const measured = [...fine, ...rough.filter((candidate) => !kept.includes(candidate))];
  return { measured: measured.map((candidate) => (failed.includes(candidate) ? { ...candidate, action: NO_ACTION } : candidate)), last, passes };
}

/** Those of whose action covering the place below does nearly as much. */
async function failControl(doubtful: readonly MeasuredCandidate[], scene: Scene, pass: CoveredPass): Promise<MeasuredCandidate[]> {
  const control = await pass(doubtful.map(({ region }) => fillOf(below(region))));
  return doubtful.filter(({ region, action }) => {
    const ofPlaceBelow = actionOf(region, scene, control);
    return action.hiding <= LEAST_CONTROL_RATIO * ofPlaceBelow.hiding && action.makingUp <= LEAST_CONTROL_RATIO * ofPlaceBelow.makingUp;
  });
}

function below({ left, top, right, bottom }: InputRegion): InputRegion {
  return { left, top: bottom, right, bottom: 2 * bottom - top };
}

/** Whether a region does anything. */
export function acts({ hiding, makingUp }: RegionAction): boolean {
  return hiding > 0 || makingUp > 0;
}

function measure(candidates: readonly Candidate[], { detections, fit, scoreScale }: Scene, covered: Detections): MeasuredCandidate[] {
  return candidates.map((candidate) => {
    const { region, evidence } = candidate;
    const vanished = vanishedWith(region, detections, covered, fit, scoreScale);
    const least = evidence < DOUBTFUL_BELOW ? LEAST_CONFIDENCE.doubtful : LEAST_CONFIDENCE.looksLikeOne;
    return { ...candidate, vanished, action: actionOf(region, { detections, fit, scoreScale }, covered, least) };
  });
}

/**
 * What a region does to the objects below and beside it.
 *
 * @param covered the pass in which it was covered.
 * @param least confidence that such an object has where it is found, in units of the score scale.
 */
export function actionOf(region: InputRegion, { detections, fit, scoreScale }: Scene, covered: Detections, least = 0): RegionAction {
  const found = effectOf(region, detections, covered, fit, scoreScale);
  const net = netEffect(found);
  const madeUp = madeUpBy(region, detections, covered, fit, scoreScale);
  return { hiding: net > LEAST_EFFECT && found.after > least ? net : 0, makingUp: madeUp > LEAST_EFFECT && madeUp > least ? madeUp : 0 };
}

/**
 * Looks and action together, in natural logarithms of odds (Fisher 1925: independent evidence adds up in logarithms); of two actions the more surprising
 * one, since one patch may have both. 0 where there is none.
 */
export function certainty({ effect }: Pick<GuardProfile, 'effect'>, { evidence, action }: Pick<MeasuredCandidate, 'evidence' | 'action'>): number {
  if (!acts(action)) return 0;
  return evidence + Math.max(surprise(effect.hiding, action.hiding), surprise(effect.makingUp, action.makingUp));
}

/** The region with a rim around it. */
export function fillOf({ left, top, right, bottom }: InputRegion): InputRegion {
  const x = Math.max(1, Math.round(FILL_MARGIN * (right - left)));
  const y = Math.max(1, Math.round(FILL_MARGIN * (bottom - top)));
  return { left: left - x, top: top - y, right: right + x, bottom: bottom + y };
}
