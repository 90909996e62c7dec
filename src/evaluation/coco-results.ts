import type { Detections } from '../core/detections.js';
import type { CocoCategory, CocoResult } from './coco-dataset.js';

/**
 * The category of each label, found by name: labels count from 0 without gaps, COCO's category ids run to 90 with gaps.
 * Undefined for a label that the dataset doesn't have.
 */
export function categoryIdsOfLabels(labels: readonly string[], categories: readonly CocoCategory[]): (number | undefined)[] {
  const byName = new Map(categories.map(({ id, name }) => [normalName(name), id]));
  return labels.map((label) => byName.get(normalName(label)));
}

/** Detections of one picture in COCO's format; those whose label is no category of the dataset are left out. */
export function toCocoResults(imageId: number, { count, xyxy, confidence, classId }: Detections, categoryIds: readonly (number | undefined)[]): CocoResult[] {
  const results: CocoResult[] = [];
  for (let i = 0; i < count; i += 1) {
    const category = categoryIds[classId[i]!];
    if (category === undefined) continue;
    const left = xyxy[i * 4]!;
    const top = xyxy[i * 4 + 1]!;
    const bbox = [left, top, xyxy[i * 4 + 2]! - left, xyxy[i * 4 + 3]! - top] as const;
    results.push({ image_id: imageId, category_id: category, bbox, score: confidence[i]! });
  }
  return results;
}

/** Darknet's names that differ from COCO's own. */
const DARKNET_NAMES: Readonly<Record<string, string>> = {
  motorbike: 'motorcycle',
  aeroplane: 'airplane',
  sofa: 'couch',
  pottedplant: 'potted plant',
  diningtable: 'dining table',
  tvmonitor: 'tv',
};

function normalName(name: string): string {
  const plain = name.trim().toLowerCase().replace(/[_-]/g, ' ');
  return DARKNET_NAMES[plain] ?? plain;
}
