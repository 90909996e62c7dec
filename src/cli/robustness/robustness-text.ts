import { meanOf } from '../../evaluation/robustness/attack-figures.js';
import type { AddedLatency } from '../../evaluation/robustness/defence-cost.js';
import { textTable } from '../terminal.js';
import { DEFENCE_NAMES, type Measurement, type PatchMeasurement } from './measure.js';
import type { Defence } from './run-defence.js';

/** The figures of a measurement for people. */
export function robustnessText(measured: Measurement, defence: Defence, title: string): string {
  const { clean, cleanDefended, controls, attacks, latency } = measured;
  const rows = [
    ['clean', percent(clean.ap50), percent(cleanDefended?.score.ap50), '-', '-', '-', '-', decimal(cleanDefended?.work.extraPasses)],
    ...[...controls, ...attacks].map(patchRow),
    ...(attacks.length > 1 ? [meanRow(attacks)] : []),
  ];
  const header = ['', 'no defence', DEFENCE_NAMES[defence], 'recovered', 'hits', 'hits, harmful', 'precision', 'extra passes'];
  const without = ([name, ap50]: readonly string[]) => [name!, ap50!];
  const table = defence === 'off' ? textTable(without(header), rows.map(without)) : textTable(header, rows);
  return [title, '', `AP50 in %, regions in %, extra passes a picture`, table, '', ...notes(measured), ...latencyNote(latency)].join('\n');
}

function patchRow({ name, figures: { attacked, defended, recovered, regions, work } }: PatchMeasurement): string[] {
  return [name, percent(attacked.ap50), percent(defended?.ap50), percent(recovered?.share), percent(regions?.hitRate), percent(regions?.hitRateHarmful), percent(regions?.precision), decimal(work?.extraPasses)];
}

function meanRow(attacks: readonly PatchMeasurement[]): string[] {
  const mean = (figure: (patch: PatchMeasurement['figures']) => number | null | undefined) => meanOf(attacks.map(({ figures }) => figure(figures)));
  return [
    'mean of patches',
    percent(mean(({ attacked }) => attacked.ap50)),
    percent(mean(({ defended }) => defended?.ap50)),
    percent(mean(({ recovered }) => recovered?.share)),
    percent(mean(({ regions }) => regions?.hitRate)),
    percent(mean(({ regions }) => regions?.hitRateHarmful)),
    percent(mean(({ regions }) => regions?.precision)),
    decimal(mean(({ work }) => work?.extraPasses)),
  ];
}

function notes({ clean, cleanDefended, attacks }: Measurement): string[] {
  const lines = [`${clean.images} pictures, ${clean.boxes} objects, ${clean.detections} found boxes at the threshold in the clean pictures`];
  if (cleanDefended) lines.push(`${percent(cleanDefended.work.flagged)} % of the clean pictures flagged, ${statesText(cleanDefended.work.states)}`);
  const disappeared = meanOf(attacks.map(({ figures }) => figures.attacked.disappearanceRate));
  const still = meanOf(attacks.map(({ figures }) => figures.defended?.disappearanceRate));
  if (disappeared !== null) lines.push(`${percent(disappeared)} % of the objects found in clean pictures disappear under attack${still === null ? '' : `, ${percent(still)} % behind the defence`}`);
  return lines;
}

function statesText(states: Readonly<Record<string, number>>): string {
  return Object.entries(states)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ');
}

function latencyNote(latency: AddedLatency | null): string[] {
  if (!latency) return [];
  return [latencyText(latency)];
}

/** A sentence without its full stop. */
export function latencyText({ own, paired }: AddedLatency): string {
  const p99 = own.p99Ms === null ? '' : `, p99 ${own.p99Ms.toFixed(2)} ms`;
  return `work of the defence a picture: p50 ${own.p50Ms.toFixed(2)} ms${p99}, mean ${own.meanMs.toFixed(2)} ms (n ${own.n}); picture by picture against the run without it: p50 ${paired.p50Ms.toFixed(2)} ms`;
}

/** Without the sign; `-` where there is nothing to say. */
export function percent(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : (value * 100).toFixed(1);
}

function decimal(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : value.toFixed(2);
}
