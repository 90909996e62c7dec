import { BLOCK_CELLS, type BlockGrid } from './block-grid.js';
import { quantileOf } from './quantile.js';
import type { Thumbnail } from './thumbnail.js';

/** A gain beyond these is no change of light. */
const LEAST_GAIN = 0.5;
const MOST_GAIN = 2;
/** Blocks that depart from the fit by more than so many times the usual are left out of the next one. */
const OUTLIER_FACTOR = 3;
const FITS = 2;
/** Below this variance of its blocks a picture says nothing of the gain (grey levels squared). */
const LEAST_VARIANCE = 25;
/** Halves of a grey level: rounding accounts for that much. */
const LEAST_RESIDUAL = 0.5;

/**
 * How much each block has changed: the mean absolute difference of its cells, grey levels, after the light of the whole picture is
 * made equal (a gain and an offset, fitted to the blocks' means; blocks that depart from the fit are left out and it is fitted again).
 *
 * @param out one number a block.
 */
export function blockDifferences(grid: BlockGrid, reference: Thumbnail, current: Thumbnail, out: Float32Array): void {
  const relit = relitGreys(fitLight(blockMeans(grid, reference), blockMeans(grid, current)));
  const before = reference.cells;
  const now = current.cells;
  const { columns } = reference;
  for (let row = 0, block = 0; row < grid.rows; row += 1) {
    let first = (grid.top + row * BLOCK_CELLS) * columns + grid.left;
    for (let column = 0; column < grid.columns; column += 1, block += 1, first += BLOCK_CELLS) {
      let sum = 0;
      for (let cell = first; cell < first + BLOCK_CELLS * columns; cell += columns) {
        // Four cells, BLOCK_CELLS, written out: half the time of a loop.
        sum +=
          Math.abs(now[cell]! - relit[before[cell]!]!) +
          Math.abs(now[cell + 1]! - relit[before[cell + 1]!]!) +
          Math.abs(now[cell + 2]! - relit[before[cell + 2]!]!) +
          Math.abs(now[cell + 3]! - relit[before[cell + 3]!]!);
      }
      out[block] = sum / BLOCK_CELLS ** 2;
    }
  }
}

interface Light {
  readonly gain: number;
  readonly offset: number;
}

function blockMeans(grid: BlockGrid, { columns, cells }: Thumbnail): Float32Array {
  const means = new Float32Array(grid.columns * grid.rows);
  for (let row = 0, block = 0; row < grid.rows; row += 1) {
    for (let column = 0; column < grid.columns; column += 1, block += 1) {
      let sum = 0;
      let cell = (grid.top + row * BLOCK_CELLS) * columns + grid.left + column * BLOCK_CELLS;
      for (let line = 0; line < BLOCK_CELLS; line += 1, cell += columns) {
        sum += cells[cell]! + cells[cell + 1]! + cells[cell + 2]! + cells[cell + 3]!;
      }
      means[block] = sum / BLOCK_CELLS ** 2;
    }
  }
  return means;
}

/** Light now against before: starts from the median difference, so that what moves doesn't count. */
function fitLight(before: Float32Array, now: Float32Array): Light {
  const residuals = new Float32Array(before.length);
  for (let i = 0; i < before.length; i += 1) residuals[i] = now[i]! - before[i]!;
  let light: Light = { gain: 1, offset: quantileOf(residuals, 0.5) };
  for (let fit = 0; fit < FITS; fit += 1) {
    for (let i = 0; i < before.length; i += 1) residuals[i] = Math.abs(now[i]! - light.gain * before[i]! - light.offset);
    light = fitLine(before, now, residuals, OUTLIER_FACTOR * Math.max(LEAST_RESIDUAL, quantileOf(residuals, 0.5)));
  }
  return light;
}

/** Least squares over the blocks within the limit. */
function fitLine(before: Float32Array, now: Float32Array, residuals: Float32Array, limit: number): Light {
  let n = 0;
  let sumX = 0;
  let sumY = 0;
  let sumXx = 0;
  let sumXy = 0;
  for (let i = 0; i < before.length; i += 1) {
    if (residuals[i]! > limit) continue;
    const x = before[i]!;
    const y = now[i]!;
    n += 1;
    sumX += x;
    sumY += y;
    sumXx += x * x;
    sumXy += x * y;
  }
  if (n === 0) return { gain: 1, offset: 0 };
  const variance = sumXx / n - (sumX / n) ** 2;
  const gain = variance < LEAST_VARIANCE ? 1 : (sumXy / n - (sumX / n) * (sumY / n)) / variance;
  const bounded = Math.min(MOST_GAIN, Math.max(LEAST_GAIN, gain));
  return { gain: bounded, offset: sumY / n - (bounded * sumX) / n };
}

/** Every grey of before in the light of now. */
function relitGreys({ gain, offset }: Light): Int16Array {
  const relit = new Int16Array(256);
  for (let grey = 0; grey < relit.length; grey += 1) relit[grey] = Math.min(255, Math.max(0, Math.round(gain * grey + offset)));
  return relit;
}
