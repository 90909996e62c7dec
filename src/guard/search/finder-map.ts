import type { Size } from '../../core/size.js';
import type { InputRegion } from '../region.js';
import { regionIou } from './region-geometry.js';

/** Pixels a side of the cells that the finder speaks of. */
export const FINDER_STRIDE = 4;

/** What the finder says of a picture, row by row. Only borrowed. */
export interface FinderMap {
  readonly columns: number;
  readonly rows: number;
  /** `rows * columns`: natural logarithm of the odds that the centre of something pasted in lies in the cell. */
  readonly centre: Float32Array;
  /** `4 * rows * columns`: pixels from the cell's middle to the left, top, right and bottom side of what has its centre there. */
  readonly sides: Float32Array;
}

/** A place where something may be pasted in. */
export interface FoundRegion {
  /** Inside of the picture; its sides lie between pixels. */
  readonly region: InputRegion;
  readonly logOdds: number;
}

export interface DecodeOptions {
  /** Log odds that a centre has at least. */
  readonly floor?: number;
  /** Regions at most. */
  readonly most?: number;
}

/** One in four hundred. What is worth a look is decided later and by more than this: here it is only about time. */
const FLOOR = -6;
const MOST_REGIONS = 12;
/** Regions that overlap by more are one. */
const SAME_IOU = 0.5;
/** Smaller ones can't be told from a pixel that is off. */
const LEAST_SIDE_PX = 4;
/** Beyond, the finder is sure, and by how much says nothing. */
const MOST_LOG_ODDS = 8;

/**
 * The regions that the finder is most certain of, most certain first: local maxima of `centre` among their eight neighbours (of equals the
 * first one in the order of reading), cut at the borders of the picture, each place once. What isn't finite is no centre.
 */
export function decodeFinder(map: FinderMap, size: Size, { floor = FLOOR, most = MOST_REGIONS }: DecodeOptions = {}): FoundRegion[] {
  const kept: FoundRegion[] = [];
  for (const cell of peaks(map, floor)) {
    if (kept.length >= most) break;
    const region = regionAt(map, cell, size);
    if (region && !kept.some((other) => regionIou(other.region, region) > SAME_IOU)) kept.push({ region, logOdds: map.centre[cell]! });
  }
  return kept;
}

/**
 * The largest log odds of a centre in the middle of a region (half its width and height), from -8 to 8: whether the finder, too, would say
 * that something lies there.
 */
export function finderLogOdds({ columns, rows, centre }: FinderMap, { left, top, right, bottom }: InputRegion): number {
  const [firstColumn, lastColumn] = middleCells(left, right, columns);
  const [firstRow, lastRow] = middleCells(top, bottom, rows);
  let largest = -MOST_LOG_ODDS;
  for (let row = firstRow; row <= lastRow; row += 1) {
    for (let column = firstColumn; column <= lastColumn; column += 1) {
      const logOdds = centre[row * columns + column]!;
      if (logOdds > largest) largest = logOdds;
    }
  }
  return Math.min(MOST_LOG_ODDS, largest);
}

/** Cells of the local maxima, greatest first. */
function peaks({ columns, rows, centre }: FinderMap, floor: number): number[] {
  const cells: number[] = [];
  for (let row = 0, cell = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1, cell += 1) {
      if (centre[cell]! >= floor && centre[cell]! < Number.POSITIVE_INFINITY && isPeak(centre, columns, rows, column, row)) cells.push(cell);
    }
  }
  return cells.sort((a, b) => centre[b]! - centre[a]! || a - b);
}

function isPeak(centre: Float32Array, columns: number, rows: number, column: number, row: number): boolean {
  const cell = row * columns + column;
  const own = centre[cell]!;
  for (let y = Math.max(0, row - 1); y <= Math.min(rows - 1, row + 1); y += 1) {
    for (let x = Math.max(0, column - 1); x <= Math.min(columns - 1, column + 1); x += 1) {
      const other = y * columns + x;
      if (centre[other]! > own || (centre[other] === own && other < cell)) return false;
    }
  }
  return true;
}

/** Undefined where what is left inside of the picture is too small to be anything, or no rectangle. */
function regionAt({ columns, rows, sides }: FinderMap, cell: number, { width, height }: Size): InputRegion | undefined {
  const cells = columns * rows;
  const x = ((cell % columns) + 0.5) * FINDER_STRIDE;
  const y = (Math.floor(cell / columns) + 0.5) * FINDER_STRIDE;
  const region = {
    left: Math.max(0, x - sides[cell]!),
    top: Math.max(0, y - sides[cell + cells]!),
    right: Math.min(width, x + sides[cell + 2 * cells]!),
    bottom: Math.min(height, y + sides[cell + 3 * cells]!),
  };
  // Written so that what isn't a number is refused, too.
  return region.right - region.left >= LEAST_SIDE_PX && region.bottom - region.top >= LEAST_SIDE_PX ? region : undefined;
}

/** First and last of the cells whose middles lie in the middle half from `from` to `to`; the nearest one where there is none. */
function middleCells(from: number, to: number, cells: number): [first: number, last: number] {
  const quarter = (to - from) / 4;
  const first = Math.ceil((from + quarter) / FINDER_STRIDE - 0.5);
  const last = Math.floor((to - quarter) / FINDER_STRIDE - 0.5);
  const inside = (cell: number): number => Math.min(Math.max(cell, 0), cells - 1);
  if (last >= first) return [inside(first), inside(last)];
  const nearest = inside(Math.floor((from + to) / 2 / FINDER_STRIDE));
  return [nearest, nearest];
}
