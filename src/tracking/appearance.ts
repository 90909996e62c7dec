import type { Detections } from '../core/detections.js';
import type { Frame } from '../core/frame.js';

/*
 * What a box looks like: the mean colour of four bands from head to foot. A dozen numbers tell neighbours of different clothes apart, which
 * overlap alone can't. They are read from the model's input at a few points, so a box of any size costs the same: 64 points, about a microsecond.
 */

const BANDS = 4;
const CHANNELS = 3;
const POINTS_ACROSS = 4;
const POINTS_DOWN = 4;
/** The middle of a box is its object, the margins are mostly what is behind. */
const MARGIN_ACROSS = 0.25;
const MARGIN_DOWN = 0.08;

/** Numbers that describe a box, each 0 to 255. */
export const APPEARANCE_LENGTH = BANDS * CHANNELS;

/** What of a frame is looked at. */
export type SeenFrame = Pick<Frame, 'pixels' | 'format' | 'fit'>;

/** What the boxes of a frame look like. @returns `APPEARANCE_LENGTH` numbers a box */
export function describeBoxes({ pixels, format: { size }, fit }: SeenFrame, { count, xyxy }: Pick<Detections, 'count' | 'xyxy'>): Float32Array {
  const out = new Float32Array(count * APPEARANCE_LENGTH);
  const plane = size.width * size.height;
  for (let i = 0; i < count; i += 1) {
    const left = xyxy[4 * i]! * fit.scaleX + fit.padX;
    const top = xyxy[4 * i + 1]! * fit.scaleY + fit.padY;
    const width = (xyxy[4 * i + 2]! - xyxy[4 * i]!) * fit.scaleX;
    const height = (xyxy[4 * i + 3]! - xyxy[4 * i + 1]!) * fit.scaleY;
    for (let row = 0; row < BANDS * POINTS_DOWN; row += 1) {
      const y = within(top + height * along(MARGIN_DOWN, row, BANDS * POINTS_DOWN), size.height);
      const band = i * APPEARANCE_LENGTH + Math.floor(row / POINTS_DOWN) * CHANNELS;
      for (let column = 0; column < POINTS_ACROSS; column += 1) {
        const at = y * size.width + within(left + width * along(MARGIN_ACROSS, column, POINTS_ACROSS), size.width);
        for (let channel = 0; channel < CHANNELS; channel += 1) out[band + channel]! += pixels[channel * plane + at]! / (POINTS_ACROSS * POINTS_DOWN);
      }
    }
  }
  return out;
}

/** Mean absolute difference of two descriptions, levels of 0 to 255. @param a and `b` start at `fromA` and `fromB` */
export function appearanceDistance(a: Float32Array, fromA: number, b: Float32Array, fromB: number): number {
  let sum = 0;
  for (let i = 0; i < APPEARANCE_LENGTH; i += 1) sum += Math.abs(a[fromA + i]! - b[fromB + i]!);
  return sum / APPEARANCE_LENGTH;
}

/** Of the way from one side to the other without the margins: the middle of the part `index` of `parts`. */
function along(margin: number, index: number, parts: number): number {
  return margin + ((1 - 2 * margin) * (index + 0.5)) / parts;
}

function within(position: number, length: number): number {
  return Math.min(length - 1, Math.max(0, Math.floor(position)));
}
