import { type PatchMeasurement, DEFENCE_NAMES, type DefencePoint, type Measurement } from './measure.js';
import { placeLabels } from '../../picker/place-labels.js';
import { drawPlot, Plot } from '../../report/plot.js';
import { type Block, type Cell, renderReport, type Section } from '../../report/report.js';
import { LEAST_DROP } from '../../evaluation/robustness/recovered-share.js';
import type { RunScore } from '../../evaluation/robustness/run-score.js';
import { meanOf } from '../../evaluation/robustness/attack-figures.js';
import type { Defence } from './run-defence.js';
import { latencyText, percent } from './robustness-text.js';
import { LEGEND } from './show-pictures.js';

export interface RobustnessReportOptions {
  readonly title: string;
  readonly defence: Defence;
  readonly command: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
}

/** The page that goes with a measurement. */
export function renderRobustnessReport(measured: Measurement, { title, defence, command, facts }: RobustnessReportOptions): string {
  const sections: Section[] = [
    ...(measured.attacks.length > 0 ? [attacksSection(measured, defence)] : []),
    cleanSection(measured, defence),
    ...(measured.points.length > 2 ? [paretoSection(measured.points)] : []),
    ...measured.attacks.flatMap(picturesSection),
  ];
  return renderReport({ title, conclusion: conclusionOf(measured, defence), command, facts, sections });
}

function conclusionOf({ clean, cleanDefended, attacks }: Measurement, defence: Defence): string {
  const mean = (figure: (patch: PatchMeasurement['figures']) => number | null | undefined) => meanOf(attacks.map(({ figures }) => figure(figures)));
  const attacked = mean(({ attacked: score }) => score.ap50);
  const guarded = mean(({ defended }) => defended?.ap50);
  const recovered = mean(({ recovered: share }) => share?.share);
  if (attacks.length === 0) return `On clean pictures AP50 is ${percent(clean.ap50)} % without a defence and ${percent(cleanDefended?.score.ap50)} % with: ${DEFENCE_NAMES[defence]}.`;
  const drop = `${attacks.length === 1 ? 'The patch takes' : `${attacks.length} patches take`} AP50 from ${percent(clean.ap50)} % to ${percent(attacked)} %${attacks.length === 1 ? '' : ' (mean)'}`;
  if (clean.ap50 !== null && attacked !== null && clean.ap50 - attacked < LEAST_DROP) return `${drop}: no harm that a defence could take back${guarded === null ? '' : `; behind it, AP50 is ${percent(guarded)} %`}.`;
  if (guarded === null) return `${drop}; there is no defence.`;
  return `${drop}; ${DEFENCE_NAMES[defence]} brings it back to ${percent(guarded)} %${recovered === null ? '' : `, ${percent(recovered)} % of what was lost`}.`;
}

interface Bar {
  readonly patch: string;
  readonly state: string;
  readonly ap50: number;
  readonly low: number;
  readonly high: number;
}

function attacksSection(measured: Measurement, defence: Defence): Section {
  const { controls, attacks } = measured;
  const rows = [...controls, ...attacks].map(attackRow);
  if (defence === 'off') return { title: 'Under attack', blocks: [barsBlock(measured, defence), undefendedTable(measured)] };
  const header = ['', 'attacked', 'guarded', 'recovered', 'hits', 'harmful', 'precision', 'disappeared', 'then', 'passes'];
  const caption =
    'AP50 and shares in %, with 95 % intervals of what was recovered. Hits: patches that a region overlaps by IoU 0.3, of all and of those that did harm. Precision: regions that overlap a patch by IoU 0.3 (in brackets: 0.1). Disappeared: objects found clean and not found attacked, then behind the defence. Passes: extra ones a picture.';
  return { title: 'Under attack', blocks: [barsBlock(measured, defence), { kind: 'table', header, rows, caption }] };
}

function undefendedTable({ controls, attacks }: Measurement): Block {
  const rows = [...controls, ...attacks].map(({ name, figures: { attacked } }): Cell[] => [name, percent(attacked.ap50), percent(attacked.disappearanceRate), percent(attacked.misclassificationRate), attacked.hallucinationsPerImage.toFixed(3)]);
  return { kind: 'table', header: ['', 'attacked', 'disappeared', 'misclassified', 'hallucinations a picture'], rows, caption: 'AP50 and shares in %. Disappeared: of the objects found in the clean pictures.' };
}

function barsBlock(measured: Measurement, defence: Defence): Block {
  return { kind: 'plot', markup: drawBars(measured, defence), caption: 'AP50 of the judged classes for the controls (grey and noise squares) and each patch; lines are 95 % intervals over the pictures.' };
}

function drawBars({ clean, controls, attacks }: Measurement, defence: Defence): string {
  const bars = [...controls, ...attacks].flatMap(({ name, figures: { attacked, defended } }) => [...bar(name, 'clean', clean), ...bar(name, 'attacked', attacked), ...(defended ? bar(name, DEFENCE_NAMES[defence], defended) : [])]);
  const states = [...new Set(bars.map(({ state }) => state))];
  return drawPlot({
    height: 120 + 52 * (controls.length + attacks.length),
    marginLeft: 150,
    x: { domain: [0, 100], label: 'AP50, %', grid: true },
    y: { axis: null, domain: states },
    fy: { label: null, domain: [...controls, ...attacks].map(({ name }) => name) },
    color: { legend: true, domain: states, range: ['#8a949e', '#d1495b', '#2a9d8f'] },
    marks: [
      Plot.barX(bars, { x: 'ap50', y: 'state', fy: 'patch', fill: 'state' }),
      Plot.ruleY(bars, { x1: 'low', x2: 'high', y: 'state', fy: 'patch', stroke: 'currentColor', strokeWidth: 1.2 }),
      Plot.text(bars, { x: 'high', y: 'state', fy: 'patch', text: ({ ap50 }: Bar) => ap50.toFixed(1), dx: 4, textAnchor: 'start', fontSize: 11 }),
    ],
  });
}

function bar(patch: string, state: string, { ap50, ap50Interval }: RunScore): Bar[] {
  if (ap50 === null) return [];
  return [{ patch, state, ap50: ap50 * 100, low: (ap50Interval?.low ?? ap50) * 100, high: (ap50Interval?.high ?? ap50) * 100 }];
}

function attackRow({ name, figures: { attacked, defended, recovered, regions, work } }: PatchMeasurement): Cell[] {
  const interval = recovered ? ` (${percent(recovered.interval.low)} to ${percent(recovered.interval.high)})` : '';
  const touching = regions?.precision === null || regions === null ? '' : ` (${percent(regions.precisionTouching)})`;
  return [
    name,
    percent(attacked.ap50),
    percent(defended?.ap50),
    `${percent(recovered?.share)}${interval}`,
    percent(regions?.hitRate),
    percent(regions?.hitRateHarmful),
    `${percent(regions?.precision)}${touching}`,
    percent(attacked.disappearanceRate),
    percent(defended?.disappearanceRate),
    work?.extraPasses?.toFixed(2) ?? '-',
  ];
}

function cleanSection({ clean, cleanDefended, latency }: Measurement, defence: Defence): Section {
  const row = (name: string, score: RunScore): Cell[] => [name, percent(score.ap50), percent(score.ap50All), percent(score.truePositiveRate), percent(score.misclassificationRate), score.hallucinationsPerImage.toFixed(3)];
  const header = ['', 'AP50', 'AP50, all classes', 'true positives', 'misclassified', 'hallucinations a picture'];
  const rows = [row('no defence', clean), ...(cleanDefended ? [row(DEFENCE_NAMES[defence], cleanDefended.score)] : [])];
  const blocks: Block[] = [{ kind: 'table', header, rows, caption: 'Shares in %, at the threshold of a user but for AP50.' }];
  if (cleanDefended) {
    const { flagged, extraPasses, states } = cleanDefended.work;
    const stateText = Object.entries(states).map(([state, count]) => `${count} ${state}`);
    blocks.push({ kind: 'text', text: `${percent(flagged)} % of the clean pictures are flagged, ${extraPasses?.toFixed(3) ?? '-'} extra passes each (${stateText.join(', ')}).` });
  }
  if (latency) blocks.push({ kind: 'text', text: `Clean and attacked pictures: ${latencyText(latency)}.` });
  return { title: 'What the defence costs', blocks };
}

const PARETO_SIZE_PX = { width: 860, height: 340 };
const PARETO_MARGINS_PX = { marginLeft: 56, marginRight: 16, marginTop: 30, marginBottom: 44 };

function paretoSection(points: readonly DefencePoint[]): Section {
  const shown = points.flatMap(({ defence, attackedAp50, latency }) => (attackedAp50 === null ? [] : [{ name: DEFENCE_NAMES[defence], ap50: attackedAp50 * 100, ms: latency?.own.meanMs ?? 0 }]));
  const rows = points.map(({ defence, cleanAp50, attackedAp50, latency }): Cell[] => [DEFENCE_NAMES[defence], percent(cleanAp50), percent(attackedAp50), ...latencyCells(latency)]);
  const { marginLeft: left, marginTop: top } = PARETO_MARGINS_PX;
  const bounds = { left, top, right: PARETO_SIZE_PX.width - PARETO_MARGINS_PX.marginRight, bottom: PARETO_SIZE_PX.height - PARETO_MARGINS_PX.marginBottom };
  const most = Math.max(1, ...shown.map(({ ms }) => ms * 1.1));
  const anchors = shown.map(({ ms, ap50, name }) => ({ x: left + (ms / most) * (bounds.right - left), y: bounds.bottom - (ap50 / 100) * (bounds.bottom - top), text: name }));
  const labels = placeLabels(anchors, { bounds });
  const markup = drawPlot({
    ...PARETO_SIZE_PX,
    ...PARETO_MARGINS_PX,
    x: { domain: [0, most], label: 'mean work of the defence a picture, ms', grid: true },
    y: { domain: [0, 100], label: 'AP50 under attack, %', grid: true },
    marks: [
      Plot.dot(shown, { x: 'ms', y: 'ap50', r: 5, fill: '#2a9d8f' }),
      ...labels.map(({ text, dx, dy, textAnchor }) => Plot.text(shown.filter(({ name }) => name === text), { x: 'ms', y: 'ap50', text: 'name', dx, dy, textAnchor })),
    ],
  });
  return {
    title: 'Robustness against time',
    blocks: [
      { kind: 'plot', markup, caption: 'Mean AP50 over the patches against the work of each defence: all but the one inference that every picture costs. Up and to the left is better.' },
      { kind: 'table', header: ['', 'AP50 clean', 'AP50 attacked', 'mean', 'p50', 'p99'], rows },
    ],
  };
}

function latencyCells(latency: DefencePoint['latency']): Cell[] {
  if (!latency) return ['0', '0', '0'];
  const { meanMs, p50Ms, p99Ms } = latency.own;
  return [meanMs, p50Ms, p99Ms].map((ms) => (ms === null ? '-' : `${ms.toFixed(2)} ms`));
}

function picturesSection({ name, pictures }: PatchMeasurement): Section[] {
  if (pictures.length === 0) return [];
  const blocks = pictures.map(({ caption, panels }): Block => ({ kind: 'panels', panels, caption }));
  return [{ title: `${name}: failures first, then successes`, blocks: [{ kind: 'text', text: LEGEND }, ...blocks] }];
}
