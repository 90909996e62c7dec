import type { FrameFormat } from '../core/frame.js';
import type { ModelInput, ModelManifest } from '../core/manifest.js';
import type { FittedPicture, PictureSet } from '../core/picture-set.js';
import { createDecoder, type DecodeThresholds } from '../detector/decoder.js';
import type { ModelOutputs } from '../detector/output-tensor.js';
import type { CocoDataset, CocoResult } from '../evaluation/coco-dataset.js';
import { categoryIdsOfLabels, toCocoResults } from '../evaluation/coco-results.js';
import { OfflineSession, type OfflineSessionOptions } from '../inference/offline-session.js';
import { prepareInput } from '../onnx/prepare/prepare-input.js';

/** A network and what it means, in memory: nothing of it has to be installed. */
export interface CandidateModel {
  readonly manifest: Pick<ModelManifest, 'id' | 'input' | 'head' | 'labels' | 'defaults'>;
  readonly onnx: Uint8Array;
}

/** As COCO's scores are usually computed: every class of a box over a threshold so low that the whole curve is there. */
export const SCORING_THRESHOLDS: DecodeThresholds = { confidenceThreshold: 0.001, iouThreshold: 0.45, maxDetections: 100, multiLabel: true };

/** What the frames of a model have to be like. */
export function frameFormatOf({ width, height, fit, padValue }: ModelInput): FrameFormat {
  return { size: { width, height }, fit, padValue };
}

/** Called after each picture with the number of those done. */
export type OnPicture = (done: number) => void;

type RunOptions = OfflineSessionOptions & { readonly onPicture?: OnPicture };
type DetectOptions = RunOptions & { readonly thresholds?: Partial<DecodeThresholds> };
type Pictures = Iterable<FittedPicture> | AsyncIterable<FittedPicture>;

/** Runs a model over pictures and hands each one's raw outputs on, in order. The outputs are the callee's for the time of the call only. */
export async function runModel({ manifest, onnx }: CandidateModel, pictures: PictureSet, onOutputs: OnOutputs, options: RunOptions = {}): Promise<void> {
  await runPrepared(manifest.input, prepareInput(onnx, manifest.input), pictures.read(frameFormatOf(manifest.input)), onOutputs, options);
}

type OnOutputs = (picture: FittedPicture, outputs: ModelOutputs) => void;

/** @param prepared takes frames as they are */
async function runPrepared({ height, width }: ModelInput, prepared: Uint8Array, pictures: Pictures, onOutputs: OnOutputs, { onPicture = () => undefined, ...session }: RunOptions): Promise<void> {
  const runner = await OfflineSession.create(prepared, session);
  let done = 0;
  try {
    for await (const picture of pictures) {
      const outputs = await runner.run({ [runner.inputNames[0]!]: { type: 'uint8', dims: [1, 3, height, width], data: picture.pixels } });
      onOutputs(picture, outputs as ModelOutputs);
      onPicture((done += 1));
    }
  } finally {
    await runner.release();
  }
}

/** Detections of a model in COCO's format, for `evaluateCoco`. Classes that the dataset doesn't have are left out. */
export function detectPictures({ manifest, onnx }: CandidateModel, pictures: PictureSet, categories: CocoDataset['categories'], options: DetectOptions = {}): Promise<CocoResult[]> {
  return detectPrepared(manifest, prepareInput(onnx, manifest.input), pictures.read(frameFormatOf(manifest.input)), categories, options);
}

/** The same of a network that takes frames as they are. */
export async function detectPrepared(manifest: CandidateModel['manifest'], prepared: Uint8Array, pictures: Pictures, categories: CocoDataset['categories'], options: DetectOptions = {}): Promise<CocoResult[]> {
  const { thresholds, ...run } = options;
  const decoder = createDecoder(manifest as ModelManifest);
  const categoryIds = categoryIdsOfLabels(manifest.labels, categories);
  const decode: DecodeThresholds = { ...SCORING_THRESHOLDS, iouThreshold: manifest.defaults.iouThreshold, ...thresholds };
  const results: CocoResult[] = [];
  await runPrepared(manifest.input, prepared, pictures, ({ imageId, fit, sourceSize }, outputs) => results.push(...toCocoResults(imageId, decoder.decode(outputs, decode, fit, sourceSize), categoryIds)), run);
  return results;
}
