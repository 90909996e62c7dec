import type { Detections } from '../core/detections.js';
import type { ErrorCode } from '../core/errors.js';
import type { Size } from '../core/frame.js';
import type { ImageFit } from '../core/image-fit.js';
import type { DecodeThresholds } from '../detector/decoder.js';
import type { InputRegion } from './region.js';
import type { RegionBox } from './time/region-box.js';
import type { RegionTemplate } from './time/region-template.js';

/** Down to here the guard wants to know what the detector nearly found: what a patch hides mostly leaves a trace above it. */
export const LOW_CONFIDENCE = 0.02;
/** Enough for a street full of people at that threshold; more would only cost time. */
const MAX_PASS_DETECTIONS = 300;

/** What a guard lets through: the user's thresholds. */
export interface DeliveryThresholds extends DecodeThresholds {
  /** 0 to 1: where a stage after the guard wants weaker boxes as well, down to where. They are delivered to it; to the user they aren't found. */
  readonly keepConfidence?: number | undefined;
}

/** What a pass decodes with: the user's own thresholds, wide enough for the guard. */
export function passThresholds({ keepConfidence, ...delivered }: DeliveryThresholds): DecodeThresholds {
  return {
    ...delivered,
    confidenceThreshold: Math.min(keepConfidence ?? delivered.confidenceThreshold, LOW_CONFIDENCE),
    maxDetections: Math.max(delivered.maxDetections, MAX_PASS_DETECTIONS),
  };
}

/** A place that looks as if a patch could be there, from shallow features and from what the detector nearly found. */
export interface Candidate {
  readonly region: InputRegion;
  /** By its looks alone: natural logarithm of the odds that it was pasted in, over the trigger; higher is more suspicious. */
  readonly evidence: number;
  /** What it looks like, where the frame is one of a sequence. */
  readonly template?: RegionTemplate;
}

/** A region that is known from earlier frames: to be found again, and filled before the network sees the picture. */
export interface FollowRequest {
  readonly id: number;
  readonly expected: RegionBox;
  readonly template: RegionTemplate;
  /** Filled where it is expected even if it can't be recognised there. */
  readonly isTrusted: boolean;
}

export interface FollowedPatch {
  readonly id: number;
  readonly box: RegionBox;
  /** 0 to 1 */
  readonly similarity: number;
  readonly seen: RegionTemplate;
  /** What was filled for it; absent where it was not recognised. */
  readonly fill?: InputRegion;
}

/** A picture to run the detector on, with some regions taken out of it first. */
export interface PassRequest {
  /** Planes G, B, R of the model input; may be shared memory, it is not changed. */
  readonly pixels: Uint8Array;
  readonly fit: ImageFit;
  readonly sourceSize: Size;
  /** Filled from what is around them before the network sees the picture. */
  readonly fills: readonly InputRegion[];
  /** Of a sequence: regions to find again and to fill, too; also asks for the looks of candidates. */
  readonly follow?: readonly FollowRequest[];
  /** Also look for candidates, in the features of this very pass. */
  readonly search: boolean;
  /** Local gradient smoothing of the whole picture first: the baseline that the guard is compared with. */
  readonly smooth?: boolean;
}

/** Monotonic milliseconds. */
export interface PassResponse {
  /** Down to the guard's own low threshold, in pixels of the source picture, most confident first. */
  readonly detections: Detections;
  readonly candidates: readonly Candidate[];
  /** One for each of `follow`. */
  readonly followed: readonly FollowedPatch[];
  /** Why there are no candidates where there should be: the search failed, the detections are good. */
  readonly searchFailure?: { readonly code: ErrorCode; readonly message: string };
  readonly startedMs: number;
  readonly filledMs: number;
  readonly inferredMs: number;
  readonly decodedMs: number;
  readonly suppressedMs: number;
  /** When the patch finder was done; absent where the search has none. */
  readonly finderEndedMs?: number;
  readonly endedMs: number;
}

/** Who runs the detector for the guard: workers in a stream, a session offline. */
export interface GuardPasses {
  /** @throws AppError `ERR_INFERENCE_FAILED`, `ERR_WORKER_DIED`, `ERR_MODEL_OUTPUT_SHAPE` */
  run(request: PassRequest): Promise<{ readonly response: PassResponse; readonly worker: string }>;
}
