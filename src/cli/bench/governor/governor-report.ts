import { availableParallelism } from 'node:os';
import { drawPlot, Plot } from '../../../report/plot.js';
import { renderReport } from '../../../report/report.js';
import { machine } from '../machine.js';
import { type Block, type GovernorFigures, type LatencyFigures, secondMedians } from './figures.js';
import { scheduleLengthMs, speedAt } from './schedule.js';

const WIDTH = 900;
const READY = 'governed, until ready';
const COLOURS = { domain: ['fixed', 'governed', READY], range: ['#c2410c', '#0369a1', '#7dd3fc'] };

/** The page of a governor's bench: latency by second, operating points and speed over time, and what each point is worth. */
export function governorReport(figures: GovernorFigures): string {
  const { fixed, governed, target, model } = figures;
  const { cpu, cores, node, onnxruntime } = machine();
  return renderReport({
    title: `Governor: ${model} at ${target}`,
    conclusion: `The standard deviation of a second's median latency is ${governed.stdMs.toFixed(2)} ms governed and ${fixed.stdMs.toFixed(2)} ms fixed (${(fixed.stdMs / governed.stdMs).toFixed(1)} times less); ${(governed.deadlineMisses * 100).toFixed(2)} % of governed frames are later than the target, ${(fixed.deadlineMisses * 100).toFixed(1)} % of fixed ones.`,
    command: figures.command,
    facts: [
      ['machine', `${cpu}, ${cores} cores, Node ${node}, onnxruntime ${onnxruntime}`],
      ['speed', `${figures.speeds.join(', ')} %, ${figures.emulation}`],
      ['load average', `${figures.loadBefore.toFixed(2)} before, ${figures.loadAfter.toFixed(2)} after, on ${availableParallelism()} cores`],
      ['blocks', figures.blocks.map(({ pipeline }) => pipeline).join(', ')],
      ['threads of an inference, governed', String(figures.threads)],
      ['frames', `${fixed.frames} fixed, ${governed.frames} governed`],
    ],
    sections: [
      { title: 'Latency', blocks: [{ kind: 'plot', markup: latencyPlot(figures), caption: 'Median latency of each second, milliseconds; each block is a line. The rule is the target; governed results that are ready before are held until shortly before it.' }, figuresTable(figures)] },
      {
        title: 'What the governor did',
        blocks: [
          { kind: 'plot', markup: speedPlot(figures), caption: `Speed of the CPU, percent, ${figures.emulation}.` },
          { kind: 'plot', markup: pointPlot(figures), caption: 'Operating point of each governed frame, by the time that it takes at full speed, milliseconds; each block is a colour.' },
        ],
      },
      { title: 'Operating points', blocks: [...accuracyPlot(figures), pointsTable(figures)] },
    ],
  });
}

function latencyPlot({ blocks, targetMs, segments }: GovernorFigures): string {
  const lines = blocks.flatMap((block) => [
    { pipeline: block.pipeline, medians: secondMedians(block) },
    ...(block.pipeline === 'governed' ? [{ pipeline: READY, medians: secondMedians(block, 'readyMs') }] : []),
  ]);
  const data = lines.flatMap(({ pipeline, medians }, index) => medians.flatMap((latencyMs, second) => (latencyMs === undefined ? [] : [{ second: second + 0.5, latencyMs, pipeline, index }])));
  return drawPlot({
    width: WIDTH,
    height: 320,
    color: { ...COLOURS, legend: true },
    x: { label: 'seconds', domain: [0, scheduleLengthMs(segments) / 1e3] },
    y: { label: 'ms', zero: true, grid: true },
    marks: [Plot.ruleY([targetMs], { strokeDasharray: '4 4' }), Plot.lineY(data, { x: 'second', y: 'latencyMs', stroke: 'pipeline', z: 'index' }), Plot.dot(data, { x: 'second', y: 'latencyMs', fill: 'pipeline', r: 2 })],
  });
}

function speedPlot({ segments }: GovernorFigures): string {
  const endMs = scheduleLengthMs(segments);
  const data = Array.from({ length: Math.ceil(endMs / 100) }, (_, i) => ({ second: i / 10, percent: speedAt(segments, i * 100) }));
  return drawPlot({ width: WIDTH, height: 140, x: { label: 'seconds', domain: [0, endMs / 1e3] }, y: { label: '%', domain: [0, 100], grid: true }, marks: [Plot.lineY(data, { x: 'second', y: 'percent', curve: 'step-after' })] });
}

function pointPlot({ blocks, points, segments }: GovernorFigures): string {
  const frameMs = new Map(points.map((point) => [point.name, point.frameMs]));
  const governed = blocks.filter(({ pipeline }) => pipeline === 'governed');
  const data = governed.flatMap(({ frames }: Block, index) => frames.map(({ atMs, point }) => ({ second: atMs / 1e3, ms: frameMs.get(point ?? ''), block: `block ${index + 1}` })));
  return drawPlot({
    width: WIDTH,
    height: 240,
    color: { legend: true },
    x: { label: 'seconds', domain: [0, scheduleLengthMs(segments) / 1e3] },
    y: { label: 'ms at full speed', domain: [0, Math.max(...frameMs.values())], grid: true },
    marks: [Plot.dot(data, { x: 'second', y: 'ms', fill: 'block', r: 1.5 })],
  });
}

type Blocks = Parameters<typeof renderReport>[0]['sections'][number]['blocks'];

function accuracyPlot({ points, accuracyData }: GovernorFigures): Blocks {
  const scored = points.filter(({ ap50 }) => ap50 !== null);
  if (scored.length === 0 || accuracyData === null) return [{ kind: 'text', text: 'Accuracy was not measured: add --gt with the ground truth of the video.' }];
  const markup = drawPlot({
    width: WIDTH,
    height: 280,
    x: { label: 'ms a frame at full speed', zero: true, grid: true },
    y: { label: 'AP50', domain: [0, 1], grid: true },
    marks: [Plot.lineY(scored, { x: 'frameMs', y: 'ap50', strokeOpacity: 0.4 }), Plot.dot(scored, { x: 'frameMs', y: 'ap50', r: (point: { share: number }) => 2 + 12 * Math.sqrt(point.share), fillOpacity: 0.5, fill: COLOURS.range[1]! })],
  });
  return [{ kind: 'plot', markup, caption: `AP50 of each operating point on ${accuracyData}; larger where more of the governed frames were worked on.` }];
}

function figuresTable({ fixed, governed, ready, missesAtFullSpeed }: GovernorFigures): Blocks[number] {
  const of = (text: (figures: LatencyFigures) => string) => [fixed, governed, ready].map(text);
  return {
    kind: 'table',
    header: ['', 'fixed', 'governed', READY],
    rows: [
      ['mean latency, ms', ...of(({ meanMs }) => meanMs.toFixed(2))],
      ["std of a second's median, ms", ...of(({ stdMs }) => stdMs.toFixed(2))],
      ['(max - min) / mean', ...of(({ rangeOverMean }) => rangeOverMean.toFixed(3))],
      ['later than the target, %', ...of(({ deadlineMisses }) => (deadlineMisses * 100).toFixed(2))],
    ],
    caption: `Frames of the first half second after each step are not counted as late. At full speed ${(missesAtFullSpeed * 100).toFixed(2)} % of the fixed pipeline's frames are late: nobody can govern those away.`,
  };
}

function pointsTable({ points }: GovernorFigures): Blocks[number] {
  return {
    kind: 'table',
    header: ['operating point', 'inference, ms', 'a frame, ms', 'AP50', '% of governed frames'],
    rows: points.map(({ name, detectMs, frameMs, ap50, share }) => [name, detectMs.toFixed(2), frameMs.toFixed(2), ap50 === null ? '-' : ap50.toFixed(3), (share * 100).toFixed(1)]),
  };
}
