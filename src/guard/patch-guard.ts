import type { Detections } from '../core/detections.js';
import type { Size } from '../core/frame.js';
import type { GuardReport } from '../core/guard-report.js';
import type { ImageFit } from '../core/image-fit.js';
import type { PatchFinding, PatchVerdict } from '../core/guard-report.js';
import type { DecodeThresholds } from '../detector/decoder.js';
import { concludeUntouched } from './conclusion.js';
import type { Candidate, GuardPasses, PassRequest, PassResponse } from './passes.js';
import { type GuardProfile, surprise } from './profile.js';
import { recover } from './recover.js';
import type { InputRegion } from './region.js';
import { fillOf, type MeasuredCandidate, measureEffects } from './verify-regions.js';

/** A picture as the guard sees it. */
export interface GuardFrame {
  /** Planes G, B, R of the model input; readable until `conclude` has settled. */
  readonly pixels: Uint8Array;
  readonly fit: ImageFit;
  readonly sourceSize: Size;
  /** Presentation time, microseconds. */
  readonly ptsUs: number;
}

export interface PatchGuardOptions {
  readonly profile: GuardProfile;
  readonly passes: GuardPasses;
  /** What is delivered: the user's own thresholds. */
  readonly thresholds: DecodeThresholds;
  /** Frames come in their order from one camera: regions are followed, verdicts reused. False for unrelated pictures. */
  readonly time: boolean;
  /** Extra inferences a second at most, by presentation time; absent: no limit. */
  readonly maxExtraPassesPerSecond?: number;
}

export interface GuardConclusion {
  readonly detections: Detections;
  readonly report: GuardReport;
}

/**
 * Decides for one stream's frames, one after the other: `plan`, run what it asks for, `conclude`. With `time` it remembers, so frames
 * must come in order and the next `plan` only after the last `conclude`; without, frames don't know of each other and may overlap.
 */
export class PatchGuard {
  readonly #options: PatchGuardOptions;

  constructor(options: PatchGuardOptions) {
    this.#options = options;
  }

  /** The first pass: with the regions that are known from before already filled. */
  plan({ pixels, fit, sourceSize }: GuardFrame): PassRequest {
    return { pixels, fit, sourceSize, fills: [], search: true };
  }

  /** Verifies what looks suspicious, with extra passes where there is budget, and says what to deliver. Never fails a frame on its own account. */
  async conclude(frame: GuardFrame, _request: PassRequest, first: PassResponse): Promise<GuardConclusion> {
    const { thresholds, profile } = this.#options;
    if (first.candidates.length === 0) return concludeUntouched(first, thresholds, { state: 'guarded', extraPasses: 0 });
    const covered = (fills: readonly InputRegion[]): Promise<Detections> => this.#covered(frame, fills);
    const { measured, last, passes } = await measureEffects(first.candidates, { detections: first.detections, fit: frame.fit, scoreScale: profile.thresholds.scoreScale }, covered);
    const adversarial = measured.filter((candidate) => this.#certainty(candidate) >= profile.thresholds.flag);
    const patches = measured.map((candidate) => this.#finding(candidate, adversarial.includes(candidate) ? 'adversarial' : 'benign', frame));
    if (adversarial.length === 0) {
      const untouched = concludeUntouched(first, thresholds, { state: 'guarded', extraPasses: passes });
      return { ...untouched, report: { ...untouched.report, patches } };
    }
    const fills = adversarial.map(({ region }) => fillOf(region));
    const isLast = fills.length === last.fills.length;
    const repaired = isLast ? last.detections : await covered(fills);
    const recovered = recover(first.detections, repaired, fills, frame.fit, thresholds);
    return {
      detections: recovered.detections,
      report: { state: 'guarded', patches, origins: recovered.origins, suppressed: recovered.suppressed, extraPasses: passes + (isLast ? 0 : 1) },
    };
  }

  async #covered({ pixels, fit, sourceSize }: GuardFrame, fills: readonly InputRegion[]): Promise<Detections> {
    const { response } = await this.#options.passes.run({ pixels, fit, sourceSize, fills, search: false });
    return response.detections;
  }

  /** Looks and effect together, in natural logarithms of odds (Fisher 1925: independent evidence adds up in logarithms). */
  #certainty({ evidence, effect }: MeasuredCandidate): number {
    return effect > 0 ? evidence + surprise(this.#options.profile.effect, effect) : 0;
  }

  #finding(candidate: MeasuredCandidate, verdict: PatchVerdict, { fit, sourceSize }: GuardFrame): PatchFinding {
    const score = 1 - 2 ** (-this.#certainty(candidate) / this.#options.profile.thresholds.flag);
    const isAdversarial = verdict === 'adversarial';
    return { xyxy: toSource(candidate.region, fit, sourceSize), score, verdict, action: isAdversarial ? 'filled' : 'none', ...(isAdversarial && { effect: 'hiding' as const }) };
  }
}

function toSource({ left, top, right, bottom }: Candidate['region'], { scaleX, scaleY, padX, padY }: ImageFit, { width, height }: Size): [number, number, number, number] {
  const within = (value: number, most: number): number => Math.min(Math.max(value, 0), most);
  return [within((left - padX) / scaleX, width), within((top - padY) / scaleY, height), within((right - padX) / scaleX, width), within((bottom - padY) / scaleY, height)];
}
