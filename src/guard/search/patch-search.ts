import { assert } from '../../core/assert.js';
import type { Detections } from '../../core/detections.js';
import type { ImageFit } from '../../core/image-fit.js';
import type { ModelInput } from '../../core/manifest.js';
import type { OutputTensor } from '../../detector/output-tensor.js';
import type { Candidate } from '../passes.js';
import { type EvidenceView, type GuardProfile, type SearchView, usesEvidence, viewsOf } from '../profile.js';
import type { InputRegion } from '../region.js';
import { EvidenceSearch } from './evidence-search.js';
import { decodeFinder, type FinderMap } from './finder-map.js';
import { logOdds } from './logistic.js';
import { EdgeReader } from './refine-region.js';
import { regionFeatures } from './region-features.js';
import { inputBox, liesOnObject, regionIou, SAME_PLACE_IOU, shareOfSmaller } from './region-geometry.js';

/** What one pass gives to the search. Everything is only borrowed. */
export interface SearchInput {
  /** Planes G, B, R of the model input, as the network saw them. */
  readonly pixels: Uint8Array;
  /** The shallow features: float32 [1, channels, height, width]. For a search by evidence. */
  readonly tap?: OutputTensor | undefined;
  /** What the patch finder says of these pixels. For a search with it. */
  readonly finder?: FinderMap | undefined;
  /** Down to the guard's low threshold, in pixels of the source picture. */
  readonly detections: Detections;
  readonly fit: ImageFit;
}

/** A region with all that is known of its looks. */
export interface ExaminedRegion {
  readonly region: InputRegion;
  readonly view: SearchView;
  readonly features: readonly number[];
}

/** A region and the object that it lies on. */
interface PlacedRegion {
  readonly region: InputRegion;
  /** Of the most confident object that a patch of this size would lie on, in units of the score scale; 0 where there is none. */
  readonly confidence: number;
}

/** Objects found with nearly full confidence have nothing to gain. In units of the score scale. */
const NOTHING_TO_GAIN = 0.97;
/** How much less evidence is enough for those that come along with another. */
const COMPANIONS_BELOW = 2;
/** Regions that are passed on for verification, at most. */
const MAX_CANDIDATES = 10;
/**
 * How clear the sides of the finder's regions have to be as lines, 0 to 1, to be moved to these. What is pasted in upright ends in straight lines
 * and is told to the pixel then; the rectangle around what is turned ends nowhere, and lines would lead into it.
 */
const CLEAR_SIDES = 0.75;
/** Refined regions that share more of the smaller one are about one patch. */
const SAME_SHARE = 0.4;

/** Looks for candidates; owns its working memory: one a thread. */
export class PatchSearch {
  readonly #profile: GuardProfile;
  readonly #size: Pick<ModelInput, 'width' | 'height'>;
  readonly #evidence: EvidenceSearch | undefined;
  readonly #edges: EdgeReader;
  readonly #box = new Float64Array(4);

  constructor(profile: GuardProfile, { width, height }: Pick<ModelInput, 'width' | 'height'>) {
    this.#profile = profile;
    this.#size = { width, height };
    this.#evidence = usesEvidence(profile.search) ? new EvidenceSearch(profile, { width, height }) : undefined;
    this.#edges = new EdgeReader({ width, height });
  }

  /**
   * Regions worth a second pass, most suspicious first. One that is over the trigger takes less suspicious ones along (evidence under 0):
   * where there turns out to be one patch, there may be more.
   *
   * @param least evidence of the first; over the trigger where absent
   */
  find(input: SearchInput, least = 0): Candidate[] {
    const candidates = this.examine(input)
      .map(({ region, view, features }) => ({ region: wholePixels(region), evidence: this.#evidenceOf(view, features) }))
      .sort((a, b) => b.evidence - a.evidence);
    const isWorthIt = candidates.length > 0 && candidates[0]!.evidence > least;
    return isWorthIt ? distinct(candidates.filter(({ evidence }) => evidence > least - COMPANIONS_BELOW)).slice(0, MAX_CANDIDATES) : [];
  }

  /** All regions that were looked at closely, whether suspicious or not: what calibration learns from. */
  examine(input: SearchInput): ExaminedRegion[] {
    const { pixels, tap, finder } = input;
    this.#edges.use(pixels);
    if (this.#evidence) {
      assert(tap, 'a search by evidence gets shallow features');
      this.#evidence.look(pixels, tap);
    }
    const view = { edges: this.#edges, inputWidth: this.#size.width, evidence: this.#evidence?.evidence, finder };
    return viewsOf(this.#profile.search).flatMap((judgedIn) =>
      (judgedIn === 'finder' ? this.#findRegions(input) : this.#windowRegions(judgedIn, input)).map(({ region, confidence }) => ({ region, view: judgedIn, features: regionFeatures(region, judgedIn, { confidence }, view) })),
    );
  }

  /** Over the trigger. */
  #evidenceOf(view: SearchView, features: readonly number[]): number {
    const model = this.#profile.region[view];
    assert(model, 'a search has a model of regions for each of its views');
    return logOdds(model, features) - model.trigger;
  }

  #windowRegions(view: EvidenceView, { detections, fit }: SearchInput): PlacedRegion[] {
    if (!this.#evidence) return [];
    return this.#evidence
      .regions(view, detections, fit, NOTHING_TO_GAIN * this.#profile.thresholds.scoreScale)
      .map((region) => this.#place(this.#edges.snap(region), detections, fit))
      .filter(({ confidence }) => confidence <= NOTHING_TO_GAIN);
  }

  /** What the finder shows. On an object that is found for sure, it only counts where it may be what makes the detector see one. */
  #findRegions({ finder, detections, fit }: SearchInput): PlacedRegion[] {
    assert(finder, 'a search with the finder gets what it says');
    return decodeFinder(finder, this.#size)
      .map(({ region }) => this.#place(this.#snapWhereClear(region), detections, fit))
      .filter(({ region, confidence }) => confidence <= NOTHING_TO_GAIN || this.#mayShowObject(region, detections, fit));
  }

  #snapWhereClear(region: InputRegion): InputRegion {
    const snapped = this.#edges.snap(region);
    return this.#edges.sides(snapped).mean >= CLEAR_SIDES ? snapped : region;
  }

  /** With the object below. */
  #place(region: InputRegion, detections: Detections, fit: ImageFit): PlacedRegion {
    // Most confident first.
    for (let i = 0; i < detections.count; i += 1) {
      inputBox(detections, i, fit, this.#box);
      if (liesOnObject(region, this.#box)) return { region, confidence: detections.confidence[i]! / this.#profile.thresholds.scoreScale };
    }
    return { region, confidence: 0 };
  }

  #mayShowObject(region: InputRegion, detections: Detections, fit: ImageFit): boolean {
    for (let i = 0; i < detections.count; i += 1) {
      inputBox(detections, i, fit, this.#box);
      if (regionIou(region, { left: this.#box[0]!, top: this.#box[1]!, right: this.#box[2]!, bottom: this.#box[3]! }) >= SAME_PLACE_IOU) return true;
    }
    return false;
  }
}

function wholePixels({ left, top, right, bottom }: InputRegion): InputRegion {
  return { left: Math.round(left), top: Math.round(top), right: Math.round(right), bottom: Math.round(bottom) };
}

/** @param candidates most suspicious first */
function distinct(candidates: readonly Candidate[]): Candidate[] {
  const kept: Candidate[] = [];
  for (const candidate of candidates) if (!kept.some(({ region }) => shareOfSmaller(region, candidate.region) > SAME_SHARE)) kept.push(candidate);
  return kept;
}
