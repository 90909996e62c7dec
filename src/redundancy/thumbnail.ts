import type { Size } from '../core/size.js';

/** The longer side has at most so many cells: enough for an object of a few pixels, few enough for the main thread. */
const MAX_SIDE_CELLS = 160;
const LEAST_CELL_PX = 2;

/** A small grey picture of a model input. */
export interface Thumbnail {
  readonly columns: number;
  readonly rows: number;
  /** Side of a cell, pixels of the model input; what is left over right and below belongs to no cell. */
  readonly cellPx: number;
  /** Grey level of each cell, 0 to 255, row by row. */
  readonly cells: Uint8Array;
}

/** Side of the cells of a picture's thumbnail, pixels. */
export function cellSizePx({ width, height }: Size): number {
  return Math.max(LEAST_CELL_PX, Math.ceil(Math.max(width, height) / MAX_SIDE_CELLS));
}

/**
 * The thumbnail of a picture. A cell's grey is (2 G + R + B) / 4 of four samples in it, one in each quarter: noise halves, and a picture of any
 * size costs about the same.
 *
 * @param planes G, B, R of `size` bytes each.
 */
export function takeThumbnail(planes: Uint8Array, size: Size): Thumbnail {
  const cellPx = cellSizePx(size);
  const columns = Math.floor(size.width / cellPx);
  const rows = Math.floor(size.height / cellPx);
  const cells = new Uint8Array(columns * rows);
  const { width } = size;
  const plane = width * size.height;
  const near = cellPx >> 2;
  const far = near + (cellPx >> 1);
  let cell = 0;
  for (let row = 0; row < rows; row += 1) {
    let upper = (row * cellPx + near) * width + near;
    let lower = (row * cellPx + far) * width + near;
    for (let column = 0; column < columns; column += 1) {
      const right = cellPx >> 1;
      const green = planes[upper]! + planes[lower + right]!;
      const blue = planes[plane + lower]!;
      const red = planes[2 * plane + upper + right]!;
      cells[cell] = (green + blue + red + 2) >> 2;
      cell += 1;
      upper += cellPx;
      lower += cellPx;
    }
  }
  return { columns, rows, cellPx, cells };
}
