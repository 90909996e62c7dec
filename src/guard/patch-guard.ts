import type { Detections } from '../core/detections.js';
import type { Size } from '../core/frame.js';
import type { GuardReport, PatchEffect, PatchFinding } from '../core/guard-report.js';
import type { ImageFit } from '../core/image-fit.js';
import { concludeUntouched } from './conclusion.js';
import { vanishedWith } from './effect.js';
import type { Candidate, DeliveryThresholds, GuardPasses, PassRequest, PassResponse } from './passes.js';
import type { GuardProfile } from './profile.js';
import { recover } from './recover.js';
import type { InputRegion } from './region.js';
import { intersectionOf, regionIou } from './search/region-geometry.js';
import { confidentOnes } from './select-detections.js';
import { GuardMemory, type KnownPatch } from './time/guard-memory.js';
import type { PassBudget } from './time/pass-budget.js';
import { actionOf, acts, certainty, type CoveredPass, fillOf, type MeasuredCandidate, measureEffects, NO_ACTION, type Scene } from './verify-regions.js';

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
  readonly thresholds: DeliveryThresholds;
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
  readonly #memory: GuardMemory | undefined;

  constructor(options: PatchGuardOptions) {
    this.#options = options;
    const { width, height, stride } = options.profile.tap;
    if (options.time) this.#memory = new GuardMemory({ width: width * stride, height: height * stride }, options.maxExtraPassesPerSecond);
  }

  /** The first pass: with the regions that are known from before already filled. */
  plan({ pixels, fit, sourceSize, ptsUs }: GuardFrame): PassRequest {
    if (!this.#memory) return { pixels, fit, sourceSize, fills: [], search: true };
    return { pixels, fit, sourceSize, fills: [], follow: this.#memory.begin(ptsUs), search: this.#memory.isSearchDue(ptsUs) };
  }

  /** Verifies what looks suspicious, with extra passes where there is budget, and says what to deliver. Never fails a frame on its own account. */
  async conclude(frame: GuardFrame, _request: PassRequest, first: PassResponse): Promise<GuardConclusion> {
    const memory = this.#memory;
    memory?.see(first.followed, frame.ptsUs);
    const passes = new FramePasses(this.#options.passes, frame, memory?.budget);
    if (memory) await this.#verifyAgain(memory, first, frame, passes);
    const candidates = memory ? first.candidates.filter((candidate) => memory.isNew(candidate)) : first.candidates;
    const verified = await this.#verify(candidates, first, frame, passes);
    for (const candidate of verified.benign) memory?.acquit(candidate);
    const tracked = new Map(verified.adversarial.map((candidate) => [candidate, memory?.confirm(candidate, { score: this.#score(candidate), effect: this.#effectOf(candidate) ?? 'hiding' }, frame.ptsUs)?.track.id]));
    const patches = [...this.#knownFindings(frame), ...verified.measured.map((candidate) => this.#finding(candidate, verified, tracked.get(candidate), frame))];
    const filled = first.followed.flatMap(({ fill }) => fill ?? []);
    const state = passes.isOverBudget ? { state: 'degraded' as const, reason: 'budget' } : { state: 'guarded' as const };
    if (verified.adversarial.length === 0 && filled.length === 0) {
      const untouched = concludeUntouched(first, this.#options.thresholds, { ...state, extraPasses: passes.count });
      return { ...untouched, report: { ...untouched.report, patches } };
    }
    const recovered = recover(first.detections, verified.repaired ?? first.detections, verified.adversarial.map(({ region }) => fillOf(region)), filled, frame.fit, this.#options.thresholds);
    return {
      detections: recovered.detections,
      report: { ...state, patches, origins: recovered.origins, suppressed: recovered.suppressed, extraPasses: passes.count },
    };
  }

  /** One pass without the fills of those that are due: does the object below still go away? */
  async #verifyAgain(memory: GuardMemory, first: PassResponse, { fit }: GuardFrame, passes: FramePasses): Promise<void> {
    const due = memory.due();
    // New regions come first: what is known is filled in any case.
    if (due.length === 0 || !passes.isThereRoomFor(first.candidates.some((candidate) => memory.isNew(candidate)) ? VERIFICATION_PASSES + 1 : 1, false)) return;
    const others = first.followed.filter(({ id }) => !due.some(({ track }) => track.id === id)).flatMap(({ fill }) => fill ?? []);
    const bare = await passes.run(others);
    for (const known of due) {
      memory.verified(known.track.id, this.#stillActs(known, memory.regionOf(known), bare, first.detections, fit) ? 'adversarial' : 'benign');
    }
  }

  /** Verifies some candidates. @param odds logarithm of those that there is a patch at all, beyond what looks say; @param known filled in any case */
  async #round(candidates: readonly Candidate[], odds: number, scene: Scene, known: readonly InputRegion[], passes: FramePasses): Promise<Verified> {
    const all = new Map<readonly InputRegion[], Detections>();
    const covered: CoveredPass = async (fills) => {
      const detections = await passes.run([...known, ...fills]);
      all.set(fills, detections);
      return confidentOnes(detections);
    };
    const { measured, last } = await measureEffects(candidates, scene, covered);
    const adversarial = measured.filter((candidate) => this.#effectOf(candidate, odds) !== undefined);
    const benign = measured.filter((candidate) => !adversarial.includes(candidate));
    if (adversarial.length === 0) return { measured, adversarial, benign };
    const fills = adversarial.map(({ region }) => fillOf(region));
    const repaired = areSame(fills, last.fills) ? all.get(last.fills) : undefined;
    return { measured, adversarial, benign, repaired: repaired ?? (await passes.run([...known, ...fills])) };
  }

  #stillActs({ effect }: KnownPatch, region: InputRegion, bare: Detections, filled: Detections, fit: ImageFit): boolean {
    const { scoreScale } = this.#options.profile.thresholds;
    const [shown, covered] = [confidentOnes(bare), confidentOnes(filled)];
    if (effect === 'appearing' && vanishedWith(region, shown, covered, fit, scoreScale) >= LEAST_VANISHED) return true;
    return acts(actionOf(region, { detections: shown, fit, scoreScale }, covered));
  }

  async #verify(candidates: readonly Candidate[], first: PassResponse, { fit }: GuardFrame, passes: FramePasses): Promise<Verified> {
    const unverified = (suspicious: readonly Candidate[]): Verified => ({ measured: suspicious.map((candidate) => ({ ...candidate, action: NO_ACTION, vanished: 0 })), adversarial: [], benign: [] });
    if (candidates.length === 0) return unverified([]);
    // Half a verification is worth nothing.
    if (!passes.isThereRoomFor(VERIFICATION_PASSES)) return unverified(candidates);
    const known = first.followed.flatMap(({ fill }) => fill ?? []);
    const scene = { detections: confidentOnes(first.detections), fit, scoreScale: this.#options.profile.thresholds.scoreScale };
    try {
      const suspects = candidates.filter(({ evidence }) => evidence > 0);
      // Those that came along with one that is known to be harmless have nobody to be companions of.
      if (suspects.length === 0 && known.length === 0) return unverified([]);
      const round = await this.#round(suspects.length > 0 ? suspects : candidates, 0, scene, known, passes);
      const companions = candidates.filter((candidate) => candidate.evidence <= 0 && !round.adversarial.some(({ region }) => intersectionOf(region, candidate.region) > 0));
      if (!round.repaired || companions.length === 0) return round;
      const next = await this.#round(companions, COMPANION_ODDS, { ...scene, detections: confidentOnes(round.repaired) }, [...known, ...round.adversarial.map(({ region }) => fillOf(region))], passes);
      return { measured: [...round.measured, ...next.measured], adversarial: [...round.adversarial, ...next.adversarial], benign: [...round.benign, ...next.benign], repaired: next.repaired ?? round.repaired };
    } catch (error) {
      if (error instanceof OutOfBudget) return unverified(candidates);
      throw error;
    }
  }

  /** What a candidate does, where it is adversarial. */
  #effectOf(candidate: MeasuredCandidate, odds = 0): PatchEffect | undefined {
    const { flag, appearing } = this.#options.profile.thresholds;
    if (acts(candidate.action) && certainty(this.#options.profile, candidate) + odds >= flag) return candidate.action.hiding > 0 ? 'hiding' : 'appearing';
    return candidate.vanished >= LEAST_VANISHED && candidate.evidence >= appearing ? 'appearing' : undefined;
  }

  /** 0 to 1, half at the threshold. */
  #score(candidate: MeasuredCandidate): number {
    const { flag, appearing } = this.#options.profile.thresholds;
    const hiding = certainty(this.#options.profile, candidate) / flag;
    const painted = candidate.vanished >= LEAST_VANISHED ? Math.max(0, candidate.evidence) / appearing : 0;
    return 1 - 2 ** -Math.max(hiding, painted);
  }

  /** Regions that were known before this frame and are filled in it. */
  #knownFindings({ fit, sourceSize }: GuardFrame): PatchFinding[] {
    const memory = this.#memory;
    if (!memory) return [];
    return memory.known
      // Those confirmed in this very frame were not filled from the start.
      .filter(({ fill }) => fill)
      .map((known) => ({ trackId: known.track.id, xyxy: toSource(memory.regionOf(known), fit, sourceSize), score: known.score, verdict: 'adversarial', action: 'filled', effect: known.effect }));
  }

  #finding(candidate: MeasuredCandidate, { adversarial, benign }: Verified, trackId: number | undefined, { fit, sourceSize }: GuardFrame): PatchFinding {
    const xyxy = toSource(candidate.region, fit, sourceSize);
    const score = this.#score(candidate);
    if (adversarial.includes(candidate)) return { ...(trackId !== undefined && { trackId }), xyxy, score, verdict: 'adversarial', action: 'filled', effect: this.#effectOf(candidate) ?? 'hiding' };
    return { xyxy, score, verdict: benign.includes(candidate) ? 'benign' : 'suspicious', action: 'none' };
  }
}

/** What a verification may need before it says anything. */
const VERIFICATION_PASSES = 3;
/** Where one patch was found, others are more likely: natural logarithm of how much. */
const COMPANION_ODDS = 2;
/** A false object that was less confident than this would hardly have been delivered. In units of the score scale. */
const LEAST_VANISHED = 0.25;

/** What the verification of a frame's candidates has come to. */
interface Verified {
  readonly measured: readonly MeasuredCandidate[];
  readonly adversarial: readonly MeasuredCandidate[];
  readonly benign: readonly MeasuredCandidate[];
  /** Detections with the adversarial ones filled, where there are some. */
  readonly repaired?: Detections;
}

class OutOfBudget extends Error {}

/** The extra passes of one frame, as far as the budget goes. */
class FramePasses {
  count = 0;
  isOverBudget = false;
  readonly #passes: GuardPasses;
  readonly #frame: GuardFrame;
  readonly #budget: PassBudget | undefined;

  constructor(passes: GuardPasses, frame: GuardFrame, budget: PassBudget | undefined) {
    this.#passes = passes;
    this.#frame = frame;
    this.#budget = budget;
  }

  /** @throws OutOfBudget, or as `GuardPasses.run` */
  async run(fills: readonly InputRegion[]): Promise<Detections> {
    if (this.#budget && !this.#budget.take(1)) {
      this.isOverBudget = true;
      throw new OutOfBudget();
    }
    this.count += 1;
    const { pixels, fit, sourceSize } = this.#frame;
    const { response } = await this.#passes.run({ pixels, fit, sourceSize, fills, search: false });
    return response.detections;
  }

  /** @param isNoted where there is none: the guard does less than it would */
  isThereRoomFor(passes: number, isNoted = true): boolean {
    const isRoom = !this.#budget || this.#budget.available >= passes;
    if (!isRoom && isNoted) this.isOverBudget = true;
    return isRoom;
  }
}

/** Whether both name the same regions, in any order. */
function areSame(a: readonly InputRegion[], b: readonly InputRegion[]): boolean {
  return a.length === b.length && a.every((region) => b.some((other) => regionIou(region, other) === 1));
}

function toSource({ left, top, right, bottom }: Candidate['region'], { scaleX, scaleY, padX, padY }: ImageFit, { width, height }: Size): [number, number, number, number] {
  const within = (value: number, most: number): number => Math.min(Math.max(value, 0), most);
  return [within((left - padX) / scaleX, width), within((top - padY) / scaleY, height), within((right - padX) / scaleX, width), within((bottom - padY) / scaleY, height)];
}
