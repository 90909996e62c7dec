import { monotonicMs } from '../../core/clock.js';
import type { FittedPicture } from '../../core/picture-set.js';
import { OfflineSession } from '../../inference/offline-session.js';
import { FRAME_INPUT, prepareInput } from '../../onnx/prepare/prepare-input.js';
import { noisePictures } from '../calibration/noise.js';
import { frameFormatOf, type CandidateModel } from '../score-model.js';

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

const WARM_UP_RUNS = 5;

/** Runs two models in turn, `pairs` times each, who goes first changing every time: both see the same machine. */
export async function measureLatency(before: CandidateModel, after: CandidateModel, pairs: number, threads: number): Promise<LatencyPair> {
  const sessions = await Promise.all([before, after].map(({ onnx, manifest }) => OfflineSession.create(prepareInput(onnx, manifest.input), { threads })));
  try {
    const { input } = before.manifest;
    const feeds = { [FRAME_INPUT]: { type: 'uint8', dims: [1, 3, input.height, input.width], data: (await anyPicture(before)).pixels } };
    const times: [before: number[], after: number[]] = [[], []];
    for (let pair = -WARM_UP_RUNS; pair < pairs; pair += 1) {
      for (const which of pair % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const startMs = monotonicMs();
        await sessions[which]!.run(feeds);
        if (pair >= 0) times[which].push(monotonicMs() - startMs);
      }
    }
    const ratios = times[0].map((time, pair) => time / times[1][pair]!);
    return { threads, n: pairs, medianMsBefore: median(times[0]), medianMsAfter: median(times[1]), speedup: median(ratios) };
  } finally {
    await Promise.all(sessions.map((session) => session.release()));
  }
}

/** What is in a picture doesn't change how long a convolution takes. */
async function anyPicture({ manifest }: CandidateModel): Promise<FittedPicture> {
  const pictures: FittedPicture[] = [];
  for await (const picture of noisePictures({ count: 1 }).read(frameFormatOf(manifest.input))) pictures.push(picture);
  return pictures[0]!;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
