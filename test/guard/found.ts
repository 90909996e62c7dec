import type { Detections } from '../../src/core/detections.js';
import type { ImageFit } from '../../src/core/image-fit.js';

/** Left, top, right, bottom. */
export type Xyxy = readonly [left: number, top: number, right: number, bottom: number];

/** Pixels of the source picture are those of the model input. */
export const UNSCALED: ImageFit = { scaleX: 1, scaleY: 1, padX: 0, padY: 0 };

export interface FoundBox {
  readonly xyxy: Xyxy;
  readonly confidence: number;
  readonly classId: number;
}

export function box(xyxy: Xyxy, confidence: number, classId = 0): FoundBox {
  return { xyxy, confidence, classId };
}

/** Most confident first, as a pass gives them. */
export function found(...boxes: readonly FoundBox[]): Detections {
  const sorted = boxes.toSorted((a, b) => b.confidence - a.confidence);
  return {
    count: sorted.length,
    xyxy: Float32Array.from(sorted.flatMap(({ xyxy }) => [...xyxy])),
    confidence: Float32Array.from(sorted, ({ confidence }) => confidence),
    classId: Int32Array.from(sorted, ({ classId }) => classId),
    boxesBeforeNms: sorted.length,
  };
}

/** The other way round, confidences to the nearest thousandth (they are 32 bit floats). */
export function boxesOf({ count, xyxy, confidence, classId }: Detections): FoundBox[] {
  return Array.from({ length: count }, (_, i) => box([xyxy[4 * i]!, xyxy[4 * i + 1]!, xyxy[4 * i + 2]!, xyxy[4 * i + 3]!], Math.round(confidence[i]! * 1000) / 1000, classId[i]));
}

export function region([left, top, right, bottom]: Xyxy): { left: number; top: number; right: number; bottom: number } {
  return { left, top, right, bottom };
}
