import { drawPlot, Plot } from '../../report/plot.js';
import { type Block, renderReport, type Section } from '../../report/report.js';
import { type ConfigurationFigures, decomposeAll, type InjectionFigures, modelOf, type PerspectiveFigures, type StudyFigures } from '../../study/analyse.js';
import { causeMs, type DecomposedFrame, sumOf, TRANSPORT_STAGE } from '../../study/decompose.js';
import { levelLabels, levelsText, usualText } from '../../study/level-labels.js';
import { CAUSES } from '../../study/perspectives.js';
import type { StudyRecording, StudyRun } from '../../study/records.js';
import type { WorstFrame } from './worst-frames.js';

const COLOUR = '#2a78b5';
const SECOND = '#d9722e';
/** One for each cause, in their order; time that a machine took is warm, time that work took is cool. */
const CAUSE_COLOURS = ['#3b8f5a', '#2aa5b5', '#2a78b5', '#8a7fc4', '#c94f7c', '#e39ab8', '#a9642d', '#e39a3b', '#c23b22', '#8d99a3'];
const ROW_PX = 22;
const LABELS_PX = 280;
const MOST_LETTERS = 54;
/** More points than this make a page slow and say no more. */
const MOST_POINTS = 600;

type Row = Readonly<Record<string, string | number>>;

/** The page of a study. Every figure of it is computed from the recording beside it. */
export function studyReport(recording: StudyRecording, figures: StudyFigures, worst: readonly WorstFrame[]): string {
  const { header, runs, notes } = recording;
  const sections: Section[] = [];
  if (figures.injection) sections.push(injectionSection(figures.injection, header.injections.join(' ')));
  if (figures.perspectives.length > 0) sections.push(effectsSection(figures.perspectives));
  for (const perspective of figures.perspectives) sections.push(perspectiveSection(perspective, recording));
  const configurations = figures.perspectives.flatMap((one) => one.configurations);
  sections.push(tailSection(figures.injection ? [figures.injection.without, figures.injection.with] : configurations), timelineSection(recording));
  if (figures.postProcessing) sections.push(postProcessingSection(recording, figures));
  sections.push(worstSection(worst, recording));
  if (notes.length > 0) sections.push({ title: 'Left out', blocks: notes.map((text): Block => ({ kind: 'text', text })) });
  return renderReport({
    title: `Time study: ${header.input}`,
    conclusion: conclusion(figures, header.injections),
    command: `lynceus study --from spans.ndjson --out .   (recorded by: ${header.command})`,
    facts: [
      ['frames', `${figures.frames} in ${runs.length} runs, warm-up left out`],
      ['recorded', new Date(header.startedEpochMs).toISOString()],
      ['seed', String(header.seed)],
      ['machine', Object.entries(header.machine).map(([name, value]) => `${name} ${value}`).join(', ')],
      ['cpu and load', 'emulated: the process is stopped for a share of every 100 ms, and other processes compete for the cores; affinity, quota, governor and frequency are the system\'s own'],
      ['intervals', '95 %, block bootstrap over neighbouring frames'],
    ],
    sections,
  });
}

function conclusion({ injection, perspectives }: StudyFigures, injections: readonly string[]): string {
  if (injection) {
    if (!injection.shares) return `${injections.join(' ')} added no variance that shows above the machine's own.`;
    const [stage, factor] = [largest(injection.shares.byStage), largest(injection.shares.byPerspective)];
    return `${injections.join(' ')} added ${injection.addedVarianceMs2.toFixed(1)} ms²: ${percent(stage[1])} of it in ${stage[0]}, ${percent(factor[1])} seen as ${factor[0]}.`;
  }
  const effects = perspectives.flatMap(({ perspective, effects: { effects } }) => effects.map(({ name, etaSquared }) => ({ perspective, name, etaSquared })));
  const first = effects.sort((a, b) => b.etaSquared - a.etaSquared)[0];
  return first ? `The factor that explains most of its sweep is ${first.name} (${first.perspective}): ${percent(first.etaSquared)} of the variance there.` : 'Nothing was varied.';
}

function injectionSection({ without, with: with_, addedVarianceMs2, shares }: InjectionFigures, injection: string): Section {
  const [before, after] = [without.total, with_.total];
  const blocks: Block[] = [
    {
      kind: 'table',
      header: ['', 'n', 'mean ms', 'CV', 'p50', 'p95', 'max', 'variance ms²'],
      rows: [
        ['without', before.n, before.mean.value.toFixed(2), before.cv.value.toFixed(2), before.p50.value.toFixed(2), before.p95?.value.toFixed(2) ?? '-', before.max.toFixed(2), without.varianceMs2.toFixed(2)],
        ['with', after.n, after.mean.value.toFixed(2), after.cv.value.toFixed(2), after.p50.value.toFixed(2), after.p95?.value.toFixed(2) ?? '-', after.max.toFixed(2), with_.varianceMs2.toFixed(2)],
      ],
    },
  ];
  if (shares) {
    const rows = [
      ...Object.entries(shares.byStage).map(([name, share]) => ({ kind: 'stage', name, share })),
      ...Object.entries(shares.byPerspective).map(([name, share]) => ({ kind: 'factor', name, share })),
      ...Object.entries(shares.byCause).map(([name, share]) => ({ kind: 'cause', name, share })),
    ];
    const markup = drawPlot({
      height: ROW_PX * rows.length + 90,
      marginLeft: 110,
      x: { label: 'share of the added variance', tickFormat: '%', grid: true },
      y: { label: null },
      fy: { label: null, domain: ['stage', 'factor', 'cause'] },
      marks: [Plot.barX(rows, { x: 'share', y: 'name', fy: 'kind', fill: COLOUR, sort: { y: '-x' } }), Plot.ruleX([0])],
    });
    blocks.push({ kind: 'plot', markup, caption: `${addedVarianceMs2.toFixed(2)} ms² were added. Shares are covariances with the total, with less without: each way of splitting sums to 100 %, and a share may be negative.` });
  }
  return { title: `What ${injection} added`, blocks };
}

function effectsSection(perspectives: readonly PerspectiveFigures[]): Section {
  const rows = perspectives.flatMap(({ perspective, effects }): Row[] => [
    ...effects.effects.map(({ name, etaSquared }) => ({ factor: `${perspective}: ${name}`, share: etaSquared, kind: 'factor' })),
    { factor: `${perspective}: within`, share: effects.residualShare, kind: 'within' },
  ]);
  const markup = drawPlot({
    height: ROW_PX * rows.length + 60,
    marginLeft: 220,
    x: { label: 'share of the variance of its sweep (eta squared)', tickFormat: '%', domain: [0, 1], grid: true },
    y: { label: null, domain: rows.map(({ factor }) => factor) },
    marks: [Plot.barX(rows, { x: 'share', y: 'factor', fill: (row: Row) => (row['kind'] === 'within' ? '#b9c2ca' : COLOUR) })],
  });
  const unbalanced = perspectives.filter(({ effects }) => !effects.isBalanced).map(({ perspective }) => perspective);
  const caption = `Each sweep varies factors of one perspective. "within" is what no factor explains: the jitter inside of the configurations.${unbalanced.length > 0 ? ` Unequal or missing cells, so that shares overlap: ${unbalanced.join(', ')}.` : ''}`;
  return { title: 'What matters', blocks: [{ kind: 'plot', markup, caption }] };
}

function perspectiveSection({ perspective, configurations }: PerspectiveFigures, recording: StudyRecording): Section {
  const own = decomposeAll(recording).filter(({ run }) => run.perspective === perspective);
  const label = levelLabels(configurations.map(({ levels }) => levels));
  const rows = own.flatMap(({ run, frames }) => frames.map(({ totalMs }): Row => ({ configuration: label(run.levels), ms: totalMs })));
  const order = configurations.map(({ levels }) => label(levels));
  const y = { label: null, domain: order, tickFormat: shortLabel };
  const distributions = drawPlot({
    height: ROW_PX * 1.4 * order.length + 70,
    marginLeft: LABELS_PX,
    x: { label: 'latency, ms', grid: true, nice: true },
    y,
    marks: [Plot.boxX(rows, { x: 'ms', y: 'configuration', fill: COLOUR, fillOpacity: 0.35, stroke: COLOUR, r: 1.5 })],
  });
  const stages = configurations.flatMap(({ levels, shares, varianceMs2 }) => Object.entries(shares.byStage).map(([stage, share]): Row => ({ configuration: label(levels), stage, ms2: share * varianceMs2 })));
  const covariance = drawPlot({
    height: ROW_PX * order.length + 80,
    marginLeft: LABELS_PX,
    color: stageColours(recording),
    x: { label: 'variance within runs, ms²', grid: true },
    y,
    marks: [Plot.barX(stages, { x: 'ms2', y: 'configuration', fill: 'stage' }), Plot.ruleX([0])],
  });
  return {
    title: titleOf(perspective),
    blocks: [
      { kind: 'plot', markup: distributions, caption: `Box: quartiles. Whiskers: 1.5 times as far. Dots: frames beyond.${usualText(configurations.map(({ levels }) => levels))}` },
      { kind: 'plot', markup: covariance, caption: 'Each stage by its covariance with the total: together they are the variance. Left of 0: a stage that is short where the total is long.' },
      causesPlot(configurations, label),
    ],
  };
}

function causesPlot(configurations: readonly ConfigurationFigures[], label: (levels: ConfigurationFigures['levels']) => string): Block {
  const order = configurations.map(({ levels }) => label(levels));
  const rows = configurations.flatMap(({ levels, meanByCause }) => Object.entries(meanByCause).map(([cause, ms]): Row => ({ configuration: label(levels), cause, ms })));
  const markup = drawPlot({
    height: ROW_PX * order.length + 80,
    marginLeft: LABELS_PX,
    color: { legend: true, domain: [...CAUSES], range: CAUSE_COLOURS },
    x: { label: 'mean latency, ms', grid: true },
    y: { label: null, domain: order, tickFormat: shortLabel },
    marks: [Plot.barX(rows, { x: 'ms', y: 'configuration', fill: 'cause', order: [...CAUSES] }), Plot.ruleX([0])],
  });
  return { kind: 'plot', markup, caption: 'What the time of the average frame went into.' };
}

function tailSection(configurations: readonly ConfigurationFigures[]): Section {
  const title = 'Why slow frames are slow';
  const known = configurations.filter(({ tail }) => tail !== undefined);
  const label = labelsByPerspective(configurations);
  if (known.length === 0) return { title, blocks: [{ kind: 'text', text: 'No configuration has the 100 frames that it takes to speak of the slowest hundredth. Ask for more with --frames or --blocks.' }] };
  const rows = known.flatMap(({ perspective, levels, tail }) =>
    Object.entries(tail!.byPart).map(([cause, ms]): Row => ({ configuration: label(perspective, levels), cause, ms })),
  );
  const markup = drawPlot({
    height: ROW_PX * known.length + 90,
    marginLeft: LABELS_PX + 90,
    color: { legend: true, domain: [...CAUSES], range: CAUSE_COLOURS },
    x: { label: 'slowest hundredth less ordinary frames, ms', grid: true },
    y: { label: null, domain: known.map(({ perspective, levels }) => label(perspective, levels)), tickFormat: shortLabel },
    marks: [Plot.barX(rows, { x: 'ms', y: 'configuration', fill: 'cause', order: [...CAUSES] }), Plot.ruleX([0])],
  });
  const quota = configurations.reduce((sum, { throttledMs }) => sum + (throttledMs ?? 0), 0);
  const stolen = configurations.reduce((sum, { stolenMs }) => sum + (stolenMs ?? 0), 0);
  return {
    title,
    blocks: [
      { kind: 'plot', markup, caption: 'Ordinary: between the 40th and the 60th percentile. "compute" and "io" are what remains where nothing else was seen: they say where the time went, not why.' },
      { kind: 'text', text: `Over all runs the control group was throttled for ${quota.toFixed(0)} ms, and the hypervisor took ${stolen.toFixed(0)} ms, as far as the system says so.` },
    ],
  };
}

function timelineSection(recording: StudyRecording): Section {
  const all = decomposeAll(recording);
  const shown = shownRuns(all);
  const label = labelsByPerspective(recording.runs);
  return { title: 'Timelines', blocks: shown.map(({ run, frames }) => timelinePlot(run, frames, label(run.perspective, run.levels))) };
}

/** The calmest and the wildest run of the study. */
function shownRuns<One extends { readonly frames: readonly DecomposedFrame[] }>(all: readonly One[]): One[] {
  const spread = ({ frames }: One): number => {
    const mean = frames.reduce((sum, { totalMs }) => sum + totalMs, 0) / frames.length;
    return frames.reduce((sum, { totalMs }) => sum + (totalMs - mean) ** 2, 0) / frames.length;
  };
  const sorted = [...all].sort((a, b) => spread(a) - spread(b));
  return sorted.length < 2 ? sorted : [sorted[0]!, sorted.at(-1)!];
}

function timelinePlot(run: StudyRun, frames: readonly DecomposedFrame[], label: string): Block {
  const [from, to] = [Math.min(...frames.map(({ startMs }) => startMs)), Math.max(...frames.map(({ startMs, totalMs }) => startMs + totalMs))];
  const marks = run.marks.filter(({ at }) => at[1] >= from && at[0] <= to).map(({ kind, at: [start, end] }): Row => ({ kind: MARK_NAMES[kind], from: start / 1e3, to: Math.max(end, start + 2) / 1e3 }));
  const offCpu = run.offCpu.filter(({ at }) => at[1] >= from && at[0] <= to && at[1] > at[0]).flatMap(({ at: [start, end], main, workers }): Row[] => (Math.max(main, workers) > 0.3 ? [{ kind: 'off the processors', from: start / 1e3, to: end / 1e3 }] : []));
  const longest = Math.max(...frames.map(({ totalMs }) => totalMs));
  const points = frames.slice(0, MOST_POINTS).map(({ startMs, totalMs, stream }): Row => ({ s: startMs / 1e3, ms: totalMs, stream }));
  const names = [...Object.values(MARK_NAMES), 'off the processors'];
  const markup = drawPlot({
    height: 300,
    color: { legend: true, domain: names, range: ['#c94f7c', '#e39ab8', '#c23b22', '#e3c08a'] },
    x: { label: 'time in the run, s' },
    y: { label: 'latency, ms', grid: true, domain: [-0.12 * longest, longest * 1.05] },
    marks: [
      Plot.rect([...marks, ...offCpu], { x1: 'from', x2: 'to', y1: (row: Row) => bandOf(names, row, longest)[0], y2: (row: Row) => bandOf(names, row, longest)[1], fill: 'kind' }),
      Plot.line(points, { x: 's', y: 'ms', z: 'stream', stroke: COLOUR, strokeOpacity: 0.5 }),
      Plot.dot(points, { x: 's', y: 'ms', r: 2, fill: COLOUR }),
      Plot.ruleY([0]),
    ],
  });
  return { kind: 'plot', markup, caption: `${label}, block ${run.block + 1}. Below: when the main thread collected garbage or was late, when the whole process stood still, and when busy threads were kept off the processors for more than 30 % of the time.` };
}

const MARK_NAMES = { gc: 'garbage collection', loop: 'event loop late', halt: 'halted' } as const;

/** A strip below 0 for each kind of mark. */
function bandOf(names: readonly string[], { kind }: Row, longest: number): readonly [number, number] {
  const height = (0.12 * longest) / names.length;
  const top = -height * names.indexOf(String(kind));
  return [top - height * 0.9, top];
}

function postProcessingSection(recording: StudyRecording, { postProcessing }: StudyFigures): Section {
  const fit = postProcessing!;
  const { model } = fit;
  const points = decomposeAll(recording).filter(({ run }) => modelOf(run) === model).flatMap(({ frames }) => frames.flatMap(({ boxesBeforeNms, postMs }): Row[] => (boxesBeforeNms === undefined || postMs === undefined ? [] : [{ boxes: boxesBeforeNms, ms: postMs }])));
  const step = Math.max(1, Math.floor(points.length / (MOST_POINTS * 2)));
  const shown = points.filter((_, i) => i % step === 0);
  const most = Math.max(...shown.map(({ boxes }) => Number(boxes)));
  const markup = drawPlot({
    height: 320,
    x: { label: 'boxes before suppression' },
    y: { label: 'decoding and suppression, ms', grid: true },
    marks: [Plot.dot(shown, { x: 'boxes', y: 'ms', r: 2, fill: COLOUR, fillOpacity: 0.4 }), Plot.line([0, most], { x: (boxes: number) => boxes, y: (boxes: number) => fit.intercept + fit.slope * boxes, stroke: SECOND, strokeWidth: 2 })],
  });
  const caption = `${fit.intercept.toFixed(3)} ms + ${(fit.slope * 1e3).toFixed(3)} µs a box; R² ${fit.r2.toFixed(2)}, residual deviation ${fit.residualDeviation.toFixed(3)} ms, mean error ${percent(fit.meanRelativeError)}, n ${fit.n}; ${fit.outliers} frames further off than 5 median deviations were left out of the line.`;
  return { title: 'Post-processing from the number of boxes', blocks: [{ kind: 'plot', markup, caption }] };
}

function worstSection(worst: readonly WorstFrame[], recording: StudyRecording): Section {
  const label = labelsByPerspective(recording.runs);
  const rows = worst.flatMap(({ rank, frame, traceFile }) => {
    let at = 0;
    return [...frame.components.keys()].map((stage): Row => {
      const from = at;
      at += sumOf(frame.components, stage);
      return { frame: `${rank}`, stage, from, to: at, traceFile };
    });
  });
  const markup = drawPlot({
    height: ROW_PX * 1.3 * worst.length + 80,
    color: stageColours(recording),
    x: { label: 'since it was due, ms', grid: true },
    y: { label: null, domain: worst.map(({ rank }) => `${rank}`) },
    marks: [Plot.barX(rows, { x1: 'from', x2: 'to', y: 'frame', fill: 'stage', href: 'traceFile' })],
  });
  const table: Block = {
    kind: 'table',
    header: ['', 'latency', 'over median', 'most of it', 'configuration', 'seq', 'trace'],
    rows: worst.map(({ rank, run, frame, overMedianMs, traceFile }) => [
      rank,
      `${frame.totalMs.toFixed(1)} ms`,
      `${overMedianMs.toFixed(1)} ms`,
      largest(Object.fromEntries(CAUSES.map((cause) => [cause, causeMs(frame, cause)])))[0],
      shortLabel(label(run.perspective, run.levels)),
      frame.seq,
      traceFile,
    ]),
  };
  return { title: 'The worst ten frames', blocks: [{ kind: 'plot', markup, caption: 'Compared with the median of their own run. A bar leads to the trace of the half second around it: open it in ui.perfetto.dev or chrome://tracing.' }, table] };
}

/** A stage has the same colour in all plots, in the order in which frames pass. */
function stageColours({ runs }: StudyRecording): { readonly legend: true; readonly scheme: 'tableau10'; readonly domain: readonly string[] } {
  const stages = new Set([TRANSPORT_STAGE, ...runs.flatMap(({ frames }) => frames.flatMap(({ spans }) => spans.map(({ stage }) => stage)))]);
  return { legend: true, scheme: 'tableau10', domain: [...stages] };
}

/** `runtime: spinning on`: labels are short, so the perspective is said. */
function labelsByPerspective(all: readonly Pick<StudyRun, 'perspective' | 'levels'>[]): (perspective: string, levels: StudyRun['levels']) => string {
  const distinct = (perspective: string) => [...new Map(all.filter((one) => one.perspective === perspective).map(({ levels }) => [levelsText(levels), levels])).values()];
  const labels = new Map<string, (levels: StudyRun['levels']) => string>([...new Set(all.map(({ perspective }) => perspective))].map((perspective) => [perspective, levelLabels(distinct(perspective))]));
  return (perspective, levels) => `${perspective}: ${(labels.get(perspective) ?? levelsText)(levels)}`;
}

function titleOf(perspective: string): string {
  return { data: 'Data', io: 'Input and output', model: 'Model', runtime: 'Runtime', hardware: 'Hardware (cpu and load: emulated)', 'end-to-end': 'End to end: capture to client' }[perspective] ?? perspective;
}

function shortLabel(text: string): string {
  return text.length <= MOST_LETTERS ? text : `${text.slice(0, MOST_LETTERS - 1)}…`;
}

function largest(shares: Readonly<Record<string, number>>): readonly [string, number] {
  return Object.entries(shares).sort((a, b) => b[1] - a[1])[0] ?? ['-', 0];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
