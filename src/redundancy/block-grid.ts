import type { Sight } from './sight.js';

/** Blocks are of so many cells to a side: a far person is one or two. */
export const BLOCK_CELLS = 4;

/** The blocks of a thumbnail that show the picture, not its padding. Row by row; a mask of them has a byte a block. */
export interface BlockGrid {
  readonly columns: number;
  readonly rows: number;
  /** Cell where the first block begins. */
  readonly left: number;
  readonly top: number;
}

/** A part of the grid, whole blocks; right and bottom are not in it. */
export interface BlockArea {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export function gridOf({ thumbnail, fit, sourceSize }: Sight): BlockGrid {
  const { cellPx, columns, rows } = thumbnail;
  const left = Math.ceil(fit.padX / cellPx);
  const top = Math.ceil(fit.padY / cellPx);
  const right = Math.min(columns, Math.floor((fit.padX + sourceSize.width * fit.scaleX) / cellPx));
  const bottom = Math.min(rows, Math.floor((fit.padY + sourceSize.height * fit.scaleY) / cellPx));
  return { left, top, columns: Math.max(1, Math.floor((right - left) / BLOCK_CELLS)), rows: Math.max(1, Math.floor((bottom - top) / BLOCK_CELLS)) };
}

/**
 * Marks the blocks that a box touches.
 *
 * @param cells left, top, right, bottom from `at` on, in cells. @param margin of its sides that is marked with it, and `blocks` beside. @param flag 0 takes marks away.
 */
export function markBox(grid: BlockGrid, mask: Uint8Array, cells: Float32Array, at: number, margin: number, blocks: number, flag = 1): void {
  const { left, top, right, bottom } = blocksOf(grid, cells, at, margin, blocks);
  for (let row = top; row < bottom; row += 1) {
    if (right > left) mask.fill(flag, row * grid.columns + left, row * grid.columns + right);
  }
}

/** Whether a block that a box touches is marked. @param cells left, top, right, bottom from `at` on, in cells. */
export function hasMarked(grid: BlockGrid, mask: Uint8Array, cells: Float32Array, at: number): boolean {
  const { left, top, right, bottom } = blocksOf(grid, cells, at, 0, 0);
  for (let row = top; row < bottom; row += 1) {
    for (let column = left; column < right; column += 1) if (mask[row * grid.columns + column] === 1) return true;
  }
  return false;
}

function blocksOf(grid: BlockGrid, cells: Float32Array, at: number, margin: number, blocks: number): BlockArea {
  const marginX = margin * (cells[at + 2]! - cells[at]!) + blocks * BLOCK_CELLS;
  const marginY = margin * (cells[at + 3]! - cells[at + 1]!) + blocks * BLOCK_CELLS;
  return {
    left: Math.max(0, Math.floor((cells[at]! - marginX - grid.left) / BLOCK_CELLS)),
    top: Math.max(0, Math.floor((cells[at + 1]! - marginY - grid.top) / BLOCK_CELLS)),
    right: Math.min(grid.columns, Math.ceil((cells[at + 2]! + marginX - grid.left) / BLOCK_CELLS)),
    bottom: Math.min(grid.rows, Math.ceil((cells[at + 3]! + marginY - grid.top) / BLOCK_CELLS)),
  };
}

/** The mask with every block marked that has a marked one at most so many blocks away, in any of eight directions. */
export function dilate({ columns, rows }: BlockGrid, mask: Uint8Array, blocks: number): Uint8Array {
  const wide = new Uint8Array(mask.length);
  for (let at = mask.indexOf(1); at >= 0; at = mask.indexOf(1, at + 1)) {
    const column = at % columns;
    const row = (at - column) / columns;
    for (let y = Math.max(0, row - blocks); y <= Math.min(rows - 1, row + blocks); y += 1) {
      wide.fill(1, y * columns + Math.max(0, column - blocks), y * columns + Math.min(columns, column + blocks + 1));
    }
  }
  return wide;
}

/** The smallest area with all marked blocks; undefined where none is. */
export function boundsOf({ columns }: BlockGrid, mask: Uint8Array): BlockArea | undefined {
  let area: { left: number; top: number; right: number; bottom: number } | undefined;
  for (let block = 0; block < mask.length; block += 1) {
    if (mask[block] === 0) continue;
    const column = block % columns;
    const row = (block - column) / columns;
    area ??= { left: column, top: row, right: column, bottom: row };
    area.left = Math.min(area.left, column);
    area.right = Math.max(area.right, column + 1);
    area.bottom = row + 1;
  }
  return area;
}

export function countMarked(mask: Uint8Array): number {
  let count = 0;
  for (let block = 0; block < mask.length; block += 1) count += mask[block]!;
  return count;
}
