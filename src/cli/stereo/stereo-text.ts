import { GRID_LEVELS } from '../../core/voxel-grid.js';
import { dim, textTable } from '../terminal.js';
import type { StereoEvaluation } from './stereo-evaluation.js';

/** The table for people. */
export function stereoText(evaluation: StereoEvaluation): string {
  return [titleOf(evaluation), '', textTable(LEVEL_HEADER, levelRows(evaluation)), '', ...timeLines(evaluation), dim(meaningOf(evaluation)), ...cautions(evaluation)].join('\n');
}

export const LEVEL_HEADER = ['cells a side', 'of metres', 'IoU', 'strict IoU', 'Chamfer m'];

export function levelRows({ levels, grid: { rangeM } }: StereoEvaluation): string[][] {
  return GRID_LEVELS.flatMap((side) => {
    const score = levels[side];
    return score ? [[String(side), (rangeM / side).toFixed(2), score.iou.toFixed(3), score.strictIou.toFixed(3), score.chamferM.toFixed(2)]] : [];
  });
}

export function titleOf({ dataset, layout, method, pairs, broken, grid }: StereoEvaluation): string {
  const unread = broken.length === 0 ? '' : `, ${broken.length} could not be read`;
  return `${method.name} on ${dataset} (${layout}): ${pairs.length === 1 ? '1 pair' : `${pairs.length} pairs`}${unread}, a cube of ${grid.rangeM} m`;
}

function timeLines({ ms, computedShare, threads }: StereoEvaluation): string[] {
  if (!ms || computedShare === undefined) return [];
  const rows = ([['coarse alone', ms.coarse], ['all', ms.all]] as const).map(([name, { median, p95 }]) => [name, median.toFixed(1), p95.toFixed(1)]);
  return [textTable([`ms a pair, ${threadsText(threads)}`, 'median', 'p95'], rows), '', `computed of the finest cells: ${(100 * computedShare).toFixed(1)} %`];
}

export function threadsText(threads: number): string {
  return threads === 1 ? '1 thread' : `${threads} threads`;
}

/** What the numbers mean, in one line. */
export function meaningOf({ hasGaps }: StereoEvaluation): string {
  const judged = hasGaps ? 'on rays of pixels whose true disparity is known' : 'in view of the left camera';
  return `IoU: of the cells that are occupied in the truth or called so, the share that is both; only cells ${judged} count (strict: all). Chamfer: mean distance to the nearest cell of the other side, both ways added. Means over pairs.`;
}

export function cautions({ isRigAssumed, broken, doubts }: StereoEvaluation): string[] {
  return [
    ...(isRigAssumed ? ['The rig is assumed: metres are as good as that.'] : []),
    ...doubts,
    ...broken.slice(0, 3).map(({ id, error }) => `${id}: ${error.code}: ${error.message}`),
    ...(broken.length > 3 ? [`and ${broken.length - 3} more that could not be read`] : []),
  ];
}
