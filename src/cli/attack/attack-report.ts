import { availableParallelism, cpus } from 'node:os';
import { drawPlot, Plot } from '../../report/plot.js';
import { type Block, renderReport, type Section } from '../../report/report.js';
import { percent } from '../robustness/robustness-text.js';
import { LEGEND } from '../robustness/show-pictures.js';
import { DAMAGE_HEADER, damageCells, damageRows, GUARDED_HEADER, JUDGED_HEADER, judgedCells } from './attack-text.js';
import type { AttackOutcome } from './attack-outcome.js';
import type { SearchedPatch } from './search-patch.js';

/** The page that goes with an attack. @param patchPng the patch as a picture */
export function renderAttackReport(outcome: AttackOutcome, patchPng: Uint8Array): string {
  const { data, options, search, patch } = outcome;
  const sections: Section[] = [
    { title: 'Damage', blocks: [damagePlot(outcome), damageTable(outcome)] },
    ...(search ? [searchSection(search, outcome)] : []),
    { title: 'The patch', blocks: [{ kind: 'picture', png: patchPng, caption: `${patch.name}, ${patch.size.width} x ${patch.size.height} pixels` }] },
    ...outcome.measured.attacks.filter(({ pictures }) => pictures.length > 0).map(({ name, pictures }) => ({
      title: `${name}: before and after`,
      blocks: [{ kind: 'text', text: LEGEND } as const, ...pictures.map(({ panels, caption }): Block => ({ kind: 'panels', panels, caption }))],
    })),
  ];
  return renderReport({ title: `${patch.name} against ${options.model} on ${data}`, conclusion: conclusionOf(outcome), command: `lynceus ${process.argv.slice(2).join(' ')}`, facts: factsOf(outcome), sections });
}

function conclusionOf({ measured: { clean, controls, attacks } }: AttackOutcome): string {
  const { attacked, defended } = attacks.at(-1)!.figures;
  const grey = controls.find(({ name }) => name === 'grey')?.figures.attacked;
  const guarded = defended ? `; behind the guard it is ${percent(defended.ap50)} %` : '';
  return `The patch takes AP50 from ${percent(clean.ap50)} % to ${percent(attacked.ap50)} %, a grey square to ${percent(grey?.ap50)} %${guarded}.`;
}

function factsOf({ options, placement, profile, search }: AttackOutcome): [string, string][] {
  return [
    ['model', options.model],
    ['objects', options.label.join(', ')],
    ['goal', options.goal === 'hide' ? 'objects disappear' : 'objects appear'],
    ['placement', JSON.stringify(placement)],
    ['seed', `${options.seed}`],
    ...(search ? [['search', `${options.method}, ${search.queries} queries, ${options.grid} x ${options.grid} cells${options.adaptive ? `, evidence of the guard times ${options.evidenceWeight}` : ''}`] as [string, string]] : []),
    ...(profile ? [['clean profile', profile.description] as [string, string]] : []),
    ['machine', `${cpus()[0]?.model ?? '?'}, ${availableParallelism()} cores, Node ${process.versions.node}`],
  ];
}

interface Bar {
  readonly name: string;
  readonly state: string;
  readonly ap50: number;
}

function damagePlot(outcome: AttackOutcome): Block {
  const rows = damageRows(outcome);
  const bars = rows.flatMap(({ name, score, guarded }): Bar[] => [
    ...(score.ap50 === null ? [] : [{ name, state: 'no defence', ap50: 100 * score.ap50 }]),
    ...(guarded?.ap50 === null || guarded === undefined ? [] : [{ name, state: 'guard', ap50: 100 * guarded.ap50 }]),
  ]);
  const states = [...new Set(bars.map(({ state }) => state))];
  const markup = drawPlot({
    height: 70 + 26 * bars.length,
    marginLeft: 140,
    x: { domain: [0, 100], label: 'AP50, %', grid: true },
    y: { axis: null, domain: states },
    fy: { label: null, domain: rows.map(({ name }) => name) },
    color: { legend: states.length > 1, domain: states, range: ['#d1495b', '#2a9d8f'] },
    marks: [Plot.barX(bars, { x: 'ap50', y: 'state', fy: 'name', fill: 'state' }), Plot.text(bars, { x: 'ap50', y: 'state', fy: 'name', text: ({ ap50 }: Bar) => ap50.toFixed(1), dx: 4, textAnchor: 'start' })],
  });
  return { kind: 'plot', markup, caption: 'A plain square hurts, too: what a patch does beyond the grey and the noise one is the attack.' };
}

function damageTable(outcome: AttackOutcome): Block {
  const rows = damageRows(outcome);
  const header = rows.some(({ guarded }) => guarded) ? [...DAMAGE_HEADER, ...GUARDED_HEADER] : DAMAGE_HEADER;
  const caption = 'AP50 in % with its interval over the pictures. Disappeared: of the objects found in the clean pictures at the threshold of a user, %. Hallucinations: boxes where no object is, a picture.';
  return { kind: 'table', header, rows: rows.map(damageCells), caption };
}

function searchSection({ curve, pictures, judged, queries }: SearchedPatch, { options: { adaptive = false, goal } }: AttackOutcome): Section {
  const markup = drawPlot({
    height: 320,
    x: { label: 'queries', grid: true },
    y: { label: 'loss', grid: true, nice: true },
    marks: [Plot.lineY(curve, { x: 'queries', y: 'loss', stroke: '#d1495b', strokeWidth: 1.5 })],
  });
  const what = goal === 'hide' ? 'the score of who carries the patch' : 'less the score of what appears at the patch';
  const header = adaptive ? [...JUDGED_HEADER, 'evidence, searched', 'evidence, others'] : JUDGED_HEADER;
  return {
    title: 'The search',
    blocks: [
      { kind: 'plot', markup, caption: `Loss over ${queries} queries: ${what}${adaptive ? ', plus the evidence of the guard' : ''}, plus roughness. It jumps where the circumstances (pictures, places, light) are drawn anew.` },
      { kind: 'table', header, rows: judged.map((one) => judgedCells(one, adaptive)), caption: `Mean over ${pictures.searched} scenes that the search used and ${pictures.heldOut} that it didn't, with the patch just as placed.` },
    ],
  };
}
