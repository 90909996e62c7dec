import type { Detections } from '../../core/detections.js';
import type { ImageFit } from '../../core/image-fit.js';
import type { ModelInput } from '../../core/manifest.js';
import type { OutputTensor } from '../../detector/output-tensor.js';
import type { Candidate } from '../passes.js';
import { EVIDENCE_VIEWS, type EvidenceView, type GuardProfile } from '../profile.js';
import type { InputRegion } from '../region.js';
import { CellMapper } from './cell-maps.js';
import { IntegralImage } from './integral-image.js';
import { logOdds } from './logistic.js';
import { climb, EdgeReader, type CellRegion } from './refine-region.js';
import { regionFeatures, type RegionView } from './region-features.js';
import { inputBox, liesOnObject, PATCH_SHARE, shareOfSmaller } from './region-geometry.js';
import { type FoundWindow, WindowSearch } from './window-search.js';

/** What one pass gives to the search. Everything is only borrowed. */
export interface SearchInput {
  /** Planes G, B, R of the model input, as the network saw them. */
  readonly pixels: Uint8Array;
  /** The shallow features: float32 [1, channels, height, width]. */
  readonly tap: OutputTensor;
  /** Down to the guard's low threshold, in pixels of the source picture. */
  readonly detections: Detections;
  readonly fit: ImageFit;
}

/** A region with all that is known of its looks. */
export interface ExaminedRegion {
  readonly region: InputRegion;
  readonly view: EvidenceView;
  readonly features: readonly number[];
}

/** Windows looked at closely: the strongest of the picture, and the strongest on objects that were nearly or weakly found. */
const STRONGEST_WINDOWS = 6;
const WINDOWS_ON_OBJECTS = 6;
/** Objects found with nearly full confidence have nothing to gain. In units of the score scale. */
const NOTHING_TO_GAIN = 0.97;
/** How much less evidence is enough for those that come along with another. */
const COMPANIONS_BELOW = 2;
/** Regions that are passed on for verification, at most. */
const MAX_CANDIDATES = 10;
/** Refined regions that share more of the smaller one are about one patch. */
const SAME_SHARE = 0.4;
/** A patch lies well inside of its object. */
const OBJECT_MARGIN = 0.1;

/** Looks for candidates; owns its working memory: one a thread. */
export class PatchSearch {
  readonly #profile: GuardProfile;
  readonly #mapper: CellMapper;
  readonly #evidence: Readonly<Record<EvidenceView, IntegralImage>>;
  readonly #windows: Readonly<Record<EvidenceView, WindowSearch>>;
  readonly #view: RegionView;
  readonly #edges: EdgeReader;
  readonly #box = new Float64Array(4);

  constructor(profile: GuardProfile, { width, height }: Pick<ModelInput, 'width' | 'height'>) {
    this.#profile = profile;
    this.#mapper = new CellMapper(profile.tap, profile.cells, { width, height });
    const { tap, windows } = profile;
    const integral = (): IntegralImage => new IntegralImage(tap.width, tap.height);
    const search = (view: EvidenceView): WindowSearch => new WindowSearch({ sizes: windows.sizes, scale: windows.scale[view] }, tap.width, tap.height);
    this.#evidence = { colour: integral(), grey: integral() };
    this.#windows = { colour: search('colour'), grey: search('grey') };
    this.#edges = new EdgeReader({ width, height });
    this.#view = { stride: tap.stride, windows, evidence: this.#evidence, maps: this.#mapper.maps, edges: this.#edges, inputWidth: width };
  }

  /**
   * Regions worth a second pass, most suspicious first. One that is over the trigger takes less suspicious ones along (evidence under 0):
   * where there turns out to be one patch, there may be more.
   *
   * @param least evidence of the first; over the trigger where absent
   */
  find(input: SearchInput, least = 0): Candidate[] {
    const candidates = this.examine(input)
      .map(({ region, view, features }) => ({ region: wholePixels(region), evidence: logOdds(this.#profile.region[view], features) - this.#profile.region[view].trigger }))
      .sort((a, b) => b.evidence - a.evidence);
    const isWorthIt = candidates.length > 0 && candidates[0]!.evidence > least;
    return isWorthIt ? distinct(candidates.filter(({ evidence }) => evidence > least - COMPANIONS_BELOW)).slice(0, MAX_CANDIDATES) : [];
  }

  /** All regions that were looked at closely, whether suspicious or not: what calibration learns from. */
  examine(input: SearchInput): ExaminedRegion[] {
    const maps = this.#mapper.update(input.pixels, input.tap.data);
    this.#edges.use(input.pixels);
    return EVIDENCE_VIEWS.flatMap((view) => {
      this.#evidence[view].update(maps.evidence[view]);
      this.#windows[view].update(this.#evidence[view]);
      const strongest = this.#windows[view].strongest(STRONGEST_WINDOWS);
      const onObjects = this.#onObjects(input, view).filter(({ cells }) => !strongest.some((window) => isEqual(window.cells, cells)));
      return [...strongest, ...onObjects].map((window) => this.#examineWindow(window, view, input)).filter((examined) => examined !== undefined);
    });
  }

  /** The best window on each object that was found with less than full confidence. */
  #onObjects({ detections, fit }: SearchInput, view: EvidenceView): FoundWindow[] {
    const { stride } = this.#profile.tap;
    const windows: FoundWindow[] = [];
    for (let i = 0; i < detections.count && windows.length < WINDOWS_ON_OBJECTS; i += 1) {
      if (detections.confidence[i]! > NOTHING_TO_GAIN * this.#profile.thresholds.scoreScale) continue;
      inputBox(detections, i, fit, this.#box);
      const [left, top, right, bottom] = [this.#box[0]!, this.#box[1]!, this.#box[2]!, this.#box[3]!];
      const marginX = OBJECT_MARGIN * (right - left);
      const marginY = OBJECT_MARGIN * (bottom - top);
      const area = (right - left) * (bottom - top);
      const window = this.#windows[view].strongestWhere((l, t, size) => {
        const side = size * stride;
        if (side * side < PATCH_SHARE.least * area || side * side > PATCH_SHARE.most * area) return false;
        const x = l * stride + side / 2;
        const y = t * stride + side / 2;
        return x > left + marginX && x < right - marginX && y > top + marginY && y < bottom - marginY;
      });
      if (window) windows.push(window);
    }
    return windows;
  }

  /** Undefined where there is nothing to gain: the region lies on an object that was found with full confidence, or is the whole picture. */
  #examineWindow({ cells }: FoundWindow, view: EvidenceView, { detections, fit }: SearchInput): ExaminedRegion | undefined {
    const { stride } = this.#profile.tap;
    const climbed = climb(this.#evidence[view], cells);
    const region = this.#edges.snap(inPixels(climbed, stride));
    const confidence = this.#confidenceBelow(region, detections, fit);
    if (confidence > NOTHING_TO_GAIN) return undefined;
    return { region, view, features: regionFeatures(region, view, { confidence }, this.#view) };
  }

  #confidenceBelow(region: InputRegion, detections: Detections, fit: ImageFit): number {
    // Most confident first.
    for (let i = 0; i < detections.count; i += 1) {
      inputBox(detections, i, fit, this.#box);
      if (liesOnObject(region, this.#box)) return detections.confidence[i]! / this.#profile.thresholds.scoreScale;
    }
    return 0;
  }
}

function inPixels([left, top, right, bottom]: CellRegion, stride: number): InputRegion {
  return { left: left * stride, top: top * stride, right: right * stride, bottom: bottom * stride };
}

function isEqual(a: CellRegion, b: CellRegion): boolean {
  return a.every((side, i) => side === b[i]);
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
