import type { Frame } from '../core/frame.js';
import type { DecodeThresholds } from '../detector/decoder.js';
import type { DetectResponse } from '../detector/detector-worker.js';
import type { Rung } from './ladder.js';

/** A network that is loaded and warm. */
export interface PointRunner {
  /** @throws AppError `ERR_INFERENCE_FAILED`, `ERR_WORKER_DIED` */
  detect(frame: Frame, thresholds: DecodeThresholds): Promise<{ readonly response: DetectResponse; readonly worker: string }>;
  close(): Promise<void>;
}

/**
 * What operating points run. Points that differ in nothing but how often they infer share one.
 *
 * An elastic model (one set of weights that holds several widths) is one object for each width, whose `prepare` has it cut out of the weights.
 */
export interface PointNetwork {
  /** Loads and warms up; may take as long as it takes, frames go on at the point before. @throws AppError of the model */
  prepare(): Promise<PointRunner>;
}

/** A rung of a ladder that can be stood on. */
export interface OperatingPoint extends Rung {
  readonly network: PointNetwork;
}
