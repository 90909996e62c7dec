import { prepareInput } from '../../onnx/prepare/prepare-input.js';
import type { CandidateModel } from '../score-model.js';
import { quantile, runByTurns } from '../run-by-turns.js';

/** Times of the network alone, before and after, measured side by side. */
export interface LatencyPair {
  readonly threads: number;
  /** Runs of each. */
  readonly n: number;
  readonly medianMsBefore: number;
  readonly medianMsAfter: number;
  /** Median over the pairs of before / after: what changes from one moment to the next cancels out. */
  readonly speedup: number;
}

const GREY = 127;

/** Runs two models of one input in turn, `pairs` times each. */
export async function measureLatency(before: CandidateModel, after: CandidateModel, pairs: number, threads: number): Promise<LatencyPair> {
  const { height, width } = before.manifest.input;
  // What is in a picture doesn't change how long a convolution takes.
  const frame = { dims: [1, 3, height, width], data: new Uint8Array(3 * height * width).fill(GREY) };
  const networks = [before, after].map(({ onnx, manifest }) => prepareInput(onnx, manifest.input));
  const [first, second] = await runByTurns(networks, { frame, threads, runs: pairs });
  const ratios = first!.map((time, pair) => time / second![pair]!);
  return { threads, n: pairs, medianMsBefore: quantile(first!, 0.5), medianMsAfter: quantile(second!, 0.5), speedup: quantile(ratios, 0.5) };
}
