import type { Command } from 'commander';
import { AppError } from '../../core/errors.js';
import { analyse } from '../../study/analyse.js';
import { type ComparedEstimate, compareStudies, type Comparison, COMPARED } from '../../study/compare.js';
import type { Estimate } from '../../study/describe.js';
import { levelsText } from '../../study/level-labels.js';
import { readRecording } from '../study/read-recording.js';
import { print, textTable } from '../terminal.js';

export function addCompare(study: Command): void {
  study
    .command('compare')
    .description('Compare two recordings, of two versions or of two machines: faster is said only where the 95 % intervals do not overlap.')
    .argument('<a>', 'spans.ndjson of a study, or the folder of its report')
    .argument('<b>', 'the one to compare with it')
    .option('--json', 'print JSON')
    // The command above has an option of this name too, and would keep it to itself.
    .action(async (a: string, b: string, _: unknown, command: Command) => {
      await compare(a, b, command.optsWithGlobals<{ json?: boolean }>().json ?? false);
    });
}

async function compare(a: string, b: string, json: boolean): Promise<void> {
  const [first, second] = await Promise.all([readRecording(a), readRecording(b)]);
  const comparison = compareStudies(analyse(first), analyse(second));
  if (comparison.configurations.length === 0) throw new AppError('ERR_USAGE', `${a} and ${b} have no configuration in common`, { fix: 'Compare studies of the same sweeps.' });
  print(json ? JSON.stringify(comparisonJson(comparison), null, 2) : comparisonText(comparison));
}

function comparisonText({ configurations, onlyA, onlyB }: Comparison): string {
  const rows = configurations.map(({ perspective, levels, figures }) => [perspective, levelsText(levels), ...figures.map(cell)]);
  const table = textTable(['factor', 'configuration', ...COMPARED.map((figure) => `${figure}, A to B`)], rows);
  const alone = onlyA + onlyB === 0 ? '' : `\n\n${onlyA} configurations are in A alone, ${onlyB} in B alone.`;
  return `${table}\n\nmilliseconds (CV: a ratio). < B is lower, > B is higher, ~ the intervals overlap, ? too few frames.${alone}`;
}

function cell({ a, b, verdict }: ComparedEstimate): string {
  const sign = { lower: '<', higher: '>', 'no difference shown': '~', 'too few frames': '?' }[verdict];
  return a && b ? `${a.value.toFixed(2)} ${b.value.toFixed(2)} ${sign}` : sign;
}

function comparisonJson({ configurations, onlyA, onlyB }: Comparison): object {
  const estimate = (one: Estimate | undefined) => (one ? { value: round(one.value), low: round(one.low), high: round(one.high) } : null);
  return {
    configurations: configurations.map(({ perspective, levels, figures }) => ({
      perspective,
      levels,
      figures: Object.fromEntries(figures.map(({ figure, a, b, verdict }) => [figure, { a: estimate(a), b: estimate(b), verdict }])),
    })),
    only_a: onlyA,
    only_b: onlyB,
  };
}

function round(value: number): number {
  return Number(value.toFixed(4));
}
