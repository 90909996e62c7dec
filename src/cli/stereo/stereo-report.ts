import sharp from 'sharp';
import { type GridLevel, GRID_LEVELS } from '../../core/voxel-grid.js';
import { drawPlot, Plot } from '../../report/plot.js';
import { type Block, renderReport } from '../../report/report.js';
import { machine } from '../bench/machine.js';
import { drawFromAbove } from './from-above.js';
import type { ScoredPair, StereoEvaluation } from './stereo-evaluation.js';
import { cautions, LEVEL_HEADER, levelRows, meaningOf, threadsText, titleOf } from './stereo-text.js';

/** Pairs shown of the worst, and of the best. */
const SHOWN = 3;
const PANEL_PX = 440;

/** A page with the figures, every pair's IoU, and the worst and best pairs seen from above. */
export async function renderStereoReport(evaluation: StereoEvaluation, command: string): Promise<string> {
  const { levels, pairs } = evaluation;
  const rankedBy: GridLevel = levels[32] ? 32 : GRID_LEVELS.findLast((side) => levels[side])!;
  const ranked = pairs.toSorted((a, b) => a.scores[rankedBy]!.iou - b.scores[rankedBy]!.iou);
  const worst = ranked.slice(0, Math.min(SHOWN, Math.ceil(ranked.length / 2)));
  const best = ranked.slice(worst.length).slice(-SHOWN).reverse();
  const cell = (value: number): string => value.toFixed(3);
  return renderReport({
    title: `Stereo occupancy: ${evaluation.method.name} on ${evaluation.dataset}`,
    conclusion: `${titleOf(evaluation)}; IoU ${GRID_LEVELS.flatMap((side) => (levels[side] ? [`${cell(levels[side].iou)} at ${side}`] : [])).join(', ')} cells a side.`,
    command,
    facts: factsOf(evaluation),
    sections: [
      { title: 'By level', blocks: [{ kind: 'table', header: LEVEL_HEADER, rows: levelRows(evaluation) }, { kind: 'text', text: meaningOf(evaluation) }, ...cautions(evaluation).map((text): Block => ({ kind: 'text', text }))] },
      { title: 'Every pair', blocks: [{ kind: 'plot', markup: plotPairs(pairs), caption: 'IoU of each pair (a line) at each level (where cells count that the truth says something of).' }] },
      { title: `Worst pairs at ${rankedBy} cells a side`, blocks: await Promise.all(worst.map((pair) => showPair(pair))) },
      ...(best.length === 0 ? [] : [{ title: `Best pairs at ${rankedBy} cells a side`, blocks: await Promise.all(best.map((pair) => showPair(pair))) }]),
    ],
  });
}

function factsOf({ grid, layout, method, ms, computedShare, threads }: StereoEvaluation): [string, string][] {
  const { cpu, cores, node } = machine();
  const facts: [string, string][] = [
    ['machine', `${cpu}, ${cores} cores, Node ${node}`],
    ['layout', layout],
    [method.kind, method.name],
    ['cube', `${grid.rangeM} m, its lower face ${Number(grid.bottomM.toPrecision(3))} m below the camera`],
  ];
  if (ms) facts.push([`ms a pair, ${threadsText(threads)}`, `coarse alone ${ms.coarse.median.toFixed(1)} (p95 ${ms.coarse.p95.toFixed(1)}), all ${ms.all.median.toFixed(1)} (p95 ${ms.all.p95.toFixed(1)})`]);
  if (computedShare !== undefined) facts.push(['computed of the finest cells', `${(100 * computedShare).toFixed(1)} %`]);
  return facts;
}

function plotPairs(pairs: readonly ScoredPair[]): string {
  const points = pairs.flatMap(({ pair, scores }) => GRID_LEVELS.flatMap((side) => (scores[side] ? [{ id: pair.id, side: String(side), iou: scores[side].iou }] : [])));
  return drawPlot({
    x: { type: 'point', label: 'cells a side', domain: GRID_LEVELS.map(String) },
    y: { domain: [0, 1], grid: true, label: 'IoU' },
    marks: [Plot.line(points, { x: 'side', y: 'iou', z: 'id', strokeOpacity: 0.25 }), Plot.dot(points, { x: 'side', y: 'iou', r: 2, fill: 'currentColor', fillOpacity: 0.5 })],
  });
}

async function showPair({ pair, scores, truthFromAbove, foundFromAbove }: ScoredPair): Promise<Block> {
  const left = await sharp(pair.left).resize(PANEL_PX, PANEL_PX, { fit: 'inside' }).toColourspace('srgb').jpeg({ quality: 78 }).toBuffer();
  const found = GRID_LEVELS.flatMap((level) => (scores[level] ? [`${scores[level].iou.toFixed(2)} at ${level}`] : [])).join(', ');
  return {
    kind: 'panels',
    panels: [
      { title: 'left picture', jpeg: left },
      { title: 'truth from above', jpeg: await drawFromAbove(truthFromAbove, PANEL_PX) },
      { title: 'found from above', jpeg: await drawFromAbove(foundFromAbove, PANEL_PX) },
    ],
    caption: `${pair.id}: IoU ${found}. From above: the camera stands in the middle of the lower edge; blue is low, yellow and red are high.`,
  };
}
