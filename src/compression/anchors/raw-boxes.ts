import type { ImageFit } from '../../core/image-fit.js';
import type { ModelManifest } from '../../core/manifest.js';
import type { FittedPicture, PictureSet } from '../../core/picture-set.js';
import type { Size } from '../../core/size.js';
import { CandidateBuffer } from '../../detector/candidate-buffer.js';
import { createScanner } from '../../detector/decoder.js';
import type { HeadScanner } from '../../detector/head-scanner.js';
import type { ModelOutputs } from '../../detector/output-tensor.js';
import { type OnPicture, runModel, SCORING_THRESHOLDS } from '../score-model.js';
import type { AnchorModel } from './anchor-head.js';

/** All boxes of one picture before suppression, in the order in which the decoder finds them. */
export interface PictureBoxes {
  readonly imageId: number;
  readonly fit: ImageFit;
  readonly sourceSize: Size;
  readonly count: number;
  /** Pixels of the model input. */
  readonly xyxy: Float32Array;
  readonly confidence: Float32Array;
  readonly classId: Int32Array;
  /** Index of the anchor that made the box. */
  readonly anchor: Uint16Array;
}

/** Finds boxes anchor by anchor, so that each is known by its own. */
export class AnchorScanner {
  readonly #scanner: HeadScanner;
  readonly #found = new CandidateBuffer();
  readonly #allBut: readonly (readonly number[])[];

  constructor({ model, anchors }: AnchorModel) {
    this.#scanner = createScanner(model.manifest as ModelManifest);
    this.#allBut = anchors.map(({ index }) => anchors.map((other) => other.index).filter((other) => other !== index));
  }

  scan(outputs: ModelOutputs, { imageId, fit, sourceSize }: Pick<FittedPicture, 'imageId' | 'fit' | 'sourceSize'>): PictureBoxes {
    const found = this.#found;
    found.clear();
    // The scanner goes through the anchors in the same order: one by one gives the same list.
    const ends = this.#allBut.map((anchorsOff) => {
      this.#scanner.scan(outputs, { confidenceThreshold: SCORING_THRESHOLDS.confidenceThreshold, multiLabel: true, anchorsOff }, found);
      return found.count;
    });
    const { count } = found;
    const anchor = new Uint16Array(count);
    ends.forEach((end, index) => anchor.fill(index, index === 0 ? 0 : ends[index - 1], end));
    return { imageId, fit, sourceSize, count, xyxy: found.xyxy.slice(0, 4 * count), confidence: found.confidence.slice(0, count), classId: found.classId.slice(0, count), anchor };
  }
}

/** Runs the model once over the pictures and keeps every box over the scoring threshold: what all sets of anchors are judged by. */
export async function collectRawBoxes(model: AnchorModel, pictures: PictureSet, onPicture?: OnPicture): Promise<PictureBoxes[]> {
  const scanner = new AnchorScanner(model);
  const boxes: PictureBoxes[] = [];
  await runModel(model.model, pictures, (picture, outputs) => boxes.push(scanner.scan(outputs, picture)), onPicture ? { onPicture } : {});
  return boxes;
}
