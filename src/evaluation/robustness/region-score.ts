import type { FoundBox, PlacedPatch, RunOutcome } from './run-outcome.js';
import { areaOf, intersectionOf, iouOf } from './run-outcome.js';
import type { ObjectMatches } from './object-matches.js';
import { share } from './run-score.js';

/** A region that overlaps a patch by so much has hit it. */
export const HIT_IOU = 0.3;
/** So little still meets the patch: tells regions of a wrong size from those at a wrong place. */
export const TOUCH_IOU = 0.1;
/** A false box is a patch's doing where it covers this share of it. */
const OVER_PATCH = 0.5;

/** Shares are 0 to 1, null where there is nothing to be a share of. */
export interface RegionScore {
  readonly patches: number;
  /** Patches that did what they were made for, without a defence. */
  readonly harmfulPatches: number;
  /** Share of all patches that an adversarial region overlaps by `HIT_IOU`. */
  readonly hitRate: number | null;
  /** The same of those that did harm. */
  readonly hitRateHarmful: number | null;
  readonly regions: number;
  /** Share of the adversarial regions that overlap a patch by `HIT_IOU`. */
  readonly precision: number | null;
  /** The same by `TOUCH_IOU`. */
  readonly precisionTouching: number | null;
}

/**
 * Where the defence found patches against where they are. Only regions with the verdict `adversarial` count.
 *
 * @param harmful for each of the patches whether it did harm, as `harmfulPatches` says.
 */
export function scoreRegions(guarded: RunOutcome, patches: readonly PlacedPatch[], harmful: readonly boolean[]): RegionScore {
  const regions = new Map(guarded.map(({ imageId, guard }) => [imageId, (guard?.patches ?? []).filter(({ verdict }) => verdict === 'adversarial')]));
  const hit = patches.map(({ imageId, xyxy }) => regions.get(imageId)?.some((region) => iouOf(region.xyxy, xyxy) >= HIT_IOU) ?? false);
  const ofImage = groupByImage(patches);
  const overlaps = [...regions].flatMap(([imageId, found]) => found.map(({ xyxy }) => Math.max(0, ...(ofImage.get(imageId) ?? []).map((patch) => iouOf(xyxy, patch.xyxy)))));
  const harmfulHits = hit.filter((isHit, i) => isHit && harmful[i]).length;
  const harmfulCount = harmful.filter(Boolean).length;
  return {
    patches: patches.length,
    harmfulPatches: harmfulCount,
    hitRate: share(hit.filter(Boolean).length, patches.length),
    hitRateHarmful: share(harmfulHits, harmfulCount),
    regions: overlaps.length,
    precision: share(overlaps.filter((iou) => iou >= HIT_IOU).length, overlaps.length),
    precisionTouching: share(overlaps.filter((iou) => iou >= TOUCH_IOU).length, overlaps.length),
  };
}

/**
 * Which patches did harm in an undefended run. One that an object carries: the object is found without it and not with it. One in the
 * scene: there is a false box over it that isn't there without it.
 */
export function harmfulPatches(patches: readonly PlacedPatch[], clean: ObjectMatches, attacked: ObjectMatches): boolean[] {
  return patches.map((patch) => {
    if (patch.carrier !== undefined) return clean.found.has(patch.carrier) && !attacked.found.has(patch.carrier);
    return hasBoxOver(patch, attacked) && !hasBoxOver(patch, clean);
  });
}

function hasBoxOver({ imageId, xyxy }: PlacedPatch, { hallucinations }: ObjectMatches): boolean {
  const covers = (box: FoundBox): boolean => intersectionOf(box.xyxy, xyxy) >= OVER_PATCH * areaOf(xyxy);
  return hallucinations.get(imageId)?.some(covers) ?? false;
}

function groupByImage(patches: readonly PlacedPatch[]): Map<number, PlacedPatch[]> {
  const groups = new Map<number, PlacedPatch[]>();
  for (const patch of patches) {
    const group = groups.get(patch.imageId);
    if (group) group.push(patch);
    else groups.set(patch.imageId, [patch]);
  }
  return groups;
}
