import type { Detections } from '../core/detections.js';
import type { ModelManifest } from '../core/manifest.js';
import type { FittedPicture } from '../core/picture-set.js';
import type { Size } from '../core/size.js';
import { createDecoder, type DecodeThresholds } from '../detector/decoder.js';
import type { ModelOutputs } from '../detector/output-tensor.js';
import { OfflineSession } from '../inference/offline-session.js';
import { FRAME_INPUT, prepareInput } from '../onnx/prepare/prepare-input.js';
import { fitPicture, type TestPicture } from './test-picture.js';

/** The parts of a model that a trial needs: nothing has to be installed. */
export interface TriedModel {
  readonly manifest: ModelManifest;
  readonly onnx: Uint8Array;
}

/** What a model finds on one picture. */
export interface Findings {
  /** Over the model's own threshold, pixels of the picture. */
  readonly detections: Detections;
  /** The same boxes where they really are, pixels of the model input, not cut at its borders. */
  readonly inputBoxes: Detections;
  /** Greatest confidence of all boxes, those below the threshold too; 0 where there is none. */
  readonly bestConfidence: number;
}

const LOW_CONFIDENCE = 0.001;
const MOST_BOXES = 1000;

/** Runs a model on a picture through the preparation and the decoder that streams use. @throws AppError ERR_MODEL_OUTPUT_SHAPE, ERR_INFERENCE_FAILED */
export async function findOnPicture(model: TriedModel, picture: TestPicture): Promise<Findings> {
  const fitted = await fitPicture(picture, model.manifest.input);
  return readFindings(model.manifest, fitted, await runOnce(model, fitted));
}

async function runOnce({ manifest, onnx }: TriedModel, { pixels }: FittedPicture): Promise<ModelOutputs> {
  const { width, height } = manifest.input;
  const session = await OfflineSession.create(prepareInput(onnx, manifest.input), { threads: 1 });
  try {
    return (await session.run({ [FRAME_INPUT]: { type: 'uint8', dims: [1, 3, height, width], data: pixels } })) as ModelOutputs;
  } finally {
    await session.release();
  }
}

function readFindings(manifest: ModelManifest, { fit, sourceSize }: FittedPicture, outputs: ModelOutputs): Findings {
  const decoder = createDecoder(manifest);
  const thresholds: DecodeThresholds = { ...manifest.defaults, maxDetections: MOST_BOXES };
  const best = decoder.decode(outputs, { ...thresholds, confidenceThreshold: LOW_CONFIDENCE, maxDetections: 1 }, fit, sourceSize);
  const detections = decoder.decode(outputs, thresholds, fit, sourceSize);
  return { detections, inputBoxes: uncut(manifest.input, (border, size) => decoder.select(thresholds, border, size)), bestConfidence: best.confidence[0] ?? 0 };
}

/** Decoders cut boxes at the borders of the picture: with borders far away nothing is cut. */
function uncut({ width, height }: Size, select: (border: { scaleX: number; scaleY: number; padX: number; padY: number }, size: Size) => Detections): Detections {
  const border = { scaleX: 1, scaleY: 1, padX: -8 * width, padY: -8 * height };
  const boxes = select(border, { width: 17 * width, height: 17 * height });
  for (let i = 0; i < boxes.xyxy.length; i += 1) boxes.xyxy[i] = boxes.xyxy[i]! + (i % 2 === 0 ? border.padX : border.padY);
  return boxes;
}
