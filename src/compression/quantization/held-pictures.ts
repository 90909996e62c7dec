import type { FrameFormat } from '../../core/frame.js';
import type { FittedPicture, PictureSet } from '../../core/picture-set.js';
import type { ModelManifest } from '../../core/manifest.js';
import { createDecoder, type DecodeThresholds } from '../../detector/decoder.js';
import type { ModelOutputs } from '../../detector/output-tensor.js';
import type { CocoDataset, CocoResult } from '../../evaluation/coco-dataset.js';
import { categoryIdsOfLabels, toCocoResults } from '../../evaluation/coco-results.js';
import { OfflineSession, type OfflineSessionOptions } from '../../inference/offline-session.js';
import { SCORING_THRESHOLDS, type CandidateModel } from '../score-model.js';
import { frameDims } from './observe.js';

/** Pictures decoded once for many candidates. */
export async function holdPictures(pictures: PictureSet, format: FrameFormat, limit = Number.POSITIVE_INFINITY): Promise<FittedPicture[]> {
  const held: FittedPicture[] = [];
  for await (const picture of pictures.read(format)) {
    held.push(picture);
    if (held.length >= limit) break;
  }
  return held;
}

/** Detections of a network that takes frames, in COCO's format. */
export async function detectHeld(
  manifest: CandidateModel['manifest'],
  prepared: Uint8Array,
  pictures: readonly FittedPicture[],
  categories: CocoDataset['categories'],
  options: OfflineSessionOptions & { readonly thresholds?: Partial<DecodeThresholds>; readonly onPicture?: () => void } = {},
): Promise<CocoResult[]> {
  const { thresholds, onPicture, ...session } = options;
  const runner = await OfflineSession.create(prepared, session);
  const decoder = createDecoder(manifest as ModelManifest);
  const categoryIds = categoryIdsOfLabels(manifest.labels, categories);
  const decode: DecodeThresholds = { ...SCORING_THRESHOLDS, iouThreshold: manifest.defaults.iouThreshold, ...thresholds };
  const results: CocoResult[] = [];
  try {
    for (const { pixels, imageId, fit, sourceSize } of pictures) {
      const outputs = await runner.run({ [runner.inputNames[0]!]: { type: 'uint8', dims: frameDims(prepared), data: pixels } });
      results.push(...toCocoResults(imageId, decoder.decode(outputs as ModelOutputs, decode, fit, sourceSize), categoryIds));
      onPicture?.();
    }
  } finally {
    await runner.release();
  }
  return results;
}
