import type { Detections } from './detections.js';

/** `suspicious` is a region that was not or could not be decided; only `adversarial` ones are acted on. */
export type PatchVerdict = 'adversarial' | 'suspicious' | 'benign';

/** What a patch does: it makes an object disappear, or one appear where nothing is. */
export type PatchEffect = 'hiding' | 'appearing';

/** A region of the picture that the guard looked at closely. */
export interface PatchFinding {
  /** Same patch over several frames, from 1; absent where the guard works on single pictures. */
  readonly trackId?: number;
  /** Left, top, right, bottom in pixels of the source picture. */
  readonly xyxy: readonly [number, number, number, number];
  /** 0 to 1, a half at the threshold: its looks and what covering it does, against what is usual on clean pictures. A followed patch keeps that of its confirmation. */
  readonly score: number;
  readonly verdict: PatchVerdict;
  /** `filled`: the delivered detections are those of the picture without what the region shows. */
  readonly action: 'filled' | 'none';
  readonly effect?: PatchEffect;
}

/** Of a delivered box: `recovered` was not found before the region was filled, or lies below one that is filled from the start. `suppressed` boxes are listed apart and not delivered. */
export type BoxOrigin = 'untouched' | 'recovered' | 'suppressed';

/** What the guard did with one frame. */
export interface GuardReport {
  /** `degraded`: did less than it would, for lack of budget. `unguarded`: the detections are those of the first pass, unchecked. */
  readonly state: 'guarded' | 'degraded' | 'unguarded';
  /** A short stable word for what isn't `guarded`: `budget`, or an error code. */
  readonly reason?: string;
  readonly patches: readonly PatchFinding[];
  /** One for each delivered detection, `untouched` or `recovered`. */
  readonly origins: readonly BoxOrigin[];
  /** Boxes that were found in the picture as it came and that the guard took out. */
  readonly suppressed: Detections;
  /** Inferences beside the one that every frame costs. */
  readonly extraPasses: number;
}
