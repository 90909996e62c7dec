import type { Detections } from '../core/detections.js';
import type { Size } from '../core/frame.js';
import type { ImageFit } from '../core/image-fit.js';
import type { ScoredBoxes } from './nms.js';

/**
 * The chosen boxes in pixels of the source picture, cut at its borders, in arrays of their own.
 * Boxes that lie wholly outside of it (in the padding) are left out.
 *
 * @param chosen indices into `boxes`, whose coordinates are pixels of the model input.
 */
export function toSourceDetections(boxes: ScoredBoxes, chosen: Int32Array, fit: ImageFit, sourceSize: Size): Detections {
  const xyxy = new Float32Array(chosen.length * 4);
  const confidence = new Float32Array(chosen.length);
  const classId = new Int32Array(chosen.length);
  let count = 0;
  for (const index of chosen) {
    if (!writeSourceBox(boxes.xyxy, index * 4, fit, sourceSize, xyxy, count * 4)) continue;
    confidence[count] = boxes.confidence[index]!;
    classId[count] = boxes.classId[index]!;
    count += 1;
  }
  if (count === chosen.length) return { count, xyxy, confidence, classId, boxesBeforeNms: boxes.count };
  return {
    count,
    xyxy: xyxy.slice(0, count * 4),
    confidence: confidence.slice(0, count),
    classId: classId.slice(0, count),
    boxesBeforeNms: boxes.count,
  };
}

/** @returns false where nothing of the box lies in the picture. */
function writeSourceBox(input: Float32Array, from: number, fit: ImageFit, size: Size, out: Float32Array, to: number): boolean {
  const left = clamp((input[from]! - fit.padX) / fit.scaleX, size.width);
  const top = clamp((input[from + 1]! - fit.padY) / fit.scaleY, size.height);
  const right = clamp((input[from + 2]! - fit.padX) / fit.scaleX, size.width);
  const bottom = clamp((input[from + 3]! - fit.padY) / fit.scaleY, size.height);
  out[to] = left;
  out[to + 1] = top;
  out[to + 2] = right;
  out[to + 3] = bottom;
  return right > left && bottom > top;
}

/** Rounded to float32 before boxes are judged empty: that is how they are stored. */
function clamp(value: number, max: number): number {
  return Math.fround(Math.min(Math.max(value, 0), max));
}
