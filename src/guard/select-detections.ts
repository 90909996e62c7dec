import type { Detections } from '../core/detections.js';
import { type DeliveryThresholds, LOW_CONFIDENCE } from './passes.js';

/** Those of a pass at the guard's low threshold that the user's thresholds let through. Arrays of their own. */
export function selectDetections(all: Detections, { confidenceThreshold, keepConfidence = confidenceThreshold, maxDetections }: Pick<DeliveryThresholds, 'confidenceThreshold' | 'keepConfidence' | 'maxDetections'>): Detections {
  const chosen: number[] = [];
  for (let i = 0; i < all.count && chosen.length < maxDetections; i += 1) if (all.confidence[i]! > keepConfidence) chosen.push(i);
  return pickDetections(all, chosen);
}

/**
 * Those that the guard reasons with, whatever the user's threshold is: the first so many, in the same memory.
 *
 * @param all most confident first
 */
export function confidentOnes(all: Detections): Detections {
  let { count } = all;
  while (count > 0 && all.confidence[count - 1]! < LOW_CONFIDENCE) count -= 1;
  return { ...all, count };
}

/** The detections at the places `chosen`, in that order. */
export function pickDetections(all: Detections, chosen: readonly number[]): Detections {
  const picked = {
    count: chosen.length,
    xyxy: new Float32Array(4 * chosen.length),
    confidence: new Float32Array(chosen.length),
    classId: new Int32Array(chosen.length),
    boxesBeforeNms: all.boxesBeforeNms,
  };
  chosen.forEach((from, to) => {
    picked.xyxy.set(all.xyxy.subarray(4 * from, 4 * from + 4), 4 * to);
    picked.confidence[to] = all.confidence[from]!;
    picked.classId[to] = all.classId[from]!;
  });
  return picked;
}
