import { drawPlot, Plot } from '../../report/plot.js';
import { renderReport, type Block } from '../../report/report.js';
import type { QuantizationFigures } from './figures.js';
import type { QuantizeOutcome } from './quantize-model.js';

/** Bars that a reader can still tell apart. */
const BARS_SHOWN = 40;
const INTEGER_COLOUR = '#2563a8';
const FLOAT_COLOUR = '#c2631a';

export interface ReportFacts {
  readonly id: string;
  readonly command: string;
  readonly calibration: string;
  readonly search: string;
  readonly verify: string;
  readonly machine: Readonly<Record<string, string | number>>;
}

/** The page that goes into the new model's folder. */
export function quantizationReport(outcome: QuantizeOutcome, figures: QuantizationFigures, facts: ReportFacts): string {
  const { id, command, calibration, search, verify, machine } = facts;
  return renderReport({
    title: `INT8 of ${id}`,
    conclusion: `Advice: ${figures.advice}. ${figures.reason}.`,
    command,
    facts: [['calibrated with', calibration], ['chosen on', search], ['judged on', verify], ...Object.entries(machine).map(([name, value]) => [name, String(value)] as const)],
    sections: [
      { title: 'What it costs and gives', blocks: [summary(figures)] },
      { title: 'Loss against speed', blocks: [front(outcome), candidateTable(figures)] },
      { title: 'Which convolution disturbs the answer', blocks: [sensitivityBars(outcome)] },
      { title: 'Ways to choose ranges', blocks: [trialTable(figures)] },
      { title: 'Signal over noise, layer by layer', blocks: [sqnrPlot(outcome), layerTable(figures)] },
      { title: 'Ranges of the bytes', blocks: [rangePlot(outcome)] },
    ],
  });
}

function summary({ speedup, map50_search: search, map50_verify: verify, map_verify: map, size_bytes: size, optimization_check: check }: QuantizationFigures): Block {
  const change = (name: string, of: QuantizationFigures['map50_search']): string[][] => (of ? [[name, of.before.toFixed(2), of.after.toFixed(2), `${(of.after - of.before).toFixed(2)} (95 %: ${of.ci95[0].toFixed(2)} to ${of.ci95[1].toFixed(2)})`]] : []);
  const time = (name: string, { fp32_ms: fp32, int8_ms: int8, ratio, n, fp32_simplified_ms: simplified }: QuantizationFigures['speedup']['threads1']): string[] => [name, fp32.toFixed(2), int8.toFixed(2), `${ratio.toFixed(2)} times; fp32 with the same simplifications ${simplified.toFixed(2)} ms; n = ${n}`];
  const rows = [
    time('inference, 1 thread, ms', speedup.threads1),
    time('inference, 2 threads, ms', speedup.threads2),
    ...change('mAP50, chosen on, points', search),
    ...change('mAP50, unseen, points', verify),
    ...change('mAP50-95, unseen, points', map),
    ['file, MB', (size.before / 1e6).toFixed(2), (size.after / 1e6).toFixed(2), `${(size.before / size.after).toFixed(2)} times smaller`],
    ['optimisation off against on', '', check.agreement === null ? '-' : `${(100 * check.agreement).toFixed(1)} %`, `of the detections agree over ${check.pictures} pictures; limit ${100 * check.limit} %`],
  ];
  return { kind: 'table', header: ['', 'before', 'after', 'change'], rows };
}

function front({ search: { candidates }, chosen }: QuantizeOutcome): Block {
  const points = candidates.map((one) => ({ ratio: one.ratio, loss: one.loss, name: one.name, state: one === chosen ? 'chosen' : 'candidate' }));
  const markup = drawPlot({
    x: { label: 'times as fast as fp32 (one thread) →', grid: true },
    y: { label: '↑ points of mAP50 lost (estimate)', grid: true },
    color: { legend: true, domain: ['chosen', 'candidate'], range: [FLOAT_COLOUR, INTEGER_COLOUR] },
    marks: [Plot.ruleX([1], { strokeDasharray: '3,3' }), Plot.ruleY([0]), Plot.dot(points, { x: 'ratio', y: 'loss', fill: 'state', r: 5, title: 'name' }), Plot.text(points.filter(({ state }) => state === 'chosen'), { x: 'ratio', y: 'loss', text: 'name', dy: -10, fontSize: 9 })],
  });
  return { kind: 'plot', markup, caption: 'Every division of the network into bytes and floats that was measured; the table names them.' };
}

function candidateTable({ candidates, chosen }: QuantizationFigures): Block {
  const rows = candidates.map((one) => [one.name === chosen ? `${one.name} (chosen)` : one.name, one.int8_convolutions, one.ratio.toFixed(2), one.loss.toFixed(2), one.map50_loss?.toFixed(2) ?? '-', one.disagreement?.toFixed(2) ?? '-', one.head_sqnr_db.toFixed(1)]);
  return { kind: 'table', header: ['candidate', 'convolutions in INT8', 'times as fast', 'loss, estimate', 'loss on labels', 'disagreement with fp32', 'SQNR at heads, dB'], rows };
}

function sensitivityBars({ search: { sensitivities }, chosen }: QuantizeOutcome): Block {
  const worst = sensitivities.toSorted((a, b) => b.noise - a.noise).slice(0, BARS_SHOWN);
  const bars = worst.map(({ name, noise }) => ({ name, noise: Math.max(noise, 1e-9), as: chosen.integer.has(name) ? 'INT8' : 'float' }));
  const markup = drawPlot({
    height: 18 * bars.length + 60,
    marginLeft: 150,
    x: { label: 'noise over signal at the heads →', type: 'log', grid: true },
    y: { label: null, domain: bars.map(({ name }) => name) },
    color: { legend: true, domain: ['INT8', 'float'], range: [INTEGER_COLOUR, FLOAT_COLOUR] },
    marks: [Plot.barX(bars, { x1: Math.min(...bars.map(({ noise }) => noise)) / 2, x2: 'noise', y: 'name', fill: 'as' })],
  });
  return { kind: 'plot', markup, caption: `One convolution at a time in INT8, everything else in float; the ${bars.length} worst, by what became of them.` };
}

function trialTable({ trials, method }: QuantizationFigures): Block {
  const isChosen = (one: QuantizationFigures['method']): boolean => one.ranges === method.ranges && one.equalized === method.equalized && one.bias_correction === method.bias_correction;
  const rows = trials.map((one) => [isChosen(one) ? `${one.ranges} (chosen)` : one.ranges, one.equalized ? 'yes' : 'no', one.bias_correction ? 'yes' : 'no', one.disagreement.toFixed(2)]);
  return { kind: 'table', header: ['ranges by', 'equalized', 'biases corrected', 'disagreement with fp32, points'], rows };
}

function sqnrPlot({ layers }: QuantizeOutcome): Block {
  const points = layers.flatMap(({ name, sqnrDb, int8 }, index) => (Number.isFinite(sqnrDb) ? [{ index, name, sqnrDb: Math.min(sqnrDb, 80), as: int8 ? 'INT8' : 'float' }] : []));
  const markup = drawPlot({
    x: { label: 'convolution, in order →' },
    y: { label: '↑ SQNR, dB', grid: true },
    color: { legend: true, domain: ['INT8', 'float'], range: [INTEGER_COLOUR, FLOAT_COLOUR] },
    marks: [Plot.line(points, { x: 'index', y: 'sqnrDb', stroke: '#999' }), Plot.dot(points, { x: 'index', y: 'sqnrDb', fill: 'as', r: 3.5, title: 'name' })],
  });
  return { kind: 'plot', markup, caption: 'What each convolution computes in the finished network, compared with fp32: its own noise and all that came before. Floats are shown up to 80 dB.' };
}

function layerTable({ layers }: QuantizationFigures): Block {
  return { kind: 'table', header: ['layer', 'SQNR, dB', 'runs in', 'why'], rows: layers.map(({ name, sqnr_db: sqnr, int8, why }) => [name, sqnr === null ? '-' : sqnr.toFixed(1), int8 ? 'INT8' : 'float', why]) };
}

function rangePlot({ chosen, network: { convolutions } }: QuantizeOutcome): Block {
  const order = new Map([...chosen.scales.keys()].map((name, index) => [name, index]));
  const ranges = [...chosen.scales].map(([name, { scale, zeroPoint }]) => ({ name, index: order.get(name)!, low: -zeroPoint * scale, high: (255 - zeroPoint) * scale }));
  const markup = drawPlot({
    x: { label: 'tensor on bytes, in order →' },
    y: { label: '↑ range', type: 'symlog', grid: true },
    marks: [Plot.ruleX(ranges, { x: 'index', y1: 'low', y2: 'high', stroke: INTEGER_COLOUR, strokeWidth: 3, title: 'name' }), Plot.ruleY([0])],
  });
  return { kind: 'plot', markup, caption: `What the 256 values of a byte reach, for ${ranges.length} tensors of a network of ${convolutions.length} convolutions.` };
}
