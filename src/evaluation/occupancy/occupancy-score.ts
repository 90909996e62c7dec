import { median } from '../../core/median.js';
import { GRID_LEVELS, type GridLevel, type VoxelGrid } from '../../core/voxel-grid.js';
import type { CellTruth } from './cell-truth.js';
import { scoreCells } from './score-cells.js';

/** How the cells of one level meet the truth. */
export interface LevelScore {
  /** Among cells that the truth says something of; 1 where neither has any. */
  readonly iou: number;
  /** The same among all cells: what was found where the truth says nothing counts as wrong. */
  readonly strictIou: number;
  /** `scoreCells`: both ways added, metres. 0 where neither side has a cell, the range of the grid where one has none. */
  readonly chamferM: number;
}

export type LevelScores = Readonly<Partial<Record<GridLevel, LevelScore>>>;

/** @param found one byte a cell; levels without are not scored. */
export function scoreLevels(found: Readonly<Partial<Record<GridLevel, Uint8Array>>>, { occupied, seen }: CellTruth, { rangeM }: VoxelGrid): LevelScores {
  const scores: Partial<Record<GridLevel, LevelScore>> = {};
  for (const side of GRID_LEVELS) {
    const predicted = found[side];
    if (!predicted) continue;
    const { iou, union, chamferM } = scoreCells({ predicted, truth: occupied[side], seen: seen[side], side, rangeM });
    scores[side] = { iou: iou ?? 1, strictIou: overlap(predicted, occupied[side]), chamferM: chamferM ?? (union === 0 ? 0 : rangeM) };
  }
  return scores;
}

function overlap(predicted: Uint8Array, truth: Uint8Array): number {
  let [intersection, union] = [0, 0];
  for (let i = 0; i < truth.length; i += 1) {
    const [a, b] = [Number(predicted[i] !== 0), Number(truth[i] !== 0)];
    intersection += a & b;
    union += a | b;
  }
  return union === 0 ? 1 : intersection / union;
}

/** Means over pairs. */
export function meanScores(pairs: readonly LevelScores[]): LevelScores {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const levels = GRID_LEVELS.filter((side) => pairs.some((pair) => pair[side]));
  return Object.fromEntries(
    levels.map((side) => {
      const scores = pairs.map((pair) => pair[side]).filter((score) => score !== undefined);
      return [side, { iou: mean(scores.map(({ iou }) => iou)), strictIou: mean(scores.map(({ strictIou }) => strictIou)), chamferM: mean(scores.map(({ chamferM }) => chamferM)) }];
    }),
  );
}

/** Median and 95th percentile (nearest rank), milliseconds. */
export interface TimeSummary {
  readonly median: number;
  readonly p95: number;
}

export function summariseMs(values: readonly number[]): TimeSummary {
  const sorted = Float64Array.from(values).sort();
  return { median: median(values), p95: sorted[Math.max(0, Math.ceil(0.95 * sorted.length) - 1)] ?? NaN };
}
