import type { Size } from '../../core/size.js';

/** Meaning of the four numbers of a box. `xywh` is left, top, width, height. */
export type BoxOrder = 'cxcywh' | 'xyxy' | 'yxyx' | 'xywh';

export const BOX_ORDERS: readonly BoxOrder[] = ['cxcywh', 'xyxy', 'yxyx', 'xywh'];

/** How four numbers are a box of the model input. */
export interface BoxConvention {
  /** `grid` is YOLOX's: offset to the cell and logarithm of the size, both in strides. */
  readonly order: BoxOrder | 'grid';
  /** In fractions of width and height instead of pixels. */
  readonly normalised: boolean;
}

/** Four columns of a tensor, row by row. */
export interface BoxColumns {
  readonly data: Float32Array;
  readonly rows: number;
  /** Elements from one row to the next, and from one of the four columns to the next. */
  readonly rowStep: number;
  readonly columnStep: number;
}

export interface BoxGrid {
  readonly strides: readonly number[];
  readonly perCell: number;
  readonly size: Size;
}

export interface ConventionEvidence {
  readonly convention: BoxConvention;
  /** Median distance of a box's centre from the cell that its row belongs to, in strides. */
  readonly distance: number;
  /** The same of the next best reading. */
  readonly nextDistance: number;
}

const SAMPLED_ROWS = 2000;
/** A dense head's boxes lie around their cells; farther than this in the median they were read wrongly. Strides. */
const FARTHEST = 3;
/** How many times nearer than the next reading the best one has to be. */
const CLEARLY = 1.5;
/** Readings that give so many boxes of no size are none. */
const MOST_EMPTY = 0.1;

/**
 * Tells how the boxes of a dense head are written down by where they lie: a row belongs to a cell of the grid, and only the right
 * reading puts the box's centre near that cell. Undefined where no reading does, or more than one.
 */
export function boxConvention(columns: BoxColumns, grid: BoxGrid, candidates: readonly BoxConvention[] = candidatesFor(grid)): ConventionEvidence | undefined {
  if (isConstant(columns)) return undefined;
  const layouts = cellLayouts(grid);
  const readings = candidates
    .map((convention) => ({ convention, distance: distanceOf(convention, columns, layouts, grid.size) }))
    .sort((a, b) => a.distance - b.distance);
  const [best, next] = readings;
  if (!best || !(best.distance <= FARTHEST)) return undefined;
  const rival = next ?? { distance: Infinity };
  return rival.distance > CLEARLY * best.distance ? { ...best, nextDistance: rival.distance } : undefined;
}

/** `xywh` only by the user's word: a corner of small boxes is as near to their cells as their middle, and hardly an export has it. */
const DECODED: readonly BoxConvention[] = (['cxcywh', 'xyxy', 'yxyx'] as const).flatMap((order) => [false, true].map((normalised): BoxConvention => ({ order, normalised })));

/** Boxes of anchors have no undecoded reading without them. */
function candidatesFor({ perCell }: BoxGrid): readonly BoxConvention[] {
  return perCell === 1 ? [...DECODED, { order: 'grid', normalised: false }] : DECODED;
}

/** Numbers that are all the same are no boxes: they prove nothing. */
function isConstant({ data, rows, rowStep, columnStep }: BoxColumns): boolean {
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < 4; column += 1) if (data[row * rowStep + column * columnStep] !== data[0]) return false;
  }
  return true;
}

/** Cell of every row: column, row, stride. */
type Cells = Float32Array;

/** Exporters walk the scales from fine to coarse or back, and the anchors of a cell outside or inside of the cells. */
function cellLayouts({ strides, perCell, size }: BoxGrid): Cells[] {
  const fineFirst = [...strides].sort((a, b) => a - b);
  const orders = strides.length > 1 ? [fineFirst, fineFirst.toReversed()] : [fineFirst];
  return orders.flatMap((order) => (perCell === 1 ? [true] : [true, false]).map((anchorsOutside) => cellsOf(order, perCell, size, anchorsOutside)));
}

function cellsOf(strides: readonly number[], perCell: number, { width, height }: Size, anchorsOutside: boolean): Cells {
  const cells: number[] = [];
  for (const stride of strides) {
    const [gridWidth, gridHeight] = [Math.ceil(width / stride), Math.ceil(height / stride)];
    const count = gridWidth * gridHeight;
    for (let i = 0; i < count * perCell; i += 1) {
      const cell = anchorsOutside ? i % count : Math.floor(i / perCell);
      cells.push(cell % gridWidth, Math.floor(cell / gridWidth), stride);
    }
  }
  return Float32Array.from(cells);
}

/** In the layout that it fits best; Infinity where a size grows with the place of its cell in any of them. */
function distanceOf(convention: BoxConvention, columns: BoxColumns, layouts: readonly Cells[], size: Size): number {
  const readings = layouts.map((cells) => medianDistance(columns, cells, convention, size));
  return readings.includes(undefined) ? Infinity : Math.min(...(readings as number[]));
}

/** Undefined where what should be a size (or an offset) is a coordinate. */
function medianDistance({ data, rows, rowStep, columnStep }: BoxColumns, cells: Cells, convention: BoxConvention, size: Size): number | undefined {
  if (cells.length !== rows * 3) return Infinity;
  const step = Math.max(1, Math.floor(rows / SAMPLED_ROWS));
  const distances: number[] = [];
  const [cellPlaces, firstColumn, widths]: [number[], number[], number[]] = [[], [], []];
  let empty = 0;
  for (let row = 0; row < rows; row += step) {
    const at = row * rowStep;
    const four = [data[at]!, data[at + columnStep]!, data[at + 2 * columnStep]!, data[at + 3 * columnStep]!] as const;
    const [cellX, cellY, stride] = [cells[3 * row]!, cells[3 * row + 1]!, cells[3 * row + 2]!];
    const [x, y, w, h] = readBox(four, convention, size, cellX, cellY, stride);
    if (!(w > 0 && h > 0)) empty += 1;
    distances.push(Math.hypot(x / stride - cellX - 0.5, y / stride - cellY - 0.5));
    cellPlaces.push((cellX + 0.5) * stride);
    firstColumn.push(data[at]!);
    widths.push(w);
  }
  if (empty > MOST_EMPTY * distances.length || distances.some(Number.isNaN)) return Infinity;
  // Offsets to cells and sizes don't grow from the left to the right; coordinates do, though they may lie in the same range.
  const mustNotFollow = convention.order === 'grid' ? firstColumn : widths;
  if (Math.abs(correlation(cellPlaces, mustNotFollow)) > FOLLOWING) return undefined;
  return distances.sort((a, b) => a - b)[distances.length >> 1] ?? Infinity;
}

/** Correlation from which on a column is a coordinate. */
const FOLLOWING = 0.75;

/** Pearson's; 0 where either is constant. */
function correlation(xs: readonly number[], ys: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(xs), mean(ys)];
  let [xx, yy, xy] = [0, 0, 0];
  for (const [i, x] of xs.entries()) {
    xx += (x - meanX) ** 2;
    yy += (ys[i]! - meanY) ** 2;
    xy += (x - meanX) * (ys[i]! - meanY);
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : 0;
}

type Four = readonly [number, number, number, number];

/** Centre and size in pixels. */
function readBox([a, b, c, d]: Four, { order, normalised }: BoxConvention, { width, height }: Size, cellX: number, cellY: number, stride: number): Four {
  const [sx, sy] = normalised ? [width, height] : [1, 1];
  switch (order) {
    case 'cxcywh':
      return [a * sx, b * sy, c * sx, d * sy];
    case 'xywh':
      return [(a + c / 2) * sx, (b + d / 2) * sy, c * sx, d * sy];
    case 'xyxy':
      return [((a + c) / 2) * sx, ((b + d) / 2) * sy, (c - a) * sx, (d - b) * sy];
    case 'yxyx':
      return [((b + d) / 2) * sx, ((a + c) / 2) * sy, (d - b) * sx, (c - a) * sy];
    case 'grid':
      return [(a + cellX) * stride, (b + cellY) * stride, Math.exp(c) * stride, Math.exp(d) * stride];
  }
}

/**
 * Matrix that turns rows of a box into rows of centre and size in pixels: `row * matrix`.
 *
 * @param convention not `grid`, which is no linear reading.
 */
export function toCentreMatrix({ order, normalised }: BoxConvention, { width, height }: Size): number[][] {
  const [sx, sy] = normalised ? [width, height] : [1, 1];
  switch (order) {
    case 'xyxy':
      return [[sx / 2, 0, -sx, 0], [0, sy / 2, 0, -sy], [sx / 2, 0, sx, 0], [0, sy / 2, 0, sy]];
    case 'yxyx':
      return [[0, sy / 2, 0, -sy], [sx / 2, 0, -sx, 0], [0, sy / 2, 0, sy], [sx / 2, 0, sx, 0]];
    case 'xywh':
      return [[sx, 0, 0, 0], [0, sy, 0, 0], [sx / 2, 0, sx, 0], [0, sy / 2, 0, sy]];
    case 'cxcywh':
    case 'grid':
      return [[sx, 0, 0, 0], [0, sy, 0, 0], [0, 0, sx, 0], [0, 0, 0, sy]];
  }
}

/** Like `toCentreMatrix`, but rows become left, top, right, bottom. */
export function toCornersMatrix({ order, normalised }: BoxConvention, { width, height }: Size): number[][] {
  const [sx, sy] = normalised ? [width, height] : [1, 1];
  switch (order) {
    case 'xyxy':
    case 'grid':
      return [[sx, 0, 0, 0], [0, sy, 0, 0], [0, 0, sx, 0], [0, 0, 0, sy]];
    case 'yxyx':
      return [[0, sy, 0, 0], [sx, 0, 0, 0], [0, 0, 0, sy], [0, 0, sx, 0]];
    case 'xywh':
      return [[sx, 0, sx, 0], [0, sy, 0, sy], [0, 0, sx, 0], [0, 0, 0, sy]];
    case 'cxcywh':
      return [[sx, 0, sx, 0], [0, sy, 0, sy], [-sx / 2, 0, sx / 2, 0], [0, -sy / 2, 0, sy / 2]];
  }
}

export function conventionText({ order, normalised }: BoxConvention): string {
  if (order === 'grid') return 'offsets to cells, not decoded';
  return `${order} in ${normalised ? 'fractions of the picture' : 'pixels of the input'}`;
}
