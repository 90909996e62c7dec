import { type GridLevel, GRID_LEVELS } from '../../core/voxel-grid.js';
import type { LevelScores } from '../../evaluation/occupancy/occupancy-score.js';
import type { StereoEvaluation } from './stereo-evaluation.js';

/** What `eval --format stereo --json` prints. Shares are 0 to 1, times milliseconds, lengths metres. */
export function stereoJson({ dataset, layout, method, grid, hasGaps, isRigAssumed, threads, pairs, broken, levels, ms, computedShare, doubts }: StereoEvaluation): Record<string, unknown> {
  return {
    dataset,
    layout,
    [method.kind]: method.name,
    ...grid,
    truth: hasGaps ? 'cells on rays of pixels with a known disparity' : 'cells in view',
    isRigAssumed,
    pairs: pairs.length,
    broken: broken.map(({ id, error }) => ({ id, code: error.code, message: error.message })),
    levels: levelsJson(levels),
    ...(ms && { ms: { coarse: rounded(ms.coarse, 2), all: rounded(ms.all, 2), threads } }),
    ...(computedShare !== undefined && { computedShare: round(computedShare, 4) }),
    doubts,
    perPair: pairs.map(({ pair, scores, finding }) => ({ id: pair.id, levels: levelsJson(scores), ...rounded(finding, 4) })),
  };
}

function levelsJson(levels: LevelScores): Record<string, unknown> {
  const known = GRID_LEVELS.filter((side: GridLevel) => levels[side]);
  return Object.fromEntries(known.map((side) => [String(side), rounded({ ...levels[side]! }, 4)]));
}

function rounded(values: object, digits: number): Record<string, number> {
  return Object.fromEntries(Object.entries(values as Record<string, number | undefined>).flatMap(([name, value]) => (value === undefined ? [] : [[name, round(value, digits)] as const])));
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
