import type { Detections } from '../core/detections.js';
import type { BoxOrigin } from '../core/guard-report.js';
import type { ImageFit } from '../core/image-fit.js';
import { sameObject } from './effect.js';
import type { DeliveryThresholds } from './passes.js';
import type { InputRegion } from './region.js';
import { areaOf, intersectionOf, isNear, liesOnObject, regionOf } from './search/region-geometry.js';
import { pickDetections } from './select-detections.js';

/** What is delivered of a repaired frame. */
export interface Recovered {
  readonly detections: Detections;
  readonly origins: readonly BoxOrigin[];
  readonly suppressed: Detections;
}

interface JoinedBox {
  readonly of: Detections;
  readonly index: number;
  readonly confidence: number;
  /** Whether the picture as it came shows it, over the user's threshold. */
  readonly isFound: boolean;
}

/** A box that lies on a patch by more than this shows the patch and no object. */
const SHOWS_THE_PATCH = 0.4;

/**
 * Joins the detections of the picture as it came with those of the repaired one. Objects that a region lies on keep the greater confidence (covering
 * a part of an object costs it a little) and never go away by it. Other boxes near a region are as the repaired picture has them: a patch confuses the
 * detector around itself, too. Boxes of the first that show nothing but a patch are suppressed, and so are those near it that the repaired picture hasn't.
 * Farther away the picture counts as it came.
 *
 * @param first and `repaired`, down to the guard's low threshold, most confident first.
 * @param regions that are filled in `repaired` alone, @param filled those that were filled in `first` already: what lies on them was recovered.
 */
export function recover(first: Detections, repaired: Detections, regions: readonly InputRegion[], filled: readonly InputRegion[], fit: ImageFit, { confidenceThreshold, keepConfidence = confidenceThreshold, maxDetections }: Pick<DeliveryThresholds, 'confidenceThreshold' | 'keepConfidence' | 'maxDetections'>): Recovered {
  const boxes: JoinedBox[] = [];
  const suppressed: number[] = [];
  const known = new Set<number>();
  for (let j = 0; j < first.count; j += 1) {
    const confidence = first.confidence[j]!;
    const place = placeOf(first, j, regions, fit);
    const i = place === 'away' ? -1 : sameInBoth(first, j, repaired);
    if (i >= 0) known.add(i);
    if (place === 'away' || (i < 0 && place === 'below' && !showsThePatch(first, j, regions, fit))) boxes.push({ of: first, index: j, confidence, isFound: true });
    else if (i < 0) suppressed.push(j);
    else {
      const after = repaired.confidence[i]!;
      const isBetter = after > confidence;
      // An object loses a little when a part of it is covered, and a box of it is worth as much as its confidence.
      boxes.push(place === 'below' && !isBetter ? { of: first, index: j, confidence, isFound: true } : { of: repaired, index: i, confidence: after, isFound: confidence > confidenceThreshold });
    }
  }
  for (let i = 0; i < repaired.count; i += 1) {
    if (!known.has(i) && placeOf(repaired, i, regions, fit) !== 'away') boxes.push({ of: repaired, index: i, confidence: repaired.confidence[i]!, isFound: false });
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
  const origins = delivered.map(({ of, index, isFound }) => (isFound && placeOf(of, index, filled, fit) !== 'below' ? 'untouched' : 'recovered'));
  return { detections, origins, suppressed: pickDetections(first, found) };
}

/** Where a box lies: `below` a region as the object that carries a patch does, `beside` it where a patch may still confuse the detector, or `away`. */
function placeOf(detections: Detections, index: number, regions: readonly InputRegion[], fit: ImageFit): 'below' | 'beside' | 'away' {
  if (regions.length === 0) return 'away';
  const asRegion = regionOf(detections, index, fit);
  const { left, top, right, bottom } = asRegion;
  if (regions.some((region) => liesOnObject(region, [left, top, right, bottom]))) return 'below';
  return regions.some((region) => isNear(region, asRegion)) ? 'beside' : 'away';
}

/** Index in `repaired` of the same object; -1 where there is none, or where the one there is rather another one's: no two boxes become one. */
function sameInBoth(first: Detections, index: number, repaired: Detections): number {
  const i = sameObject(repaired, first, index);
  return i >= 0 && sameObject(first, repaired, i) === index ? i : -1;
}

function showsThePatch(detections: Detections, index: number, regions: readonly InputRegion[], fit: ImageFit): boolean {
  const asRegion = regionOf(detections, index, fit);
  return regions.some((region) => intersectionOf(region, asRegion) > SHOWS_THE_PATCH * areaOf(asRegion));
}
