import { monotonicMs } from '../../core/clock.js';
import type { ModelManifest } from '../../core/manifest.js';
import type { PictureSet } from '../../core/picture-set.js';
import { createDecoder, type Decoder, type DecodeThresholds } from '../../detector/decoder.js';
import type { ModelOutputs } from '../../detector/output-tensor.js';
import { OfflineSession } from '../../inference/offline-session.js';
import { FRAME_INPUT, prepareInput } from '../../onnx/prepare/prepare-input.js';
import { frameFormatOf, type CandidateModel } from '../score-model.js';

/** Thresholds that post-processing is measured at: as streams run, and as recall is wanted. */
export const MEASURED_THRESHOLDS = [0.25, 0.01] as const;
/** Of the first pictures, not counted: code is compiled, caches are filled. */
const WARM_UP_PICTURES = 6;
const MAX_DETECTIONS = 100;

/** Times of one step, in milliseconds. */
export interface MeasuredTimes {
  readonly n: number;
  readonly medianMs: number;
  readonly meanMs: number;
  readonly varianceMs2: number;
  readonly p95Ms: number;
  readonly samplesMs: readonly number[];
}

/** Decoding and suppression together, at one threshold. */
export interface PostProcessing {
  readonly confidenceThreshold: number;
  readonly before: MeasuredTimes;
  readonly after: MeasuredTimes;
  /** Mean number of boxes that went into suppression. */
  readonly boxesBefore: number;
  readonly boxesAfter: number;
}

export interface MeasuredPair {
  readonly postProcessing: readonly PostProcessing[];
  /** The network alone. */
  readonly inference: { readonly before: MeasuredTimes; readonly after: MeasuredTimes };
}

class Side {
  readonly inferMs: number[] = [];
  readonly postMs: number[][] = MEASURED_THRESHOLDS.map(() => []);
  readonly boxes: number[] = MEASURED_THRESHOLDS.map(() => 0);
  readonly #session: OfflineSession;
  readonly #decoder: Decoder;
  readonly #model: CandidateModel;

  private constructor(model: CandidateModel, session: OfflineSession) {
    this.#model = model;
    this.#session = session;
    this.#decoder = createDecoder(model.manifest as ModelManifest);
  }

  static async open(model: CandidateModel, threads: number): Promise<Side> {
    return new Side(model, await OfflineSession.create(prepareInput(model.onnx, model.manifest.input), { threads }));
  }

  async take(pixels: Uint8Array, fit: Parameters<Decoder['select']>[1], size: Parameters<Decoder['select']>[2], counts: boolean): Promise<void> {
    const { input, defaults } = this.#model.manifest;
    const startMs = monotonicMs();
    const outputs = (await this.#session.run({ [FRAME_INPUT]: { type: 'uint8', dims: [1, 3, input.height, input.width], data: pixels } })) as ModelOutputs;
    if (counts) this.inferMs.push(monotonicMs() - startMs);
    for (const [i, confidenceThreshold] of MEASURED_THRESHOLDS.entries()) {
      const thresholds: DecodeThresholds = { confidenceThreshold, iouThreshold: defaults.iouThreshold, maxDetections: MAX_DETECTIONS };
      const fromMs = monotonicMs();
      const boxes = this.#decoder.scan(outputs, thresholds);
      this.#decoder.select(thresholds, fit, size);
      if (!counts) continue;
      this.postMs[i]!.push(monotonicMs() - fromMs);
      this.boxes[i]! += boxes;
    }
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}

/** Runs both models picture by picture in turn, so that what else the machine does hits both alike. */
export async function measurePostProcessing(before: CandidateModel, after: CandidateModel, pictures: PictureSet, rounds: number, threads = 2): Promise<MeasuredPair> {
  const sides = [await Side.open(before, threads), await Side.open(after, threads)] as const;
  let taken = 0;
  try {
    for (let round = 0; round < rounds; round += 1) {
      for await (const { pixels, fit, sourceSize } of pictures.read(frameFormatOf(before.manifest.input))) {
        for (const side of taken % 2 === 0 ? sides : sides.toReversed()) await side.take(pixels, fit, sourceSize, taken >= WARM_UP_PICTURES);
        taken += 1;
      }
    }
  } finally {
    for (const side of sides) await side.close();
  }
  const [a, b] = sides;
  return {
    postProcessing: MEASURED_THRESHOLDS.map((confidenceThreshold, i) => ({
      confidenceThreshold,
      before: timesOf(a.postMs[i]!),
      after: timesOf(b.postMs[i]!),
      boxesBefore: a.boxes[i]! / Math.max(1, a.postMs[i]!.length),
      boxesAfter: b.boxes[i]! / Math.max(1, b.postMs[i]!.length),
    })),
    inference: { before: timesOf(a.inferMs), after: timesOf(b.inferMs) },
  };
}

export function timesOf(samplesMs: readonly number[]): MeasuredTimes {
  const n = samplesMs.length;
  const sorted = Float64Array.from(samplesMs).sort();
  const meanMs = samplesMs.reduce((sum, one) => sum + one, 0) / Math.max(1, n);
  const varianceMs2 = samplesMs.reduce((sum, one) => sum + (one - meanMs) ** 2, 0) / Math.max(1, n - 1);
  return { n, meanMs, varianceMs2, medianMs: sorted[n >> 1] ?? 0, p95Ms: sorted[Math.min(n - 1, Math.floor(0.95 * n))] ?? 0, samplesMs };
}
