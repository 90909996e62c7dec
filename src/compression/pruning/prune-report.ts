import { drawPlot, Plot } from '../../report/plot.js';
import { renderReport, type Block, type Section } from '../../report/report.js';
import type { PruneFigures } from './prune-figures.js';
import type { PrunedModel } from './prune-model.js';

const BEFORE = '#c2571a';
const AFTER = '#2a78b5';
const BAR_HEIGHT_PX = 13;

export interface PruneReport {
  readonly title: string;
  readonly result: PrunedModel;
  readonly figures: PruneFigures;
  /** What the model was calibrated with, to be looked at: a PNG. */
  readonly sheet: Uint8Array;
  readonly data: Readonly<Record<string, string | null>>;
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly command: string;
  readonly machine: Readonly<Record<string, string | number>>;
}

/** The page that lies beside a pruned model. */
export function pruneReport({ title, result, figures, sheet, data, settings, command, machine }: PruneReport): string {
  return renderReport({
    title: `Pruning: ${title}`,
    conclusion: conclusionOf(figures),
    command,
    facts: [
      ['calibrated with', data['calibration'] ?? ''],
      ['judged on', data['verify'] ?? 'nothing: no --data was given'],
      ['settings', pairs(settings)],
      ['machine', pairs(machine)],
    ],
    sections: [priceSection(figures), ...sparsitySections(result), ...filterSections(result, figures), calibrationSection(sheet, data['calibration'] ?? '')],
  });
}

function pairs(record: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(record)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ');
}

function conclusionOf({ sparsity, filters, bytes, map50_verify: verified, latency }: PruneFigures): string {
  const parts = [
    ...(filters ? [`${percent(filters.macs_reduction)} fewer multiply-accumulates with ${filters.channels_before - filters.channels_after} channels removed`] : []),
    ...(sparsity === null ? [] : [`${percent(sparsity)} of the weights are zero`]),
    `${percent(1 - bytes.after.gzip / bytes.before.gzip)} smaller when compressed (gzip)`,
    ...latency.map(({ speedup, threads }) => `${speedup.toFixed(2)} times as fast with ${threads} ${threads === 1 ? 'thread' : 'threads'}`),
    verified ? `${signed(verified.difference)} points of mAP50 (95 %: ${signed(verified.ci95[0])} to ${signed(verified.ci95[1])}) on pictures that decided nothing` : 'accuracy not judged',
  ];
  return `${parts.join(', ')}.`;
}

function priceSection({ bytes, latency, map50_verify: map50, map_verify: map, trials }: PruneFigures): Section {
  const changes = [['mAP50', map50] as const, ['mAP50-95', map] as const].flatMap(([name, change]) =>
    change ? [[name, percent(change.before), percent(change.after), signed(change.difference), `${signed(change.ci95[0])} to ${signed(change.ci95[1])}`]] : [],
  );
  const sizes = (['file', 'gzip', 'brotli'] as const).map((kind) => [kind, kib(bytes.before[kind]), kib(bytes.after[kind]), percent(1 - bytes.after[kind] / bytes.before[kind])]);
  const times = latency.map(({ threads, n, median_ms_before: before, median_ms_after: after, speedup }) => [threads, before.toFixed(2), after.toFixed(2), speedup.toFixed(3), n]);
  const blocks: Block[] = [
    ...(changes.length > 0 ? [{ kind: 'table', header: ['accuracy', 'before', 'after', 'points', '95 % of the change'], rows: changes, caption: 'Intervals are paired over the pictures (1000 resamples).' } as const] : []),
    { kind: 'table', header: ['KiB', 'before', 'after', 'smaller by'], rows: sizes },
    ...(times.length > 0 ? [{ kind: 'table', header: ['threads', 'ms before', 'ms after', 'speedup', 'pairs'], rows: times, caption: 'The network alone; both run in turn. The speedup is the median over pairs.' } as const] : []),
    ...(trials.length > 0 ? [{ kind: 'table', header: ['tried', 'points of mAP50 lost on the search pictures'], rows: trials.map(({ value, loss_points: loss }) => [percent(value), loss.toFixed(2)]) } as const] : []),
  ];
  if (latency.length === 0) blocks.push({ kind: 'text', text: 'Zeros alone make a model smaller to send, not faster to run: onnxruntime multiplies by them as by any other number.' });
  return { title: 'What it costs and what it saves', blocks };
}

function sparsitySections({ sparse }: PrunedModel): Section[] {
  if (!sparse) return [];
  const names = sparse.layers.map(({ name }) => name);
  const height = 60 + BAR_HEIGHT_PX * names.length;
  const layers = sparse.layers.map((layer) => ({ ...layer, percentZero: layer.sparsity * 100 }));
  const bars = drawPlot({ height, marginLeft: 160, x: { label: 'weights that are zero, %', domain: [0, 100] }, y: { label: null, domain: names }, marks: [Plot.barX(layers, { x: 'percentZero', y: 'name', fill: AFTER }), Plot.ruleX([0])] });
  const errors = sparse.layers.flatMap(({ name, errorBefore, errorAfter }) => [
    { name, error: Math.max(errorBefore, 1e-8), when: 'removed only' },
    { name, error: Math.max(errorAfter, 1e-8), when: 'after reconstruction' },
  ]);
  const dots = drawPlot({
    height,
    marginLeft: 160,
    x: { label: "error over the variance of the layer's output", type: 'log' },
    y: { label: null, domain: names },
    color: { domain: ['removed only', 'after reconstruction'], range: [BEFORE, AFTER], legend: true },
    marks: [Plot.ruleY(sparse.layers, { y: 'name', x1: (layer: { errorBefore: number }) => Math.max(layer.errorBefore, 1e-8), x2: (layer: { errorAfter: number }) => Math.max(layer.errorAfter, 1e-8), stroke: '#999' }), Plot.dot(errors, { x: 'error', y: 'name', fill: 'when', r: 3 })],
  });
  return [
    { title: 'Sparsity by layer', blocks: [{ kind: 'plot', markup: bars, caption: 'Layers in the order of execution. One threshold on |w| / ||W|| for all of them: large layers give most.' }] },
    { title: 'Error by layer', blocks: [{ kind: 'plot', markup: dots, caption: 'Mean squared difference from what the dense layer gives for the same inputs.' }] },
  ];
}

function filterSections({ narrow }: PrunedModel, { kept_by: keptBy }: PruneFigures): Section[] {
  if (!narrow) return [];
  const changed = narrow.layers.filter(({ filtersBefore, filtersAfter }) => filtersAfter < filtersBefore);
  const bars = changed.flatMap(({ name, filtersBefore, filtersAfter }) => [
    { name, channels: filtersAfter, what: 'kept' },
    { name, channels: filtersBefore - filtersAfter, what: 'removed' },
  ]);
  const markup = drawPlot({
    height: 60 + 1.4 * BAR_HEIGHT_PX * Math.max(4, changed.length),
    marginLeft: 160,
    x: { label: 'channels' },
    y: { label: null, domain: changed.map(({ name }) => name) },
    color: { domain: ['kept', 'removed'], range: [AFTER, BEFORE], legend: true },
    marks: [Plot.barX(bars, { x: 'channels', y: 'name', fill: 'what', order: ['kept', 'removed'] })],
  });
  const blocks: Block[] = [{ kind: 'plot', markup, caption: `${changed.length} of ${narrow.layers.length} convolutions are narrower.` }];
  if (keptBy.length > 0) blocks.push({ kind: 'table', header: ['node', 'why its channels stay', 'channels'], rows: keptBy.map(({ node, why, channels }) => [node, why, channels]) });
  return [{ title: 'Channels by layer', blocks }];
}

function calibrationSection(png: Uint8Array, caption: string): Section {
  return { title: 'Calibrated with', blocks: [{ kind: 'picture', png, caption }] };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function signed(difference: number): string {
  return `${difference >= 0 ? '+' : '-'}${Math.abs(difference * 100).toFixed(2)}`;
}

function kib(bytes: number): string {
  return (bytes / 1024).toFixed(0);
}
