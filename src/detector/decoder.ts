import type { Detections } from '../core/detections.js';
import { AppError } from '../core/errors.js';
import type { Size } from '../core/frame.js';
import type { ImageFit } from '../core/image-fit.js';
import type { HeadKind, ModelManifest } from '../core/manifest.js';
import { CandidateBuffer } from './candidate-buffer.js';
import { createDarknetScanner } from './decoders/darknet.js';
import { createRowsScanner } from './decoders/rows.js';
import { createTinyYolov2Scanner } from './decoders/tiny-yolov2.js';
import { createYolov10Scanner } from './decoders/yolov10.js';
import { createYolov5RawScanner } from './decoders/yolov5-raw.js';
import { createYolov5Scanner } from './decoders/yolov5.js';
import { createYolov8Scanner } from './decoders/yolov8.js';
import { createYoloxScanner } from './decoders/yolox.js';
import type { HeadScanner } from './head-scanner.js';
import { NmsScratch, nonMaxSuppression } from './nms.js';
import type { ModelOutputs } from './output-tensor.js';
import { toSourceDetections } from './to-source.js';

export type { ModelOutputs, OutputTensor } from './output-tensor.js';

export interface DecodeThresholds {
  /** 0 to 1; only boxes over it count. */
  readonly confidenceThreshold: number;
  /** 0 to 1; boxes of one class that overlap by more than this are one object. Heads that end to end find each object once ignore it. */
  readonly iouThreshold: number;
  readonly maxDetections: number;
  /** True: a box for every class over the threshold, as COCO's scores are usually computed. Absent: the best class of each box. */
  readonly multiLabel?: boolean | undefined;
  /** Anchors to pass over, as `anchorMask` makes them of a user's choice; heads without anchors ignore it. */
  readonly anchorsOff?: readonly number[] | undefined;
}

/**
 * Makes boxes of a model's raw outputs. It owns working memory that it uses again for the next frame: one decoder a thread.
 * What it returns is the caller's: arrays of its own each time, exactly as long as needed, that may be transferred to another thread.
 */
export interface Decoder {
  /**
   * `scan` and `select` in one.
   *
   * @throws {AppError} ERR_MODEL_OUTPUT_SHAPE where the outputs aren't those of the manifest.
   */
  decode(outputs: ModelOutputs, thresholds: DecodeThresholds, fit: ImageFit, sourceSize: Size): Detections;
  /** First half, to be timed apart: finds all boxes over the confidence threshold and remembers them. Returns how many. */
  scan(outputs: ModelOutputs, thresholds: DecodeThresholds): number;
  /** Second half: suppresses duplicates among what `scan` found and converts the rest to pixels of the source picture. */
  select(thresholds: DecodeThresholds, fit: ImageFit, sourceSize: Size): Detections;
}

const SCANNERS: Readonly<Record<HeadKind, (manifest: ModelManifest) => HeadScanner>> = {
  darknet: createDarknetScanner,
  yolov5: createYolov5Scanner,
  'yolov5-raw': createYolov5RawScanner,
  yolov8: createYolov8Scanner,
  yolov10: createYolov10Scanner,
  yolox: createYoloxScanner,
  'tiny-yolov2': createTinyYolov2Scanner,
  rows: createRowsScanner,
};

/**
 * The decoder for the head that the manifest names.
 *
 * @throws {AppError} ERR_MODEL_HEAD_UNKNOWN, ERR_MODEL_MANIFEST (a head without the scales, anchors or columns that it needs).
 */
export function createDecoder(manifest: ModelManifest): Decoder {
  return new ScanningDecoder(createScanner(manifest));
}

/** The first half of the decoder alone: for who wants to know what there was before suppression. Throws like `createDecoder`. */
export function createScanner(manifest: ModelManifest): HeadScanner {
  const { kind } = manifest.head;
  if (!Object.hasOwn(SCANNERS, kind)) {
    throw new AppError('ERR_MODEL_HEAD_UNKNOWN', `Expected a head of ${Object.keys(SCANNERS).join(', ')} in the manifest of ${manifest.id}, found ${kind}`);
  }
  return SCANNERS[kind](manifest);
}

class ScanningDecoder implements Decoder {
  readonly #scanner: HeadScanner;
  readonly #found = new CandidateBuffer();
  readonly #scratch = new NmsScratch();

  constructor(scanner: HeadScanner) {
    this.#scanner = scanner;
  }

  decode(outputs: ModelOutputs, thresholds: DecodeThresholds, fit: ImageFit, sourceSize: Size): Detections {
    this.scan(outputs, thresholds);
    return this.select(thresholds, fit, sourceSize);
  }

  scan(outputs: ModelOutputs, { confidenceThreshold, multiLabel = false, anchorsOff }: DecodeThresholds): number {
    this.#found.clear();
    this.#scanner.scan(outputs, { confidenceThreshold, multiLabel, anchorsOff }, this.#found);
    return this.#found.count;
  }

  select({ iouThreshold, maxDetections }: DecodeThresholds, fit: ImageFit, sourceSize: Size): Detections {
    const suppressAbove = this.#scanner.endToEnd ? 1 : iouThreshold;
    const kept = nonMaxSuppression(this.#found, suppressAbove, maxDetections, this.#scratch);
    return toSourceDetections(this.#found, kept, fit, sourceSize);
  }
}
