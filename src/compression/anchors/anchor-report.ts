import { drawPlot, Plot } from '../../report/plot.js';
import { renderReport, type Block, type Section } from '../../report/report.js';
import { anchorName, type Anchor } from './anchor-head.js';
import type { AnchorFigures, ChangeFigures } from './figures.js';
import { POINTS } from './loss-estimate.js';
import type { MeasuredPair } from './post-processing.js';
import type { PrunedAnchors } from './prune-anchors.js';

const KEPT = '#2a78b5';
const REMOVED = '#c2571a';
const HISTOGRAM_BARS = 40;

export interface AnchorReport {
  readonly title: string;
  readonly result: PrunedAnchors;
  readonly figures: AnchorFigures;
  readonly times: MeasuredPair | undefined;
  readonly data: Readonly<Record<string, string | null>>;
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly command: string;
  readonly machine: Readonly<Record<string, string | number>>;
}

/** The page that lies beside a pruned model. */
export function anchorReport({ title, result, figures, times, data, settings, command, machine }: AnchorReport): string {
  const kept = figures.kept.reduce((sum, { indices }) => sum + indices.length, 0);
  const verified = figures.map50_verify;
  const change = verified ? `${signed(verified.difference)} points of mAP50 (95 %: ${signed(verified.ci95[0])} to ${signed(verified.ci95[1])})` : 'not judged';
  return renderReport({
    title: `Anchor pruning: ${title}`,
    conclusion: `${kept} of ${figures.anchors.length} anchors are left: ${percent(figures.head_macs_reduction)} fewer head MACs, ${percent(figures.boxes_reduction)} fewer boxes before NMS, ${change} on pictures that decided nothing.`,
    command,
    facts: [
      ['chosen on', data['search'] ?? ''],
      ['judged on', data['verify'] ?? ''],
      ['recovered with', figures.recovery?.pictures ?? 'nothing'],
      ['settings', Object.entries(settings).map(([key, value]) => `${key} ${value}`).join(', ')],
      ['machine', Object.entries(machine).map(([key, value]) => `${key} ${value}`).join(', ')],
    ],
    sections: [lossSection(figures), frontSection(result), anchorSection(result), ...(times ? [timeSection(times, figures)] : []), trialSection(figures)],
  });
}

function lossSection(figures: AnchorFigures): Section {
  const plain = figures.without_recovery;
  const rows = [
    ...(figures.map50_verify ? [['judged on', ...changeCells(figures.map50_verify)]] : []),
    ...(plain ? [['judged on, without recovery', ...changeCells(plain.map50_verify)]] : []),
    ...(figures.map50_search ? [['chosen on', ...changeCells(figures.map50_search)]] : []),
    ...(plain ? [['chosen on, without recovery', ...changeCells(plain.map50_search)]] : []),
  ];
  const saved = [
    ['head MACs', percent(figures.head_macs_reduction)],
    [`boxes before NMS, over ${figures.boxes_threshold}`, percent(figures.boxes_reduction)],
    ...Object.entries(figures.candidates_reduction).filter(([threshold]) => Number(threshold) !== figures.boxes_threshold).map(([threshold, share]) => [`boxes before NMS, over ${threshold}`, percent(share)]),
    ['boxes of the grids (anchors times cells)', percent(figures.grid_boxes_reduction)],
    ['MACs of the whole network', figures.network_macs_reduction === null ? 'unknown' : percent(figures.network_macs_reduction)],
  ];
  const share = figures.head_share === null ? '' : `The head is ${percent(figures.head_share)} of the network's MACs: what pruning saves is above all time after the network.`;
  return {
    title: 'What it costs and what it saves',
    blocks: [
      { kind: 'table', header: ['mAP50, %', 'before', 'after', 'change', '95 % interval', 'change, all classes pooled'], rows, caption: 'Intervals are of the change, paired over pictures (1000 resamples).' },
      { kind: 'table', header: ['fewer', ''], rows: saved },
      { kind: 'text', text: share },
    ],
  };
}

function frontSection({ sets, front, chosen, full, regretPoints, exhaustive, guidedSets, verification }: PrunedAnchors): Section {
  const macs = Math.max(...sets.map((set) => set.macs));
  const [lowest] = shownScores(sets);
  const visible = sets.filter(({ map50 }) => map50 * POINTS >= lowest);
  const shownFront = front.filter((set) => visible.includes(set));
  const point = (set: PrunedAnchors['sets'][number]) => ({ x: (100 * set.macs) / macs, y: set.map50 * POINTS });
  const chosenSet = sets.find(({ off }) => off.join() === chosen?.off.join());
  const marks: Plot.Markish[] = [
    Plot.dot(visible.map(point), { x: 'x', y: 'y', r: 2.5, fill: 'currentColor', fillOpacity: 0.22 }),
    Plot.line(shownFront.map(point), { x: 'x', y: 'y', stroke: KEPT, curve: 'step-after' }),
    Plot.dot(shownFront.map(point), { x: 'x', y: 'y', r: 4, fill: KEPT }),
  ];
  if (chosenSet && chosen) {
    const { x, y } = point(chosenSet);
    const recovered = chosen.recovered?.map50;
    const after = (recovered?.after ?? chosen.plain.map50.after) * POINTS;
    const change = recovered ?? chosen.plain.map50;
    const interval = [{ x, low: (change.before + change.interval.low) * POINTS, high: (change.before + change.interval.high) * POINTS }];
    marks.push(
      Plot.ruleX(interval, { x: 'x', y1: 'low', y2: 'high', stroke: REMOVED, strokeWidth: 1.5 }),
      Plot.arrow([{ x, from: y, to: after }], { x1: 'x', x2: 'x', y1: 'from', y2: 'to', stroke: REMOVED }),
      Plot.dot([{ x, y: after }], { x: 'x', y: 'y', r: 6, symbol: 'diamond', fill: REMOVED }),
      Plot.text([{ x, y: after }], { x: 'x', y: 'y', text: () => (recovered ? 'chosen, recovered' : 'chosen'), dx: 10, textAnchor: 'start', fill: REMOVED }),
    );
  }
  const markup = drawPlot({ marks, x: { label: 'head MACs left, %' }, y: { label: 'mAP50 on the pictures to choose by, %', grid: true, domain: shownScores(sets) } });
  const searched = exhaustive
    ? `All ${sets.length} sets were scored. The guided search alone would have looked at ${guidedSets} and missed ${(regretPoints ?? 0).toFixed(2)} points at most.`
    : `${sets.length} sets were scored by the guided search.`;
  return {
    title: 'Sets of anchors',
    blocks: [
      { kind: 'plot', markup, caption: `Grey: every set, its boxes left out before suppression; ${sets.length - visible.length} lie below the edge. Blue: those that no cheaper set beats (cost is the mean of MACs and boxes, so the line may step back). Orange: the chosen one with its 95 % interval${verification ? '' : ', not judged'}.` },
      { kind: 'text', text: `${searched} Head: ${full.model.manifest.head.kind}.` },
    ],
  };
}

/** Sets that lose most would press all others together. */
function shownScores(sets: PrunedAnchors['sets']): [number, number] {
  const best = Math.max(...sets.map(({ map50 }) => map50)) * POINTS;
  return [0.7 * best, 1.03 * best];
}

function anchorSection({ full, chosen }: PrunedAnchors): Section {
  const off = new Set(chosen?.off ?? []);
  const boxes = full.anchors.map((anchor) => ({ ...rectangle(anchor), scale: `stride ${anchor.stride}`, state: off.has(anchor.index) ? 'removed' : 'kept', name: anchorName(anchor) }));
  const largest = Math.max(...boxes.flatMap(({ x2, y2 }) => [x2, y2])) * 1.08;
  const markup = drawPlot({
    // Squares, so that anchors have their proportions.
    width: 70 + 290 * full.scales.length,
    height: 340,
    fx: { label: null, domain: [...new Set(boxes.map(({ scale }) => scale))] },
    x: { domain: [-largest, largest], axis: null },
    y: { domain: [-largest, largest], axis: null },
    color: { domain: ['kept', 'removed'], range: [KEPT, REMOVED], legend: true },
    marks: [
      Plot.rect(boxes, { fx: 'scale', x1: 'x1', x2: 'x2', y1: 'y1', y2: 'y2', stroke: 'state', fill: 'state', fillOpacity: 0.05, strokeWidth: 2, strokeDasharray: '5 0' }),
      Plot.text(boxes, { fx: 'scale', x: 'x2', y: 'y2', text: 'name', textAnchor: 'end', dy: -5, fill: 'state', fontSize: 11 }),
    ],
  });
  return { title: 'Anchors', blocks: [{ kind: 'plot', markup, caption: 'Anchors by scale, in the proportions of the model input.' }] };
}

function rectangle({ widthPx, heightPx }: Anchor): { x1: number; x2: number; y1: number; y2: number } {
  return { x1: -widthPx / 2, x2: widthPx / 2, y1: -heightPx / 2, y2: heightPx / 2 };
}

function timeSection({ postProcessing, inference }: MeasuredPair, figures: AnchorFigures): Section {
  const blocks = postProcessing.map(({ confidenceThreshold, before, after }): Block => {
    const samples = [...before.samplesMs.map((ms) => ({ ms, model: 'before' })), ...after.samplesMs.map((ms) => ({ ms, model: 'after' }))];
    // A few interrupted runs would squeeze all others into one bar; the table has them.
    const highest = Math.max(before.p95Ms, after.p95Ms) * 1.25;
    const shown = samples.filter(({ ms }) => ms <= highest);
    const markup = drawPlot({
      height: 220,
      x: { label: `decode + NMS over ${confidenceThreshold}, ms` },
      y: { label: 'runs', grid: true },
      color: { domain: ['before', 'after'], range: [REMOVED, KEPT], legend: true },
      marks: [Plot.rectY(histogram(shown, highest), { x1: 'from', x2: 'to', y1: 0, y2: 'runs', fill: 'model', fillOpacity: 0.5 }), Plot.ruleY([0])],
    });
    return { kind: 'plot', markup, caption: `Confidence threshold ${confidenceThreshold}; ${samples.length - shown.length} of ${samples.length} runs are beyond the right edge.` };
  });
  const row = (name: string, before: { readonly n: number; readonly median_ms: number; readonly variance_ms2: number; readonly p95_ms: number }, after: typeof before): string[] => [
    name,
    before.median_ms.toFixed(3),
    after.median_ms.toFixed(3),
    before.p95_ms.toFixed(3),
    after.p95_ms.toFixed(3),
    before.variance_ms2.toFixed(4),
    after.variance_ms2.toFixed(4),
    String(before.n),
  ];
  const rows = figures.post_processing.map((one) => row(`decode + NMS over ${one.confidence_threshold}`, one.before, one.after));
  if (figures.inference) rows.push(row('network', figures.inference.before, figures.inference.after));
  return {
    title: 'Time',
    blocks: [
      { kind: 'table', header: ['ms', 'median before', 'after', 'p95 before', 'after', 'variance before, ms²', 'after', 'n'], rows, caption: `Both models in turn on every picture, ${inference.before.n} runs each.` },
      ...blocks,
    ],
  };
}

interface Bar {
  readonly model: string;
  readonly from: number;
  readonly to: number;
  readonly runs: number;
}

function histogram(samples: readonly { readonly ms: number; readonly model: string }[], highest: number): Bar[] {
  const width = highest / HISTOGRAM_BARS;
  return ['before', 'after'].flatMap((model) => {
    const counts = new Int32Array(HISTOGRAM_BARS + 1);
    for (const sample of samples) if (sample.model === model) counts[Math.floor(sample.ms / width)]! += 1;
    return Array.from(counts, (runs, i) => ({ model, from: i * width, to: (i + 1) * width, runs })).filter(({ runs }) => runs > 0);
  });
}

function trialSection({ tried, anchors }: AnchorFigures): Section {
  const rows = tried.map(({ removed, plain_loss_points: plain, loss_points: loss, share }) => [`${removed.length} of ${anchors.length}: ${removed.join(', ')}`, plain.toFixed(2), loss.toFixed(2), String(share)]);
  return {
    title: 'What was tried',
    blocks: [
      { kind: 'table', header: ['removed', 'loss, points', 'recovered', 'share'], rows },
      { kind: 'text', text: 'Losses are expected ones: measured over the objects of all classes on the pictures to choose by, out of fold, and weighed against what disagreement with the full head predicts. The share is how much of the refit was taken. The first set within the limit was chosen.' },
    ],
  };
}

function changeCells({ before, after, difference, ci95, pooled_difference: pooled }: ChangeFigures): string[] {
  return [(before * POINTS).toFixed(2), (after * POINTS).toFixed(2), signed(difference), `${signed(ci95[0])} to ${signed(ci95[1])}`, signed(pooled)];
}

function signed(value: number): string {
  return `${value >= 0 ? '+' : ''}${(value * POINTS).toFixed(2)}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
