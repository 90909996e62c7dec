import { posix } from 'node:path';
import { AppError } from '../core/errors.js';
import { SeededRandom } from '../core/seeded-random.js';
import type { Size } from '../core/size.js';
import type { Dataset, GroundTruthBox } from '../sources/dataset/dataset.js';
import { smoothTrack } from './carried.js';
import { type BackgroundPlacement, checkPlacement, drawLook, type ObjectPlacement, patchBounds, patchPolygon, type PastePlacement, placeInScene, placeOnBox, type PlacedPatch, type ScenePlacement, type Xywh } from './placement.js';

/** Where one patch lies in one picture. */
export interface PatchRegion {
  readonly imageId: number;
  /** Who carries it: the track where there are tracks, else the place of its box in the dataset, from 1; undefined in the scene. */
  readonly objectId: number | undefined;
  /** Of its part in the picture: left, top, right, bottom, pixels. */
  readonly xyxy: readonly [number, number, number, number];
  /** Four corners, x and y in turn; may lie outside of the picture. */
  readonly polygon: readonly number[];
}

export interface PlannedPatch extends PatchRegion {
  readonly placed: PlacedPatch;
  /** Box of the object that carries it, as annotated; undefined in the scene. */
  readonly carrier: Xywh | undefined;
}

export interface PlanOptions {
  readonly dataset: Dataset;
  readonly placement: PastePlacement;
  readonly seed: number;
  /** Names of the categories whose objects carry patches; `person` where absent. */
  readonly categories?: readonly string[] | undefined;
}

/** A nearer object that covers so much of a patch hides it. */
const HIDDEN_SHARE = 0.5;
/** A patch of fewer pixels isn't seen. */
const LEAST_SIDE_PX = 2;
/** Random places that are compared for one away from objects. */
const PLACES_TRIED = 64;
/** Apart from the draws of looks. */
const PLACES_STREAM = 1;

/**
 * Where every patch goes, by image id, those that are drawn later (nearer to the camera) last. The same for the same data and seed.
 *
 * In a recording patches are carried: one look for a track, moving with its smoothed box, gone where somebody nearer stands in front.
 *
 * @throws AppError ERR_USAGE (placement out of range), ERR_DATASET_INVALID (no category of these names, or no object of them).
 */
export function planPatches(options: PlanOptions): Map<number, PlannedPatch[]> {
  checkPlacement(options.placement);
  const { placement } = options;
  switch (placement.on) {
    case 'objects':
      return planOnObjects(options, placement);
    case 'scene':
      return planInScene(options, placement);
    case 'background':
      return planOnBackground(options, placement);
  }
}

interface Carrier {
  readonly box: GroundTruthBox;
  /** Of the track, or of the box where there is none. */
  readonly identity: number;
  /** Smoothed where it is tracked. */
  readonly xywh: Xywh;
}

function planOnObjects({ dataset, seed, categories = ['person'] }: PlanOptions, placement: ObjectPlacement): Map<number, PlannedPatch[]> {
  const sizes = pictureSizes(dataset);
  const carriers = findCarriers(dataset, categories);
  const others = groupBy(dataset.boxes.filter(({ crowd }) => !crowd), ({ imageId }) => imageId);
  const planned = new Map<number, PlannedPatch[]>();
  for (const [imageId, group] of groupBy(carriers, ({ box }) => box.imageId)) {
    const size = sizes.get(imageId);
    if (!size) continue;
    const nearestLast = group.toSorted((a, b) => bottom(a.box.xywh) - bottom(b.box.xywh) || a.identity - b.identity);
    const patches = nearestLast.flatMap(({ box, identity, xywh }) => {
      const placed = placeOnBox(xywh, placement.above, drawLook(placement, seed, identity));
      const patch = plannedPatch(imageId, placed, size, { identity, xywh: box.xywh });
      const isHidden = patch && dataset.frameRateFps !== undefined && isCovered(patch, others.get(imageId) ?? [], box);
      return patch && !isHidden && placed.sidePx >= LEAST_SIDE_PX ? [patch] : [];
    });
    if (patches.length > 0) planned.set(imageId, patches);
  }
  if (planned.size === 0) throw new AppError('ERR_DATASET_INVALID', `${dataset.folder}: no ${categories.join(' or ')} is large enough to carry a patch.`);
  return planned;
}

/** @throws AppError ERR_DATASET_INVALID */
function findCarriers(dataset: Dataset, names: readonly string[]): Carrier[] {
  const wanted = new Set(dataset.categories.filter(({ name }) => names.includes(name)).map(({ id }) => id));
  const known = dataset.categories.map(({ name }) => name).join(', ');
  if (wanted.size === 0) throw new AppError('ERR_DATASET_INVALID', `Expected objects of ${names.join(' or ')} in ${dataset.folder} but it has ${known || 'no annotations'}.`, { fix: 'Name a label that the dataset has, or a dataset with boxes.' });
  const chosen = dataset.boxes.map((box, index) => ({ box, index })).filter(({ box }) => wanted.has(box.categoryId) && !box.crowd && !box.ignore);
  if (chosen.length === 0) throw new AppError('ERR_DATASET_INVALID', `${dataset.folder} has no object of ${names.join(' or ')} that counts.`, { fix: 'Name a label that the dataset has.' });
  const { frameRateFps } = dataset;
  const single = chosen.map(({ box, index }): Carrier => ({ box, identity: box.trackId ?? index + 1, xywh: box.xywh }));
  if (frameRateFps === undefined) return single;
  // Sequences of one dataset count their tracks each from the start.
  const sequences = new Map(dataset.images.map(({ id, fileName }) => [id, posix.dirname(fileName)]));
  const tracks = groupBy(single, ({ box, identity }) => `${sequences.get(box.imageId)}/${box.trackId === undefined ? 'none' : 'track'}/${identity}`);
  return [...tracks.values()].flatMap((track) => {
    const inOrder = track.toSorted((a, b) => a.box.imageId - b.box.imageId);
    const smoothed = smoothTrack(inOrder.map(({ box: { imageId, xywh } }) => ({ frame: imageId, xywh })), frameRateFps);
    return inOrder.map((carrier, i) => ({ ...carrier, xywh: smoothed[i]! }));
  });
}

/** A nearer object (its box ends lower) lies over most of the patch. */
function isCovered({ xyxy }: PlannedPatch, boxes: readonly GroundTruthBox[], own: GroundTruthBox): boolean {
  const area = (xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1]);
  return boxes.some((box) => box !== own && bottom(box.xywh) > bottom(own.xywh) && sharedArea(xyxy, box.xywh) > HIDDEN_SHARE * area);
}

function planInScene({ dataset, seed }: PlanOptions, placement: ScenePlacement): Map<number, PlannedPatch[]> {
  const look = drawLook(placement, seed, 0);
  return mapPictures(dataset, (imageId, size) => [plannedPatch(imageId, placeInScene(size, placement.at, look), size)]);
}

function planOnBackground({ dataset, seed }: PlanOptions, placement: BackgroundPlacement): Map<number, PlannedPatch[]> {
  const boxes = groupBy(dataset.boxes, ({ imageId }) => imageId);
  const isRecording = dataset.frameRateFps !== undefined;
  const everywhere = isRecording ? dataset.boxes.map(({ xywh }) => xywh) : [];
  return mapPictures(dataset, (imageId, size) => {
    const identity = isRecording ? 0 : imageId;
    const obstacles = isRecording ? [...everywhere] : (boxes.get(imageId) ?? []).map(({ xywh }) => xywh);
    const random = new SeededRandom(seed, Math.imul(identity + 1, 0x85ebca6b) + PLACES_STREAM);
    return Array.from({ length: placement.perImage }, (_, i) => {
      const look = drawLook(placement, seed, identity * placement.perImage + i);
      const placed = freestPlace(size, look, obstacles, random);
      const [left, top, right, low] = squareAround(placed);
      obstacles.push([left, top, right - left, low - top]);
      return plannedPatch(imageId, placed, size);
    });
  });
}

/** Of some random places the one that shares least with objects; wholly inside of the picture. */
function freestPlace(size: Size, look: ReturnType<typeof drawLook>, obstacles: readonly Xywh[], random: SeededRandom): PlacedPatch {
  let [best, bestShared] = [placeInScene(size, [0.5, 0.5], look), Number.POSITIVE_INFINITY];
  const [left, top, right, low] = squareAround(best);
  const [marginX, marginY] = [Math.min(0.5, (right - left) / 2 / size.width), Math.min(0.5, (low - top) / 2 / size.height)];
  for (let i = 0; i < PLACES_TRIED; i += 1) {
    const placed = placeInScene(size, [random.uniform(marginX, 1 - marginX), random.uniform(marginY, 1 - marginY)], look);
    const square = squareAround(placed);
    const shared = obstacles.reduce((sum, box) => sum + sharedArea(square, box), 0);
    if (shared < bestShared) [best, bestShared] = [placed, shared];
  }
  return best;
}

function squareAround(placed: PlacedPatch): [number, number, number, number] {
  const polygon = patchPolygon(placed);
  const half = Math.max(...polygon.map((value, i) => Math.abs(value - (i % 2 === 0 ? placed.centreX : placed.centreY))));
  return [placed.centreX - half, placed.centreY - half, placed.centreX + half, placed.centreY + half];
}

function plannedPatch(imageId: number, placed: PlacedPatch, size: Size, carrier?: { readonly identity: number; readonly xywh: Xywh }): PlannedPatch | undefined {
  const xyxy = patchBounds(placed, size);
  return xyxy && { imageId, objectId: carrier?.identity, xyxy, polygon: patchPolygon(placed), placed, carrier: carrier?.xywh };
}

function mapPictures(dataset: Dataset, plan: (imageId: number, size: Size) => (PlannedPatch | undefined)[]): Map<number, PlannedPatch[]> {
  return new Map([...pictureSizes(dataset)].map(([imageId, size]) => [imageId, plan(imageId, size).filter((patch) => patch !== undefined)]));
}

function pictureSizes({ images }: Dataset): Map<number, Size> {
  return new Map(images.flatMap(({ id, size }) => (size ? [[id, size] as const] : [])));
}

function sharedArea([left, top, right, low]: readonly [number, number, number, number], [x, y, width, height]: Xywh): number {
  return Math.max(0, Math.min(right, x + width) - Math.max(left, x)) * Math.max(0, Math.min(low, y + height) - Math.max(top, y));
}

function bottom([, top, , height]: Xywh): number {
  return top + height;
}

function groupBy<T, Key>(items: readonly T[], keyOf: (item: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
