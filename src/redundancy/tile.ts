import type { Detections } from '../core/detections.js';
import { Frame } from '../core/frame.js';
import type { ImageFit } from '../core/image-fit.js';
import type { Size } from '../core/size.js';
import { areaOf, sharedArea } from './overlap.js';

/** A box that ends this near to the tile's border is taken for cut, pixels of the model input. */
const CUT_PX = 2;
/** So much of a cut box lies in a known one that it is a part of it. */
const PART_SHARE = 0.5;

/** A part of the model input, pixels. */
export interface Tile extends Size {
  readonly left: number;
  readonly top: number;
}

/** Left, top, right, bottom in pixels of the model input. */
export type PixelArea = readonly [left: number, top: number, right: number, bottom: number];

/** The tile around an area, the area in its middle as far as the input's borders allow; undefined where it doesn't fit in. */
export function placeTile([left, top, right, bottom]: PixelArea, tile: Size, input: Size): Tile | undefined {
  if (right - left > tile.width || bottom - top > tile.height) return undefined;
  const place = (low: number, high: number, side: number, whole: number): number => Math.round(Math.min(Math.max((low + high - side) / 2, 0), whole - side));
  return { left: place(left, right, tile.width, input.width), top: place(top, bottom, tile.height, input.height), ...tile };
}

/** The tile of a frame, as a frame of its own; boxes that are found in it are in pixels of the source picture all the same. @param bytes the caller's, 3 * width * height */
export function tileFrame(frame: Frame, tile: Tile, bytes: Uint8Array): Frame {
  cropPlanes(frame.pixels, frame.format.size, tile, bytes);
  const { source, sequence, ptsUs, capture, firstByteMs, arrivedMs, sourceSize, format, fit } = frame;
  const facts = { source, sequence, ptsUs, capture, firstByteMs, arrivedMs, sourceSize, format: { ...format, size: { width: tile.width, height: tile.height } }, fit: tileFit(fit, tile) };
  return new Frame(facts, { bytes, free: () => undefined });
}

function cropPlanes(planes: Uint8Array, size: Size, { left, top, width, height }: Tile, out: Uint8Array): void {
  for (let plane = 0; plane < 3; plane += 1) {
    for (let row = 0; row < height; row += 1) {
      const from = plane * size.width * size.height + (top + row) * size.width + left;
      out.set(planes.subarray(from, from + width), (plane * height + row) * width);
    }
  }
}

function tileFit(fit: ImageFit, { left, top }: Tile): ImageFit {
  return { ...fit, padX: fit.padX - left, padY: fit.padY - top };
}

/**
 * The boxes of a frame of which the model saw a tile. Inside, the found ones count; known boxes that reach out of the tile are kept. A
 * found box that the tile's border cuts is a part of a known one, or of something that the tile can't show.
 *
 * @param known where they are in this frame. @returns undefined where something is cut that isn't known: the whole picture has to be inferred.
 */
export function joinTile(known: Detections, found: Detections, tile: Tile, fit: ImageFit, sourceSize: Size): Detections | undefined {
  const inner = innerBorders(tile, fit, sourceSize);
  const kept = indicesOf(known).filter((i) => !isInside(known.xyxy, i, inner));
  const taken: number[] = [];
  for (const i of indicesOf(found)) {
    if (!touches(found.xyxy, i, inner)) taken.push(i);
    else if (!kept.some((j) => sharedArea(known.xyxy, j, found.xyxy, i) >= PART_SHARE * areaOf(found.xyxy, i))) return undefined;
  }
  return joined([
    [known, kept],
    [found, taken],
  ]);
}

/** Borders of the tile in pixels of the source picture, infinite where the picture ends there. */
interface InnerBorders {
  readonly low: readonly [number, number];
  readonly high: readonly [number, number];
  readonly tolerance: readonly [number, number];
}

function innerBorders({ left, top, width, height }: Tile, { scaleX, scaleY, padX, padY }: ImageFit, source: Size): InnerBorders {
  const low = (at: number): number => (at <= 0 ? Number.NEGATIVE_INFINITY : at);
  const high = (at: number, end: number): number => (at >= end ? Number.POSITIVE_INFINITY : at);
  return {
    low: [low((left - padX) / scaleX), low((top - padY) / scaleY)],
    high: [high((left + width - padX) / scaleX, source.width), high((top + height - padY) / scaleY, source.height)],
    tolerance: [CUT_PX / scaleX, CUT_PX / scaleY],
  };
}

function isInside(xyxy: Float32Array, i: number, { low, high }: InnerBorders): boolean {
  return [0, 1].every((axis) => xyxy[4 * i + axis]! >= low[axis]! && xyxy[4 * i + 2 + axis]! <= high[axis]!);
}

function touches(xyxy: Float32Array, i: number, { low, high, tolerance }: InnerBorders): boolean {
  return [0, 1].some((axis) => xyxy[4 * i + axis]! - low[axis]! <= tolerance[axis]! || high[axis]! - xyxy[4 * i + 2 + axis]! <= tolerance[axis]!);
}

function indicesOf({ count }: Detections): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** The chosen ones of several detections, most confident first. */
function joined(parts: readonly (readonly [Detections, readonly number[]])[]): Detections {
  const chosen = parts.flatMap(([detections, indices]) => indices.map((i) => ({ detections, i })));
  chosen.sort((a, b) => b.detections.confidence[b.i]! - a.detections.confidence[a.i]!);
  return {
    count: chosen.length,
    xyxy: Float32Array.from(chosen.flatMap(({ detections, i }) => [...detections.xyxy.subarray(4 * i, 4 * i + 4)])),
    confidence: Float32Array.from(chosen, ({ detections, i }) => detections.confidence[i]!),
    classId: Int32Array.from(chosen, ({ detections, i }) => detections.classId[i]!),
    boxesBeforeNms: parts.reduce((sum, [detections]) => sum + detections.boxesBeforeNms, 0),
  };
}
