import type { PatchEffect } from '../../core/guard-report.js';
import type { Size } from '../../core/size.js';
import type { Candidate, FollowedPatch, FollowRequest } from '../passes.js';
import type { InputRegion } from '../region.js';
import { PassBudget } from './pass-budget.js';
import { boxToRegion, regionBoxIou, regionToBox } from './region-box.js';
import { type RegionTemplate, updateTemplate } from './region-template.js';
import { advanceTrack, isVerificationDue, predictBox, type RegionTrack, startTrack, verifyTrack } from './region-track.js';
import { VerdictMemory } from './verdict-memory.js';

/** A region that is followed, as the guard needs it. */
export interface KnownPatch {
  readonly track: RegionTrack;
  readonly template: RegionTemplate;
  /** Of the verification that confirmed it, 0 to 1. */
  readonly score: number;
  readonly effect: PatchEffect;
  /** What was filled for it in this frame. */
  readonly fill?: InputRegion;
}

/** Frames between two verifications of a region in which all is well. */
const VERIFY_EVERY_FRAMES = 20;
/** A verification of one is a verification of all that have waited for so many frames: they share a pass. */
const VERIFY_WITH_OTHERS_FRAMES = 8;
/** A patch may have no effect in one frame and one in the next: the more something looks like one, the sooner it is verified again. */
const DOUBT_PER_EVIDENCE = 4;
/** What had an effect once may have it again. */
const REFUTED_DOUBT = 5;
/** A little less than a tenth of a second, so that ten frames a second are all looked at. */
const SEARCH_EVERY_US = 95_000;
/** Saved up in quiet times: a verification of several regions, and a repetition. */
const BURST_PASSES = 6;
/** A candidate that overlaps a known region by more is about the same patch. */
const SAME_IOU = 0.1;

/** What the guard knows of one camera from the frames before: confirmed regions, benign ones, and the passes that may be spent. */
export class GuardMemory {
  readonly budget: PassBudget;
  readonly #benign = new VerdictMemory();
  readonly #size: Size;
  #known: KnownPatch[] = [];
  #nextId = 1;
  #searchedUs: number | undefined;

  /** @param size of the model input */
  constructor(size: Size, maxExtraPassesPerSecond?: number) {
    this.#size = size;
    this.budget = new PassBudget(maxExtraPassesPerSecond === undefined ? {} : { maxExtraPassesPerSecond, burst: Math.max(BURST_PASSES, maxExtraPassesPerSecond) });
  }

  /** At the start of each frame: what to find again in it. */
  begin(ptsUs: number): FollowRequest[] {
    this.budget.advance(ptsUs);
    this.#benign.advance(ptsUs);
    return this.#known.map(({ track, template }) => ({ id: track.id, expected: predictBox(track, ptsUs), template, isTrusted: track.phase === 'confirmed' && track.missedFrames === 0 }));
  }

  /** Whether new regions should be looked for in this frame: ten times a second is soon enough, and patches don't come and go faster. */
  isSearchDue(ptsUs: number): boolean {
    const isDue = this.#searchedUs === undefined || ptsUs < this.#searchedUs || ptsUs - this.#searchedUs >= SEARCH_EVERY_US;
    if (isDue) this.#searchedUs = ptsUs;
    return isDue;
  }

  /** Takes in what was found again. Regions that have ended are forgotten. */
  see(followed: readonly FollowedPatch[], ptsUs: number): void {
    this.#known = this.#known.flatMap((known) => {
      const sighting = followed.find(({ id }) => id === known.track.id);
      if (!sighting) return [known];
      const track = advanceTrack(known.track, { ptsUs, box: sighting.box, similarity: sighting.similarity }, this.#size);
      if (track.phase === 'ended') return [];
      const { score, effect } = known;
      return [{ track, template: updateTemplate(known.template, sighting.seen, sighting.similarity), score, effect, ...(sighting.fill && { fill: sighting.fill }) }];
    });
  }

  /** Regions that are followed. */
  get known(): readonly KnownPatch[] {
    return this.#known;
  }

  /** Those that are filled and should be verified again in this frame; none where none has to be. */
  due(): readonly KnownPatch[] {
    const filled = this.#known.filter(({ fill }) => fill !== undefined);
    if (!filled.some(({ track }) => isVerificationDue(track, VERIFY_EVERY_FRAMES))) return [];
    return filled.filter(({ track }) => isVerificationDue(track, VERIFY_WITH_OTHERS_FRAMES));
  }

  /** Notes what a verification said of a followed region. */
  verified(id: number, verdict: 'adversarial' | 'benign' | 'undecided'): void {
    this.#known = this.#known.flatMap((known) => {
      if (known.track.id !== id) return [known];
      const track = verifyTrack(known.track, verdict);
      if (track.phase !== 'ended') return [{ ...known, track }];
      // Or it would be taken for new in the next frame.
      this.#benign.remember(track.box, known.template, REFUTED_DOUBT);
      return [];
    });
  }

  /** Whether nothing is known of the region yet, so that it is worth a verification. */
  isNew({ region, template }: Candidate): boolean {
    const box = regionToBox(region);
    if (this.#known.some(({ track }) => regionBoxIou(track.box, box) > SAME_IOU)) return false;
    return !template || !this.#benign.knowsBenign(box, template);
  }

  /** From now on the region is followed and filled. */
  confirm({ region, template }: Candidate, finding: Pick<KnownPatch, 'score' | 'effect'>, ptsUs: number): KnownPatch | undefined {
    if (!template) return undefined;
    const box = regionToBox(region);
    this.#benign.forget(box);
    const confirmed = { track: startTrack(this.#nextId, box, ptsUs), template, ...finding };
    this.#nextId += 1;
    this.#known.push(confirmed);
    return confirmed;
  }

  /** A verification found nothing wrong with it. */
  acquit({ region, template, evidence }: Candidate): void {
    if (template) this.#benign.remember(regionToBox(region), template, 1 + DOUBT_PER_EVIDENCE * Math.max(0, evidence));
  }

  /** Where a followed region is, whole pixels of the model input. */
  regionOf({ track }: KnownPatch): InputRegion {
    return boxToRegion(track.box, this.#size);
  }
}
