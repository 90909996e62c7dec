import type { Detections } from '../core/detections.js';
import type { BoxOrigin } from '../core/guard-report.js';
import type { ImageFit } from '../core/image-fit.js';
import { sameObject } from './effect.js';
import type { DeliveryThresholds } from './passes.js';
import type { InputRegion } from './region.js';
import { inputBox, intersectionOf, liesOnObject } from './search/region-geometry.js';
import { pickDetections } from './select-detections.js';

/** What is delivered of a repaired frame. */
export interface Recovered {
  readonly detections: Detections;
  readonly origins: readonly BoxOrigin[];
  readonly suppressed: Detections;
}

/** A box that lies on a patch by more than this shows the patch and no object. */
const SHOWS_THE_PATCH = 0.4;

/**
 * Joins the detections of the picture as it came with those of the repaired one. Boxes of both keep the greater confidence (covering a
 * part of an object costs it a little); boxes of the first that show nothing but a patch are suppressed.
 *
 * @param first and `repaired`, down to the guard's low threshold, most confident first.
 * @param regions that are filled in `repaired` alone, @param filled those that were filled in `first` already: what lies on them was recovered.
 */
export function recover(first: Detections, repaired: Detections, regions: readonly InputRegion[], filled: readonly InputRegion[], fit: ImageFit, { confidenceThreshold, keepConfidence = confidenceThreshold, maxDetections }: Pick<DeliveryThresholds, 'confidenceThreshold' | 'keepConfidence' | 'maxDetections'>): Recovered {
  const boxes: { readonly of: Detections; readonly index: number; readonly confidence: number; readonly origin: BoxOrigin }[] = [];
  const matched = new Set<number>();
  for (let i = 0; i < repaired.count; i += 1) {
    const j = sameObject(first, repaired, i);
    if (j >= 0) matched.add(j);
    const before = j < 0 ? 0 : first.confidence[j]!;
    const isBelow = liesUnder(repaired, i, regions, fit);
    // Away from what was filled, the picture is as it came, and so is what was found there.
    const confidence = isBelow ? Math.max(before, repaired.confidence[i]!) : before;
    const isRecovered = (isBelow && before <= confidenceThreshold) || liesUnder(repaired, i, filled, fit);
    if (confidence > 0) boxes.push({ of: repaired, index: i, confidence, origin: isRecovered ? 'recovered' : 'untouched' });
  }
  const suppressed: number[] = [];
  for (let j = 0; j < first.count; j += 1) {
    if (matched.has(j)) continue;
    if (showsThePatch(first, j, regions, fit)) suppressed.push(j);
    else boxes.push({ of: first, index: j, confidence: first.confidence[j]!, origin: 'untouched' });
  }
  const delivered = boxes.filter(({ confidence }) => confidence > keepConfidence).sort((a, b) => b.confidence - a.confidence).slice(0, maxDetections);
  const detections = {
    count: delivered.length,
    xyxy: Float32Array.from(delivered.flatMap(({ of, index }) => [...of.xyxy.subarray(4 * index, 4 * index + 4)])),
    confidence: Float32Array.from(delivered, ({ confidence }) => confidence),
    classId: Int32Array.from(delivered, ({ of, index }) => of.classId[index]!),
    boxesBeforeNms: first.boxesBeforeNms,
  };
  const found = suppressed.filter((j) => first.confidence[j]! > confidenceThreshold);
  return { detections, origins: delivered.map(({ origin }) => origin), suppressed: pickDetections(first, found) };
}

/** Whether one of the regions lies on the object as a patch would. */
function liesUnder(detections: Detections, index: number, regions: readonly InputRegion[], fit: ImageFit): boolean {
  if (regions.length === 0) return false;
  const box = new Float64Array(4);
  inputBox(detections, index, fit, box);
  return regions.some((region) => liesOnObject(region, box));
}

function showsThePatch(detections: Detections, index: number, regions: readonly InputRegion[], fit: ImageFit): boolean {
  const box = new Float64Array(4);
  inputBox(detections, index, fit, box);
  const asRegion = { left: box[0]!, top: box[1]!, right: box[2]!, bottom: box[3]! };
  const area = (asRegion.right - asRegion.left) * (asRegion.bottom - asRegion.top);
  return regions.some((region) => intersectionOf(region, asRegion) > SHOWS_THE_PATCH * area);
}
