import type { Detections } from '../../src/core/detections.js';
import { SeededRandom } from '../../src/core/seeded-random.js';
import { type GuardConclusion, PatchGuard, type PatchGuardOptions } from '../../src/guard/patch-guard.js';
import type { Candidate, FollowedPatch, FollowRequest, GuardPasses, PassRequest, PassResponse } from '../../src/guard/passes.js';
import type { InputRegion } from '../../src/guard/region.js';
import { areaOf, intersectionOf } from '../../src/guard/search/region-geometry.js';
import { boxToRegion, regionToBox } from '../../src/guard/time/region-box.js';
import { describeRegion } from '../../src/guard/time/region-template.js';
import { fillOf } from '../../src/guard/verify-regions.js';
import { UNSCALED } from './found.js';
import { ordinaryProfile } from './ordinary-profile.js';

const TAP = { output: 'tap', stride: 4, channels: 2, width: 120, height: 80 };
/** Of the model input. */
export const SIZE = { width: TAP.width * TAP.stride, height: TAP.height * TAP.stride };
/** Its thresholds: 4 for looks and surprise together, 5 for looks alone, scores in units of 0.9. */
export const PROFILE = ordinaryProfile({ id: 'net', sha256: '0123456789abcdef'.repeat(4) }, TAP);
export const THRESHOLDS = { confidenceThreshold: 0.25, iouThreshold: 0.45, maxDetections: 100 };

const random = new SeededRandom(9);
const PIXELS = Uint8Array.from({ length: 3 * SIZE.width * SIZE.height }, () => random.integer(256));

/** What there is to see at one moment. */
export interface Moment {
  /** What the detector finds with these regions covered. */
  readonly detect: (fills: readonly InputRegion[]) => Detections;
  /** What looks suspicious while it isn't covered. */
  readonly candidates?: readonly Candidate[];
  /** Where a followed region is found again, and how well; where it is expected, without doubt, if it isn't said. */
  readonly follow?: (request: FollowRequest) => Pick<FollowedPatch, 'box' | 'similarity'>;
  /** Makes every pass fail that isn't a first one. */
  readonly failure?: Error;
}

/** Whether one of the fills covers the region. */
export function covers(fills: readonly InputRegion[], region: InputRegion): boolean {
  return fills.some((fill) => intersectionOf(fill, region) >= 0.9 * areaOf(region));
}

export function candidate(region: InputRegion, evidence: number): Candidate {
  return { region, evidence };
}

/** A detector and a search that say what the script says: effects of patches can't be provoked from real ones at will. */
class ScriptedPasses implements GuardPasses {
  moment: Moment = { detect: () => ({ count: 0, xyxy: new Float32Array(0), confidence: new Float32Array(0), classId: new Int32Array(0), boxesBeforeNms: 0 }) };
  readonly requests: PassRequest[] = [];

  run(request: PassRequest): Promise<{ readonly response: PassResponse; readonly worker: string }> {
    const { detect, candidates = [], failure } = this.moment;
    this.requests.push(request);
    const isExtra = !request.search && request.follow === undefined;
    if (failure && isExtra) return Promise.reject(failure);
    const followed = (request.follow ?? []).map((known) => this.#findAgain(known));
    const fills = [...request.fills, ...followed.flatMap(({ fill }) => fill ?? [])];
    const seen = request.search ? candidates.filter(({ region }) => !covers(fills, region)) : [];
    const response = { detections: detect(fills), candidates: request.follow ? seen.map(withTemplate) : seen, followed, startedMs: 0, filledMs: 0, inferredMs: 0, decodedMs: 0, suppressedMs: 0, endedMs: 0 };
    return Promise.resolve({ response, worker: 'scripted' });
  }

  #findAgain(request: FollowRequest): FollowedPatch {
    const { id, expected, template, isTrusted } = request;
    const { box, similarity } = this.moment.follow?.(request) ?? { box: expected, similarity: 0.95 };
    const isFound = similarity > 0.5;
    return { id, box, similarity, seen: template, ...((isFound || isTrusted) && { fill: fillOf(boxToRegion(isFound ? box : expected, SIZE)) }) };
  }
}

function withTemplate(found: Candidate): Candidate {
  return { ...found, template: describeRegion(PIXELS, SIZE, regionToBox(found.region)) };
}

/** A guard and what it sees. */
export class GuardStory {
  readonly #passes = new ScriptedPasses();
  readonly #guard: PatchGuard;

  constructor(options: Partial<Omit<PatchGuardOptions, 'passes'>> = {}) {
    this.#guard = new PatchGuard({ profile: PROFILE, thresholds: THRESHOLDS, time: false, ...options, passes: this.#passes });
  }

  /** What the guard makes of one frame, and the passes that it took: the first one, then the extra ones. */
  async see(moment: Moment, { ptsUs = 0, fit = UNSCALED, sourceSize = SIZE } = {}): Promise<GuardConclusion & { readonly passes: readonly PassRequest[] }> {
    const frame = { pixels: PIXELS, fit, sourceSize, ptsUs };
    this.#passes.moment = moment;
    const before = this.#passes.requests.length;
    const request = this.#guard.plan(frame);
    const { response } = await this.#passes.run(request);
    const conclusion = await this.#guard.conclude(frame, request, response);
    return { ...conclusion, passes: this.#passes.requests.slice(before) };
  }
}
