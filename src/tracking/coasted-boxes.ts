import type { Size } from '../core/size.js';
import type { CoastingTrack } from './byte-tracker.js';

/** Where an object is expected that isn't seen just now. */
export interface CoastedBox {
  readonly trackId: number;
  readonly classId: number;
  /** Of the last box that was seen, 0 to 1. */
  readonly confidence: number;
  /** Corners within the picture, pixels of the source. */
  readonly xyxy: readonly [number, number, number, number];
}

/**
 * The boxes of tracks that coast, cut at the borders of the picture. Where the middle is beyond a border, the object has left and has none.
 *
 * @param picture size of the source picture, pixels
 */
export function coastedBoxes(tracks: readonly CoastingTrack[], { width, height }: Size): CoastedBox[] {
  const boxes: CoastedBox[] = [];
  for (const { id, classId, confidence, box } of tracks) {
    const [left, top, right, bottom] = [box[0]!, box[1]!, box[2]!, box[3]!];
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    if (x <= 0 || x >= width || y <= 0 || y >= height) continue;
    boxes.push({ trackId: id, classId, confidence, xyxy: [Math.max(0, left), Math.max(0, top), Math.min(width, right), Math.min(height, bottom)] });
  }
  return boxes;
}
