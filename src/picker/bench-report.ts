import { drawPlot, Plot } from '../report/plot.js';
import { renderReport, type Block, type Cell, type Section } from '../report/report.js';
import { commonData, candidatesOf, isMeasuredApart, type Candidate, type ScoredAccuracy } from './candidates.js';
import type { BenchResults } from './bench-results.js';
import { rankAgreement, type RankAgreement } from './kendall-tau.js';
import { placeLabels, type Anchor, type Rectangle } from './place-labels.js';
import type { Refusal } from './variants.js';

export interface BenchReportOptions {
  readonly command: string;
  readonly refusals?: readonly Refusal[];
  /** The chosen one, where one was. */
  readonly choice?: Candidate;
  /** Accuracies on this data set; those on the one that most are known of, where absent. */
  readonly data?: string | undefined;
}

/** A candidate whose accuracy is known. */
type Scored = Candidate & { readonly accuracy: ScoredAccuracy };

/** Kendall's tau of each count with the median latency, over all variants with one number of threads whose count is known. */
export interface LatencyRanks {
  readonly threads: number;
  readonly macs: RankAgreement;
  readonly parameters: RankAgreement;
  readonly activations: RankAgreement;
  readonly fileSize: RankAgreement;
}

export function latencyRanks(candidates: readonly Candidate[]): LatencyRanks[] {
  return threadCounts(candidates).map((threads) => {
    const here = candidates.filter((one) => one.threads === threads);
    const agreement = (count: (candidate: Candidate) => number | null): RankAgreement => {
      const counted = here.filter((one) => count(one) !== null);
      return rankAgreement(counted.map((one) => count(one)!), counted.map(({ latency }) => latency.p50Ms));
    };
    return {
      threads,
      macs: agreement(({ variant }) => variant.macs),
      parameters: agreement(({ variant }) => variant.parameters),
      activations: agreement(({ variant }) => variant.peakActivationBytes),
      fileSize: agreement(({ variant }) => variant.fileBytes),
    };
  });
}

/** The page that goes with measurements. */
export function renderBenchReport(results: BenchResults, { command, refusals = [], choice, data = commonData(results) }: BenchReportOptions): string {
  const candidates = candidatesOf(results, data);
  const sections: Section[] = [
    ...threadCounts(candidates).map((threads) => frontSection(candidates, threads, choice)),
    tableSection(candidates),
    ranksSection(candidates),
    ...(refusals.length > 0 ? [refusalsSection(refusals)] : []),
  ];
  return renderReport({ title: 'Models on this machine', conclusion: conclusionOf(candidates), command, facts: factsOf(results, candidates, data), sections });
}

function threadCounts(candidates: readonly Candidate[]): number[] {
  return [...new Set(candidates.map(({ threads }) => threads))].sort((a, b) => a - b);
}

function conclusionOf(candidates: readonly Candidate[]): string {
  const scored = candidates.filter(isScored);
  const front = scored.filter(({ isOnFront }) => isOnFront);
  const models = new Set(front.map(({ variant }) => variant.model));
  return `${front.length} of ${scored.length} configurations are worth choosing: for each of the others one that is as fast is as accurate. They are of ${[...models].join(', ') || 'no model'}.`;
}

function factsOf(results: BenchResults, candidates: readonly Candidate[], data: string | undefined): [string, string][] {
  const { cpu = '?', cores = '?', onnxruntime = '?', node = '?' } = results.machine;
  const counts = candidates.map(({ latency }) => latency.n);
  return [
    ['machine', `${cpu}, ${cores} cores`],
    ['versions', `onnxruntime ${onnxruntime}, Node ${node}`],
    ['data', data ?? 'none'],
    ['latency', `session.run alone, in a worker thread, configurations in turns; ${Math.min(...counts)} to ${Math.max(...counts)} inferences each${isMeasuredApart(candidates) ? '; not all taken in the same run' : ''}`],
    ['accuracy', 'at each size as the model is, not fine-tuned; 95 % intervals by bootstrap over the pictures'],
    ...(typeof results.machine['measured'] === 'string' ? [['measured', results.machine['measured']] as [string, string]] : []),
  ];
}

function isScored(candidate: Candidate): candidate is Scored {
  return candidate.accuracy !== undefined;
}

const WIDTH_PX = 860;
const HEIGHT_PX = 470;
const MARGINS_PX = { marginLeft: 56, marginRight: 16, marginTop: 30, marginBottom: 44 };
const BOUNDS = { left: MARGINS_PX.marginLeft, right: WIDTH_PX - MARGINS_PX.marginRight, top: MARGINS_PX.marginTop, bottom: HEIGHT_PX - MARGINS_PX.marginBottom };

/** A scale of the plots, and where a value lies on it in pixels. */
interface Scale {
  readonly domain: [number, number];
  toPx(value: number): number;
}

function logScale(values: readonly number[], fromPx: number, toPx: number): Scale {
  const domain: [number, number] = [Math.min(...values) / 1.25, Math.max(...values) * 1.35];
  const span = Math.log(domain[1] / domain[0]);
  return { domain, toPx: (value) => fromPx + (Math.log(value / domain[0]) / span) * (toPx - fromPx) };
}

function linearScale(values: readonly number[], fromPx: number, toPx: number): Scale {
  const slack = Math.max(1, (Math.max(...values) - Math.min(...values)) * 0.06);
  const domain: [number, number] = [Math.max(0, Math.min(...values) - slack), Math.min(100, Math.max(...values) + slack)];
  return { domain, toPx: (value) => fromPx + ((value - domain[0]) / (domain[1] - domain[0])) * (toPx - fromPx) };
}

function frontSection(candidates: readonly Candidate[], threads: number, choice: Candidate | undefined): Section {
  const all = candidates.filter(isScored);
  const here = all.filter((one) => one.threads === threads);
  const title = `${threads} thread${threads > 1 ? 's' : ''}: latency against accuracy`;
  if (here.length === 0) return { title, blocks: [{ kind: 'text', text: 'Nothing was scored.' }] };
  // The same scales for every number of threads, so that the pictures can be laid side by side.
  const x = logScale(all.map(({ latency }) => latency.p50Ms), BOUNDS.left, BOUNDS.right);
  const y = linearScale(all.flatMap(intervalPercent), BOUNDS.bottom, BOUNDS.top);
  const chosen = here.filter((one) => one.variant === choice?.variant && one.threads === choice.threads);
  const caption = 'Filled: on the Pareto front; hollow: another is at least as fast and at least as accurate. Bars are 95 % intervals of mAP50, one colour is one family of models.';
  return { title, blocks: [{ kind: 'plot', markup: drawFront(here, x, y, chosen), caption }] };
}

function intervalPercent({ accuracy: { map50, map50Interval } }: Scored): number[] {
  return [map50 * 100, (map50Interval?.low ?? map50) * 100, (map50Interval?.high ?? map50) * 100];
}

function drawFront(here: readonly Scored[], x: Scale, y: Scale, chosen: readonly Scored[]): string {
  const points = here.map((one) => {
    const [map50, low, high] = intervalPercent(one);
    return { ms: one.latency.p50Ms, map50, low, high, family: one.variant.family, isOnFront: one.isOnFront, name: shortName(one), symbol: one.variant.precision };
  });
  const front = points.filter(({ isOnFront }) => isOnFront).sort((a, b) => a.ms - b.ms);
  const toAnchor = ({ ms, map50, name }: (typeof points)[number]) => ({ x: x.toPx(ms), y: y.toPx(map50!), text: name });
  const labels = placeLabels(front.map(toAnchor), { bounds: BOUNDS, obstacles: points.map(toAnchor), lines: stepLines(front.map(toAnchor)) });
  return drawPlot({
    ...MARGINS_PX,
    width: WIDTH_PX,
    height: HEIGHT_PX,
    x: { type: 'log', domain: x.domain, label: 'median latency, ms', ticks: 8, tickFormat: (ms: number) => String(Number(ms.toPrecision(2))), grid: true },
    y: { domain: y.domain, label: 'mAP50, %', grid: true },
    color: { legend: true, scheme: 'observable10' },
    marks: [
      Plot.ruleX(points, { x: 'ms', y1: 'low', y2: 'high', stroke: 'family', strokeOpacity: 0.35 }),
      Plot.line(front, { x: 'ms', y: 'map50', curve: 'step-after', stroke: 'currentColor', strokeOpacity: 0.6, strokeDasharray: '4 3' }),
      Plot.dot(points.filter(({ isOnFront }) => !isOnFront), { x: 'ms', y: 'map50', stroke: 'family', r: 4 }),
      Plot.dot(front, { x: 'ms', y: 'map50', fill: 'family', r: 4.5 }),
      Plot.dot(chosen, { x: ({ latency }: Scored) => latency.p50Ms, y: ({ accuracy }: Scored) => accuracy.map50 * 100, stroke: 'currentColor', strokeWidth: 2, r: 9 }),
      ...labels.map(({ text, dx, dy, textAnchor }) => Plot.text(front.filter(({ name }) => name === text), { x: 'ms', y: 'map50', text: 'name', dx, dy, textAnchor })),
    ],
  });
}

/** The stepped line through points from left to right. */
function stepLines(points: readonly Anchor[]): Rectangle[] {
  return points.slice(1).flatMap(({ x, y }, i) => {
    const from = points[i]!;
    return [
      { left: from.x, right: x, top: from.y - 1, bottom: from.y + 1 },
      { left: x - 1, right: x + 1, top: Math.min(y, from.y), bottom: Math.max(y, from.y) },
    ];
  });
}

function shortName({ variant: { model, width, height } }: Candidate): string {
  const size = width === height ? String(width) : `${width}x${height}`;
  return model.endsWith(size) ? model : `${model} ${size}`;
}

function tableSection(candidates: readonly Candidate[]): Section {
  const variants = [...new Set(candidates.map(({ variant }) => variant))].sort((a, b) => a.model.localeCompare(b.model) || a.width - b.width);
  const blocks: Block[] = [
    { kind: 'table', header: ['model', 'size', 'precision', 'threads', 'median', 'p95', 'p99', 'n', 'mAP50', '95 % interval', 'mAP50-95', 'front'], rows: candidates.map(speedRow), caption: '*: not the size that the model is installed with. A percentile that has too few samples is left out.' },
    { kind: 'table', header: ['model', 'size', 'MACs', 'parameters', 'activations', 'file', 'session'], rows: variants.map(costRow), caption: 'Activations: peak of live tensors by the graph. Session: what loading one (one thread) added to the resident memory of a process.' },
  ];
  return { title: 'Everything that was measured', blocks };
}

function speedRow({ variant, threads, latency, accuracy, isOnFront }: Candidate): Cell[] {
  const percent = (value: number | null | undefined): string => (value === null || value === undefined ? '-' : `${(value * 100).toFixed(1)} %`);
  const interval = accuracy?.map50Interval ? `${(accuracy.map50Interval.low * 100).toFixed(1)} to ${(accuracy.map50Interval.high * 100).toFixed(1)}` : '-';
  const [p50, p95, p99] = [latency.p50Ms, latency.p95Ms, latency.p99Ms].map(milliseconds);
  const front = accuracy ? (isOnFront ? 'on it' : 'dominated') : 'not scored';
  return [variant.model, sizeText(variant), variant.precision, threads, p50!, p95!, p99!, latency.n, percent(accuracy?.map50), interval, percent(accuracy?.map5095), front];
}

function costRow(variant: Candidate['variant']): Cell[] {
  return [variant.model, sizeText(variant), millions(variant.macs), millions(variant.parameters, 2), ...[variant.peakActivationBytes, variant.fileBytes, variant.sessionRssBytes].map(mebibytes)];
}

function sizeText({ width, height, isOwnSize }: Candidate['variant']): string {
  return `${width}x${height}${isOwnSize ? '' : ' *'}`;
}

export function milliseconds(ms: number | undefined): string {
  return ms === undefined ? '-' : `${ms.toFixed(2)} ms`;
}

export function millions(count: number | null, digits = 0): string {
  return count === null ? '-' : `${(count / 1e6).toFixed(digits)} M`;
}

export function mebibytes(bytes: number | null): string {
  return bytes === null ? '-' : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function ranksSection(candidates: readonly Candidate[]): Section {
  const ranks = latencyRanks(candidates);
  const rows = ranks.map(({ threads, macs, parameters, activations, fileSize }) => [threads, macs.n, ...[macs, parameters, activations, fileSize].map(tauText)]);
  const table: Block = { kind: 'table', header: ['threads', 'n', 'MACs', 'parameters', 'peak activations', 'file size'], rows, caption: "Kendall's tau-b with the median latency, with a 95 % bootstrap interval over the variants: 1 ranks them as the clock does, 0 tells nothing." };
  const counted = candidates.filter(({ variant }) => variant.macs !== null);
  if (counted.length === 0) return { title: 'What counting predicts', blocks: [table] };
  const plot: Block = { kind: 'plot', markup: drawMacs(counted), caption: 'Multiply-accumulates against the median latency. The further from a straight line, the less counting says.' };
  return { title: 'What counting predicts', blocks: [table, plot] };
}

export function tauText({ tau, interval }: RankAgreement): string {
  if (tau === null) return '-';
  return interval ? `${tau.toFixed(2)} (${interval.low.toFixed(2)} to ${interval.high.toFixed(2)})` : tau.toFixed(2);
}

function drawMacs(candidates: readonly Candidate[]): string {
  const points = candidates.map(({ variant, latency, threads }) => ({ macs: variant.macs! / 1e6, ms: latency.p50Ms, family: variant.family, threads: `${threads} thread${threads > 1 ? 's' : ''}` }));
  const number = (value: number): string => String(Number(value.toPrecision(2)));
  return drawPlot({
    height: 360,
    x: { type: 'log', label: 'multiply-accumulates, millions', grid: true, ticks: 6, tickFormat: number },
    y: { type: 'log', label: 'median latency, ms', grid: true, ticks: 6, tickFormat: number },
    fx: { label: null },
    color: { legend: true, scheme: 'observable10' },
    marks: [Plot.frame({ strokeOpacity: 0.2 }), Plot.dot(points, { x: 'macs', y: 'ms', fx: 'threads', fill: 'family', r: 4 })],
  });
}

function refusalsSection(refusals: readonly Refusal[]): Section {
  const rows = refusals.map(({ model, size, why }) => [model, `${size.width}x${size.height}`, why]);
  return { title: 'Sizes that could not be had', blocks: [{ kind: 'table', header: ['model', 'size', 'why'], rows }] };
}

