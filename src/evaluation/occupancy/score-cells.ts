import { squaredDistances } from './distance-transform.js';

/** How cells that somebody calls occupied meet those that are. */
export interface CellScore {
  /** Cells in both, and in one of both at least. */
  readonly intersection: number;
  readonly union: number;
  /** 0 to 1; undefined where both are empty. */
  readonly iou: number | undefined;
  /**
   * Mean distance of each side's cells to the nearest of the other's, both ways added (StereoVoxelNet's Chamfer distance), between
   * centres, metres; undefined where a side is empty.
   */
  readonly chamferM: number | undefined;
}

export interface CellQuestion {
  /** One byte a cell, not 0 where occupied. */
  readonly predicted: Uint8Array;
  readonly truth: Uint8Array;
  /** Cells that count, not 0; all where absent. */
  readonly seen?: Uint8Array | undefined;
  readonly side: number;
  /** Length of an edge of the whole grid. */
  readonly rangeM: number;
}

export function scoreCells({ predicted, truth, seen, side, rangeM }: CellQuestion): CellScore {
  const [a, b] = [counted(predicted, seen), counted(truth, seen)];
  let [intersection, union] = [0, 0];
  for (let i = 0; i < a.length; i += 1) {
    intersection += a[i]! & b[i]!;
    union += a[i]! | b[i]!;
  }
  return { intersection, union, iou: union === 0 ? undefined : intersection / union, chamferM: chamferOf(a, b, side, rangeM / side) };
}

function counted(cells: Uint8Array, seen: Uint8Array | undefined): Uint8Array {
  return cells.map((cell, i) => Number(cell !== 0 && (seen === undefined || seen[i] !== 0)));
}

function chamferOf(a: Uint8Array, b: Uint8Array, side: number, cellM: number): number | undefined {
  const there = meanDistance(a, squaredDistances(b, side));
  const back = meanDistance(b, squaredDistances(a, side));
  return there === undefined || back === undefined ? undefined : (there + back) * cellM;
}

function meanDistance(cells: Uint8Array, squared: Float64Array): number | undefined {
  let [sum, count] = [0, 0];
  for (let i = 0; i < cells.length; i += 1) {
    if (cells[i] === 0) continue;
    sum += Math.sqrt(squared[i]!);
    count += 1;
  }
  return count === 0 || sum === Infinity ? undefined : sum / count;
}
