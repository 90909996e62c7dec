import type { CandidateBuffer } from './candidate-buffer.js';
import type { ModelOutputs } from './output-tensor.js';

export interface ScanOptions {
  /** 0 to 1; only what is over it becomes a candidate. */
  readonly confidenceThreshold: number;
  /** True: a box for every class over the threshold. False: a box for the best class only. */
  readonly multiLabel: boolean;
  /** Anchors to pass over, counted through all scales in the manifest's order. */
  readonly anchorsOff?: readonly number[] | undefined;
}

/** Knows one kind of head: reads its raw outputs and adds every box over the threshold, in pixels of the model input. */
export interface HeadScanner {
  /** True where the network has removed duplicates itself: no suppression follows. */
  readonly endToEnd: boolean;
  /** @throws {AppError} ERR_MODEL_OUTPUT_SHAPE */
  scan(outputs: ModelOutputs, options: ScanOptions, found: CandidateBuffer): void;
}
