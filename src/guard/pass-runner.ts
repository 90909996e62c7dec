import { assert } from '../core/assert.js';
import { monotonicMs } from '../core/clock.js';
import { toAppError } from '../core/errors.js';
import type { Size } from '../core/size.js';
import type { ModelManifest } from '../core/manifest.js';
import type { DecodeThresholds } from '../detector/decoder.js';
import type { DetectorSession } from '../detector/detector-session.js';
import { findOutput, type ModelOutputs } from '../detector/output-tensor.js';
import { fillRegions } from './fill.js';
import { type DeliveryThresholds, type FollowedPatch, type FollowRequest, type PassRequest, type PassResponse, passThresholds } from './passes.js';
import { type GuardProfile, type SearchKind, type ShallowTap, usesEvidence, usesFinder } from './profile.js';
import type { PatchFinder } from './search/patch-finder.js';
import { PatchSearch, type SearchInput } from './search/patch-search.js';
import { confidentOnes } from './select-detections.js';
import { smoothLocalGradients } from './smoothing.js';
import { followRegion } from './time/follow-region.js';
import { boxToRegion, regionToBox } from './time/region-box.js';
import { describeRegion } from './time/region-template.js';
import { fillOf } from './verify-regions.js';

export interface PassRunnerOptions {
  readonly manifest: ModelManifest;
  readonly tap: ShallowTap;
  readonly profile: GuardProfile;
  /** What is delivered in the end; passes go down to the guard's own low threshold. */
  readonly thresholds: DeliveryThresholds;
}

/** Runs passes in this thread, on a session of the tapped model: one after the other. */
export class PassRunner {
  readonly #detector: DetectorSession;
  readonly #tap: ShallowTap;
  readonly #thresholds: DecodeThresholds;
  readonly #size: ModelManifest['input'];
  readonly #kind: SearchKind;
  readonly #search: PatchSearch;
  readonly #finder: PatchFinder | undefined;

  /** @param finder where the profile's search wants it. */
  constructor(detector: DetectorSession, { manifest, tap, profile, thresholds }: PassRunnerOptions, finder?: PatchFinder) {
    assert(finder || !usesFinder(profile.search), `a search by ${profile.search} has a finder`);
    this.#detector = detector;
    this.#tap = tap;
    this.#thresholds = passThresholds(thresholds);
    this.#size = manifest.input;
    this.#kind = profile.search;
    this.#search = new PatchSearch(profile, manifest.input);
    this.#finder = usesFinder(profile.search) ? finder : undefined;
  }

  /** @throws AppError `ERR_INFERENCE_FAILED`, `ERR_MODEL_OUTPUT_SHAPE` */
  async run({ pixels, fit, sourceSize, fills, follow, search, smooth = false }: PassRequest): Promise<PassResponse> {
    const { session, decoder } = this.#detector;
    const startedMs = monotonicMs();
    const followed = (follow ?? []).map((request) => findAgain(pixels, this.#size, request));
    const known = followed.flatMap(({ fill }) => fill ?? []);
    let filledMs = startedMs;
    let seen = pixels;
    const outputs = await session.run(pixels, (input) => {
      fillRegions(input, this.#size, [...fills, ...known]);
      if (smooth) smoothLocalGradients(input, this.#size);
      filledMs = monotonicMs();
      seen = input;
    });
    const inferredMs = monotonicMs();
    decoder.scan(outputs, this.#thresholds);
    const decodedMs = monotonicMs();
    const detections = decoder.select(this.#thresholds, fit, sourceSize);
    const suppressedMs = monotonicMs();
    const found = search ? await this.#findCandidates(outputs, { pixels: seen, detections: confidentOnes(detections), fit }) : { candidates: [] };
    const candidates = follow ? found.candidates.map((candidate) => ({ ...candidate, template: describeRegion(pixels, this.#size, regionToBox(candidate.region)) })) : found.candidates;
    return { detections, ...found, candidates, followed, startedMs, filledMs, inferredMs, decodedMs, suppressedMs, endedMs: monotonicMs() };
  }

  /** What was detected is worth delivering also where the search fails. */
  async #findCandidates(outputs: ModelOutputs, input: Omit<SearchInput, 'tap' | 'finder'>): Promise<Pick<PassResponse, 'candidates' | 'searchFailure' | 'finderEndedMs'>> {
    const { output, channels, height, width } = this.#tap;
    try {
      const tap = usesEvidence(this.#kind) ? findOutput(outputs, output, [1, channels, height, width], 'the shallow features that the guard looks at') : undefined;
      const finder = await this.#finder?.find(input.pixels);
      const finderEndedMs = monotonicMs();
      return { candidates: this.#search.find({ ...input, tap, finder }), ...(finder && { finderEndedMs }) };
    } catch (error) {
      const { code, message } = toAppError(error);
      return { candidates: [], searchFailure: { code, message } };
    }
  }
}

/** Less alike, it is somewhere else or behind something. */
const FILLED_ABOVE = 0.4;

function findAgain(pixels: Uint8Array, size: Size, { id, expected, template, isTrusted }: FollowRequest): FollowedPatch {
  const { box, similarity, seen } = followRegion(pixels, size, template, expected);
  const isRecognised = similarity >= FILLED_ABOVE;
  const fill = isRecognised || isTrusted ? fillOf(boxToRegion(isRecognised ? box : expected, size)) : undefined;
  return { id, box, similarity, seen, ...(fill && { fill }) };
}
