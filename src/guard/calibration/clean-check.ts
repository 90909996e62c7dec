import type { FrameFormat } from '../../core/frame.js';
import type { PatchFinding } from '../../core/guard-report.js';
import type { FittedPicture, PictureSet } from '../../core/picture-set.js';
import type { DecodeThresholds } from '../../detector/decoder.js';
import type { Candidate, GuardPasses } from '../passes.js';
import { PatchGuard } from '../patch-guard.js';
import type { GuardProfile } from '../profile.js';

/** What the guard does with one ordinary picture. */
export interface CheckedPicture {
  /** Place in the set, from 0. */
  readonly index: number;
  readonly imageId: number;
  /** Of the most suspicious candidate; undefined where there is none. */
  readonly strongestEvidence: number | undefined;
  readonly candidates: readonly Candidate[];
  /** Regions that were taken for patches: false alarms, if the picture is as clean as it should be. */
  readonly flagged: readonly PatchFinding[];
  readonly extraPasses: number;
}

/** What a profile makes of the pictures that it was learnt from. */
export interface CleanCheck {
  readonly pictures: readonly CheckedPicture[];
  /** The most suspicious ones to look at, flagged ones first. */
  readonly suspicious: readonly { readonly checked: CheckedPicture; readonly picture: FittedPicture }[];
}

export interface CleanCheckOptions {
  readonly profile: GuardProfile;
  readonly passes: GuardPasses;
  /** What would be delivered. */
  readonly thresholds: DecodeThresholds;
  readonly pictures: PictureSet;
  readonly format: FrameFormat;
  /** How many pictures are kept to look at. */
  readonly shown: number;
  /** Called after each picture with the number of those done. */
  readonly onPicture?: (done: number) => void;
}

/**
 * Runs the guard over ordinary pictures, each for itself: how many it looks at, and how many it would find a patch in. These are the
 * pictures that it learnt from, so expect a little more of others.
 *
 * @throws AppError of a pass or of the pictures
 */
export async function checkOnClean({ profile, passes, thresholds, pictures, format, shown, onPicture = () => undefined }: CleanCheckOptions): Promise<CleanCheck> {
  const guard = new PatchGuard({ profile, passes, thresholds, time: false });
  const all: CheckedPicture[] = [];
  let suspicious: CleanCheck['suspicious'] = [];
  for await (const picture of pictures.read(format)) {
    const checked = await checkPicture(guard, passes, picture, all.length);
    all.push(checked);
    if (checked.candidates.length > 0 || checked.flagged.length > 0) suspicious = [...suspicious, { checked, picture }].sort(bySuspicion).slice(0, shown);
    onPicture(all.length);
  }
  return { pictures: all, suspicious };
}

async function checkPicture(guard: PatchGuard, passes: GuardPasses, { imageId, pixels, fit, sourceSize }: FittedPicture, index: number): Promise<CheckedPicture> {
  const frame = { pixels, fit, sourceSize, ptsUs: 0 };
  const request = guard.plan(frame);
  const { response } = await passes.run(request);
  const { report } = await guard.conclude(frame, request, response);
  return {
    index,
    imageId,
    strongestEvidence: response.candidates.length > 0 ? Math.max(...response.candidates.map(({ evidence }) => evidence)) : undefined,
    candidates: response.candidates,
    flagged: report.patches.filter(({ verdict }) => verdict === 'adversarial'),
    extraPasses: report.extraPasses,
  };
}

function bySuspicion({ checked: a }: CleanCheck['suspicious'][number], { checked: b }: CleanCheck['suspicious'][number]): number {
  const least = Number.NEGATIVE_INFINITY;
  return b.flagged.length - a.flagged.length || (b.strongestEvidence ?? least) - (a.strongestEvidence ?? least) || a.index - b.index;
}
