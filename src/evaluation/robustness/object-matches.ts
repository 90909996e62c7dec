import type { CocoDataset } from '../coco-dataset.js';
import { isCrowd } from '../match.js';
import { areaOf, type FoundBox, intersectionOf, iouOf, type RunOutcome, xywhToXyxy } from './run-outcome.js';

/** A box that overlaps an object by so much has found it. */
export const FOUND_IOU = 0.5;

/** What is judged: objects and boxes of these categories, boxes from this score on. */
export interface OperatingPoint {
  /** COCO's ids. */
  readonly categories: readonly number[];
  /** 0 to 1: the score from which on a user acts on a box. */
  readonly threshold: number;
}

/** What became of the objects of a dataset in one run, at a user's threshold. Objects are named by their places in its annotations. */
export interface ObjectMatches {
  /** Objects that count: of the categories, no crowds. */
  readonly objects: readonly number[];
  /** By a box of their own class. */
  readonly found: ReadonlySet<number>;
  /** Not found, but there is a box of another class at the same place. */
  readonly misclassified: ReadonlySet<number>;
  /** By picture: boxes of the categories that overlap no object by `FOUND_IOU` (and lie in no crowd). */
  readonly hallucinations: ReadonlyMap<number, readonly FoundBox[]>;
  /** Boxes of the categories at or above the threshold. */
  readonly detections: number;
}

/** An annotation with its place and corners. */
interface PlacedObject {
  readonly place: number;
  readonly categoryId: number;
  readonly xyxy: readonly number[];
  readonly crowd: boolean;
}

/** Gives boxes to objects within each picture: each box, most confident first, takes the free object of its class that it overlaps most. */
export function matchObjects(run: RunOutcome, truth: CocoDataset, { categories, threshold }: OperatingPoint): ObjectMatches {
  const scored = new Set(categories);
  const byImage = objectsByImage(truth);
  const found = new Set<number>();
  const misclassified = new Set<number>();
  const hallucinations = new Map<number, readonly FoundBox[]>();
  let detections = 0;
  for (const { imageId, boxes } of run) {
    const objects = byImage.get(imageId) ?? [];
    const believed = boxes.filter(({ score }) => score >= threshold).sort((a, b) => b.score - a.score);
    const own = believed.filter(({ categoryId }) => categoryId !== undefined && scored.has(categoryId));
    const targets = objects.filter(({ categoryId, crowd }) => !crowd && scored.has(categoryId));
    for (const place of foundIn(own, targets)) found.add(place);
    for (const { place, categoryId, xyxy } of targets) {
      if (!found.has(place) && believed.some((box) => box.categoryId !== categoryId && iouOf(box.xyxy, xyxy) >= FOUND_IOU)) misclassified.add(place);
    }
    hallucinations.set(imageId, own.filter((box) => !objects.some((object) => isOn(box, object))));
    detections += own.length;
  }
  return { objects: countingObjects(truth, scored), found, misclassified, hallucinations, detections };
}

function objectsByImage({ annotations }: CocoDataset): Map<number, PlacedObject[]> {
  const byImage = new Map<number, PlacedObject[]>();
  annotations.forEach((annotation, place) => {
    const object = { place, categoryId: annotation.category_id, xyxy: xywhToXyxy(annotation.bbox), crowd: isCrowd(annotation) };
    const others = byImage.get(annotation.image_id);
    if (others) others.push(object);
    else byImage.set(annotation.image_id, [object]);
  });
  return byImage;
}

function countingObjects({ annotations }: CocoDataset, scored: ReadonlySet<number>): number[] {
  return annotations.flatMap((annotation, place) => (scored.has(annotation.category_id) && !isCrowd(annotation) ? [place] : []));
}

/** Places of the objects that are found. @param boxes most confident first. */
function foundIn(boxes: readonly FoundBox[], objects: readonly PlacedObject[]): Set<number> {
  const found = new Set<number>();
  for (const { xyxy, categoryId } of boxes) {
    let best: { place: number; iou: number } | undefined;
    for (const object of objects) {
      if (object.categoryId !== categoryId || found.has(object.place)) continue;
      const iou = iouOf(xyxy, object.xyxy);
      if (iou >= FOUND_IOU && iou > (best?.iou ?? 0)) best = { place: object.place, iou };
    }
    if (best) found.add(best.place);
  }
  return found;
}

/** As COCO has it, a crowd's overlap counts over the box's own area. */
function isOn({ xyxy }: FoundBox, object: PlacedObject): boolean {
  const overlap = object.crowd ? intersectionOf(xyxy, object.xyxy) / areaOf(xyxy) : iouOf(xyxy, object.xyxy);
  return overlap >= FOUND_IOU;
}
