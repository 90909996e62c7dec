import type { ConfigurationFigures, StudyFigures } from '../../study/analyse.js';
import type { Estimate } from '../../study/describe.js';
import { levelLabels, usualText } from '../../study/level-labels.js';
import type { StudyRecording } from '../../study/records.js';
import { textTable } from '../terminal.js';

/** What the command prints for people. */
export function studyText({ header, notes }: StudyRecording, { perspectives, injection, postProcessing }: StudyFigures): string {
  const parts: string[] = [];
  if (injection) {
    const { shares, addedVarianceMs2 } = injection;
    parts.push(`${header.injections.join(' ')}: variance ${ms2(injection.without.varianceMs2)} without, ${ms2(injection.with.varianceMs2)} with: ${ms2(addedVarianceMs2)} added`);
    if (shares) parts.push(sharesTable('stage', shares.byStage), sharesTable('factor', shares.byPerspective), sharesTable('cause', shares.byCause));
    else parts.push('No variance was added: there is nothing to share out.');
  }
  for (const { perspective, configurations, effects } of perspectives) {
    const factors = effects.effects.map(({ name, etaSquared }) => `${name} ${percent(etaSquared)}`).join(', ');
    parts.push(
      `${perspective}: of the variance over all configurations, ${factors || 'no factor'}; within them ${percent(effects.residualShare)}${effects.isBalanced ? '' : ' (unbalanced: shares overlap)'}`,
      `${configurationsTable(configurations)}${usualText(configurations.map(({ levels }) => levels)).replace(/^ /, '\n\n')}`,
    );
  }
  if (postProcessing) parts.push(`post-processing: ${postProcessing.intercept.toFixed(3)} ms + ${(postProcessing.slope * 1e3).toFixed(3)} us a box, R2 ${postProcessing.r2.toFixed(2)}, n ${postProcessing.n}`);
  parts.push(...notes.map((note) => `left out: ${note}`));
  return parts.join('\n\n');
}

function configurationsTable(configurations: readonly ConfigurationFigures[]): string {
  const label = levelLabels(configurations.map(({ levels }) => levels));
  const rows = configurations.map(({ levels, total, shares }) => [
    label(levels),
    String(total.n),
    range(total.mean),
    total.cv.value.toFixed(2),
    total.p50.value.toFixed(2),
    text(total.p95),
    text(total.p99),
    total.max.toFixed(2),
    largest(shares.byStage),
    largest(shares.byCause),
  ]);
  return textTable(['configuration', 'n', 'mean ms (95 %)', 'CV', 'p50', 'p95', 'p99', 'max', 'varies most in', 'because of'], rows);
}

function sharesTable(title: string, shares: Readonly<Record<string, number>>): string {
  const rows = Object.entries(shares)
    .sort((a, b) => b[1] - a[1])
    .map(([name, share]) => [name, percent(share)]);
  return textTable([title, 'share of the added variance'], rows);
}

function largest(shares: Readonly<Record<string, number>>): string {
  const first = Object.entries(shares).sort((a, b) => b[1] - a[1])[0];
  return first ? `${first[0]} ${percent(first[1])}` : '-';
}

function range({ value, low, high }: Estimate): string {
  return `${value.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

function text(estimate: Estimate | undefined): string {
  return estimate ? estimate.value.toFixed(2) : '-';
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function ms2(value: number): string {
  return `${value.toFixed(2)} ms²`;
}
