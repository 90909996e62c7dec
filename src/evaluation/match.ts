import type { CocoAnnotation, CocoDataset, CocoResult } from './coco-dataset.js';

/** Smallest and largest area of the objects that count, square pixels; what is outside is ignored, not missed. */
export type AreaRange = readonly [min: number, max: number];

/** What became of a detection. */
export const MISS = 0;
export const HIT = 1;
/** Neither right nor wrong: it found a crowd, or an object outside of the area range. */
export const IGNORED = 2;

/** More detections of a class in one picture are cut off, the least confident first. */
const MAX_DETECTIONS = 100;

/** The detections and objects of one class in one picture. */
interface ClassInImage {
  /** Index of the picture among those that are evaluated. */
  readonly image: number;
  /** Most confident first, equals in the order they were given. */
  readonly detections: readonly CocoResult[];
  readonly objects: readonly CocoAnnotation[];
  /** `detections * objects` overlaps. */
  readonly ious: Float64Array;
}

/** All detections of one class, most confident first. */
export interface RankedClass {
  readonly inImages: readonly ClassInImage[];
  /** Detections in all. */
  readonly count: number;
  /** Per ranked detection: its picture. */
  readonly image: Int32Array;
  /** Per ranked detection: its place in its picture, from 0. */
  readonly place: Int32Array;
  /** Where a detection stands in the ranking, by its place in the list of all pictures' detections. */
  readonly rankOf: Int32Array;
}

/** What became of the ranked detections of a class, for one area range. */
export interface ClassMatches {
  /** Per picture: objects to be found. */
  readonly positives: Int32Array;
  /** Per IoU threshold, per ranked detection: MISS, HIT or IGNORED. */
  readonly outcomes: readonly Uint8Array[];
}

/** Groups by class and ranks: the part that is the same for all area ranges. Results of other categories are left out. */
export function rankClasses(dataset: CocoDataset, results: readonly CocoResult[], imageIds: readonly number[]): Map<number, RankedClass> {
  const detections = groupByClass(results, imageIds);
  const objects = groupByClass(dataset.annotations, imageIds);
  const categoryIds = dataset.categories.map(({ id }) => id).sort((a, b) => a - b);
  return new Map(categoryIds.map((id) => [id, rankClass(imageIds.length, detections.get(id) ?? new Map(), objects.get(id) ?? new Map())]));
}

type ByImage<T> = ReadonlyMap<number, readonly T[]>;

function groupByClass<T extends { image_id: number; category_id: number }>(items: readonly T[], imageIds: readonly number[]): Map<number, Map<number, T[]>> {
  const imageIndex = new Map(imageIds.map((id, index) => [id, index]));
  const classes = new Map<number, Map<number, T[]>>();
  for (const item of items) {
    const image = imageIndex.get(item.image_id);
    if (image === undefined) continue;
    let images = classes.get(item.category_id);
    if (!images) classes.set(item.category_id, (images = new Map<number, T[]>()));
    const list = images.get(image);
    if (list) list.push(item);
    else images.set(image, [item]);
  }
  return classes;
}

function rankClass(imageCount: number, detections: ByImage<CocoResult>, objects: ByImage<CocoAnnotation>): RankedClass {
  const inImages: ClassInImage[] = [];
  for (let image = 0; image < imageCount; image += 1) {
    const ofImage = detections.get(image) ?? [];
    const objectsOfImage = objects.get(image) ?? [];
    if (ofImage.length + objectsOfImage.length === 0) continue;
    // Array.prototype.sort is stable, as the reference's mergesort is.
    const best = [...ofImage].sort((a, b) => b.score - a.score).slice(0, MAX_DETECTIONS);
    inImages.push({ image, detections: best, objects: objectsOfImage, ious: overlaps(best, objectsOfImage) });
  }
  return { inImages, ...rank(inImages) };
}

function rank(inImages: readonly ClassInImage[]): Pick<RankedClass, 'count' | 'image' | 'place' | 'rankOf'> {
  const all = inImages.flatMap(({ image, detections }) => detections.map(({ score }, place) => ({ image, place, score })));
  const order = all.map((_, index) => index).sort((a, b) => all[b]!.score - all[a]!.score);
  const rankOf = new Int32Array(all.length);
  order.forEach((index, position) => (rankOf[index] = position));
  return {
    count: all.length,
    image: Int32Array.from(order, (index) => all[index]!.image),
    place: Int32Array.from(order, (index) => all[index]!.place),
    rankOf,
  };
}

/**
 * Gives every detection its object, class and area range by itself: in the order of confidence each takes the object that it overlaps most,
 * if by the IoU threshold at least and not yet taken; objects that count go before ignored ones; a crowd can be taken by many.
 */
export function matchClass({ inImages, count, rankOf }: RankedClass, imageCount: number, iouThresholds: readonly number[], area: AreaRange): ClassMatches {
  const positives = new Int32Array(imageCount);
  const outcomes = iouThresholds.map(() => new Uint8Array(count));
  let first = 0;
  for (const inImage of inImages) {
    const ignored = inImage.objects.map((object) => isCrowd(object) || outside(areaOf(object), area));
    positives[inImage.image] = ignored.filter((isIgnored) => !isIgnored).length;
    // Counting objects first, each kind in its order: the reference sorts stably by the flag.
    const order = [...ignored.keys()].sort((a, b) => Number(ignored[a]) - Number(ignored[b]));
    for (const [t, outcome] of outcomes.entries()) matchImage(inImage, ignored, order, iouThresholds[t]!, area, outcome, rankOf, first);
    first += inImage.detections.length;
  }
  return { positives, outcomes };
}

function matchImage(
  { detections, objects, ious }: ClassInImage,
  ignored: readonly boolean[],
  order: readonly number[],
  iouThreshold: number,
  area: AreaRange,
  outcome: Uint8Array,
  rankOf: Int32Array,
  first: number,
): void {
  const taken = objects.map(() => false);
  for (const [d, { bbox }] of detections.entries()) {
    const object = bestObject(ious, d, objects, ignored, order, taken, iouThreshold);
    if (object >= 0) {
      taken[object] = true;
      outcome[rankOf[first + d]!] = ignored[object] ? IGNORED : HIT;
    } else {
      outcome[rankOf[first + d]!] = outside(bbox[2] * bbox[3], area) ? IGNORED : MISS;
    }
  }
}

/** Index of the object that detection `d` takes, or -1. */
function bestObject(
  ious: Float64Array,
  d: number,
  objects: readonly CocoAnnotation[],
  ignored: readonly boolean[],
  order: readonly number[],
  taken: readonly boolean[],
  iouThreshold: number,
): number {
  let best = -1;
  // Of equal overlaps the last one wins, also as in the reference.
  let bestIou = Math.min(iouThreshold, 1 - 1e-10);
  for (const g of order) {
    if (taken[g] && !isCrowd(objects[g]!)) continue;
    if (best >= 0 && !ignored[best] && ignored[g]) break;
    const iou = ious[d * objects.length + g]!;
    if (iou < bestIou) continue;
    bestIou = iou;
    best = g;
  }
  return best;
}

/** Intersection over union; over the detection's own area where the object is a crowd. */
function overlaps(detections: readonly CocoResult[], objects: readonly CocoAnnotation[]): Float64Array {
  const ious = new Float64Array(detections.length * objects.length);
  for (const [d, { bbox: a }] of detections.entries()) {
    for (const [g, object] of objects.entries()) {
      const b = object.bbox;
      const width = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]);
      const height = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]);
      if (width <= 0 || height <= 0) continue;
      const intersection = width * height;
      const union = isCrowd(object) ? a[2] * a[3] : a[2] * a[3] + b[2] * b[3] - intersection;
      ious[d * objects.length + g] = intersection / union;
    }
  }
  return ious;
}

/** True where the annotation marks a crowd, which counts neither as an object to find nor as a false alarm. */
export function isCrowd({ iscrowd }: CocoAnnotation): boolean {
  return iscrowd === 1 || iscrowd === true;
}

function areaOf({ area, bbox }: CocoAnnotation): number {
  return area ?? bbox[2] * bbox[3];
}

function outside(area: number, [min, max]: AreaRange): boolean {
  return area < min || area > max;
}
