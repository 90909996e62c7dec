import type { Frame } from '../core/frame.js';
import type { ImageFit } from '../core/image-fit.js';
import type { Size } from '../core/size.js';
import { takeThumbnail, type Thumbnail } from './thumbnail.js';

/** What is kept of a frame after its pixels are gone. */
export interface Sight {
  readonly thumbnail: Thumbnail;
  /** The model input that the thumbnail is of. */
  readonly inputSize: Size;
  /** Where the source picture lies in it. */
  readonly fit: ImageFit;
  readonly sourceSize: Size;
  /** Presentation time, microseconds. */
  readonly ptsUs: number;
}

/** Reads the frame's pixels: the caller has it. About 0.1 ms. */
export function sightOf({ pixels, format, fit, sourceSize, ptsUs }: Pick<Frame, 'pixels' | 'format' | 'fit' | 'sourceSize' | 'ptsUs'>): Sight {
  return { thumbnail: takeThumbnail(pixels, format.size), inputSize: format.size, fit, sourceSize, ptsUs };
}

/** Whether two sights show the same way of looking: only then cells can be compared. */
export function areComparable(a: Sight, b: Sight): boolean {
  return (
    a.thumbnail.columns === b.thumbnail.columns &&
    a.thumbnail.rows === b.thumbnail.rows &&
    a.thumbnail.cellPx === b.thumbnail.cellPx &&
    a.sourceSize.width === b.sourceSize.width &&
    a.sourceSize.height === b.sourceSize.height &&
    a.fit.padX === b.fit.padX &&
    a.fit.padY === b.fit.padY
  );
}

/** Boxes of the source picture in cells of its thumbnail, 4 numbers a box, with fractions. */
export function toCells({ thumbnail: { cellPx }, fit }: Sight, xyxy: Float32Array, count: number): Float32Array {
  const cells = new Float32Array(4 * count);
  for (let at = 0; at < 4 * count; at += 2) {
    cells[at] = (xyxy[at]! * fit.scaleX + fit.padX) / cellPx;
    cells[at + 1] = (xyxy[at + 1]! * fit.scaleY + fit.padY) / cellPx;
  }
  return cells;
}
