import type { CurvePoint } from '../../attack/optimise/optimise-patch.js';
import type { RunScore } from '../../evaluation/robustness/run-score.js';
import { percent } from '../robustness/robustness-text.js';
import { textTable } from '../terminal.js';
import type { AttackOutcome } from './attack-outcome.js';
import type { JudgedPatch } from './search-patch.js';

/** A row of the table of damage: one patch, or the clean pictures. */
export interface DamageRow {
  readonly name: string;
  readonly score: RunScore;
  /** Behind the guard; undefined where it wasn't measured. */
  readonly guarded: RunScore | undefined;
}

/** Clean, controls, patches; the searched one last. */
export function damageRows({ measured: { clean, cleanDefended, controls, attacks } }: Pick<AttackOutcome, 'measured'>): DamageRow[] {
  const rows = [...controls, ...attacks].map(({ name, figures }): DamageRow => ({ name, score: figures.attacked, guarded: figures.defended ?? undefined }));
  return [{ name: 'clean', score: clean, guarded: cleanDefended?.score }, ...rows];
}

export const DAMAGE_HEADER = ['', 'AP50', '95 % interval', 'disappeared', 'hallucinations'];
export const GUARDED_HEADER = ['AP50, guarded', 'disappeared, guarded'];

/** @returns cells under `DAMAGE_HEADER`, and under `GUARDED_HEADER` where the guard was measured. */
export function damageCells({ name, score, guarded }: DamageRow): string[] {
  const { ap50, ap50Interval, disappearanceRate, hallucinationsPerImage } = score;
  const interval = ap50Interval ? `${percent(ap50Interval.low)} to ${percent(ap50Interval.high)}` : '-';
  const cells = [name, percent(ap50), interval, percent(disappearanceRate), hallucinationsPerImage.toFixed(2)];
  return guarded ? [...cells, percent(guarded.ap50), percent(guarded.disappearanceRate)] : cells;
}

export const JUDGED_HEADER = ['', 'score, searched', 'score, others'];

/** @returns cells under `JUDGED_HEADER`, and two of the guard's evidence where that was asked for. */
export function judgedCells({ name, searched, heldOut }: JudgedPatch, withEvidence: boolean): string[] {
  const cells = [name, searched.score.toFixed(3), heldOut.score.toFixed(3)];
  return withEvidence ? [...cells, searched.evidence.toFixed(3), heldOut.evidence.toFixed(3)] : cells;
}

/** The figures of an attack for people. */
export function attackText(outcome: AttackOutcome): string {
  const { options, search, measured } = outcome;
  const rows = damageRows(outcome);
  const header = rows.some(({ guarded }) => guarded) ? [...DAMAGE_HEADER, ...GUARDED_HEADER] : DAMAGE_HEADER;
  const lines = [`${options.model}: ${measured.clean.images} pictures, ${measured.clean.boxes} objects of ${options.label.join(', ')}`, '', 'AP50 in %, disappeared: of those found in the clean pictures, %; hallucinations a picture', textTable(header, rows.map(damageCells))];
  if (!search) return lines.join('\n');
  const { queries, curve, pictures, judged } = search;
  const adaptive = options.adaptive ?? false;
  return [
    ...lines,
    '',
    `Searched with ${queries} queries (${options.method}), loss ${curve[0]?.loss.toFixed(3) ?? '-'} to ${curve.at(-1)?.loss.toFixed(3) ?? '-'} ${sparkline(curve)}`,
    `Mean ${options.goal === 'hide' ? 'score of who carries the patch' : 'score of what appears'} on ${pictures.searched} scenes that the search used and ${pictures.heldOut} others`,
    textTable(adaptive ? [...JUDGED_HEADER, 'evidence, searched', 'evidence, others'] : JUDGED_HEADER, judged.map((one) => judgedCells(one, adaptive))),
  ].join('\n');
}

const BARS = '▁▂▃▄▅▆▇█';
const SPARKS = 20;

/** The curve in a few characters, its lowest and highest loss as the lowest and highest bar. */
export function sparkline(curve: readonly CurvePoint[]): string {
  const step = Math.max(1, curve.length / SPARKS);
  const losses = curve.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step)).map(({ loss }) => loss);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  return losses.map((loss) => BARS[high > low ? Math.round(((loss - low) / (high - low)) * (BARS.length - 1)) : 0]!).join('');
}
