import type { ModelManifest } from '../../core/manifest.js';
import type { CleanCheck } from '../../guard/calibration/clean-check.js';
import type { CellProfile, GuardProfile, ShallowTap } from '../../guard/profile.js';
import { drawPlot, Plot } from '../../report/plot.js';
import { renderReport, type Block, type Section } from '../../report/report.js';
import { checkFigures, checkRows, EVIDENCE_HEADER, evidenceRows, percent, QUANTILE_SHARES, searchText, thresholdRows } from './profile-figures.js';
import { suspiciousPng } from './suspicious-png.js';

const COLOUR = '#2a78b5';
const BARS = 40;

export interface ProfileReport {
  readonly manifest: ModelManifest;
  readonly profile: GuardProfile;
  readonly check: CleanCheck;
  readonly command: string;
  readonly machine: Readonly<Record<string, string | number>>;
}

/** The page beside a clean profile: what was learnt, how often the guard would look closer, and the pictures that a person should see. */
export async function profileReport({ manifest, profile, check, command, machine }: ProfileReport): Promise<string> {
  const figures = checkFigures(check);
  const { calibratedOn, tap } = profile;
  return renderReport({
    title: `Clean profile: ${manifest.id}`,
    conclusion: `Learnt from ${calibratedOn.pictures} pictures: ${percent(figures.verified)} of them would cost extra inferences (${figures.extra_passes_per_picture.toFixed(3)} a picture), ${percent(figures.flagged)} would be a false alarm.`,
    command,
    facts: [
      ['pictures', calibratedOn.description],
      ['model', `${manifest.title}, SHA-256 ${manifest.sha256.slice(0, 16)}...`],
      ['search', searchText(profile)],
      ['features', `${tap.channels} channels of ${tap.width}x${tap.height} at stride ${tap.stride}`],
      ['machine', Object.entries(machine).map(([key, value]) => `${key} ${value}`).join(', ')],
    ],
    sections: [await pictureSection(check, manifest), checkSection(check), evidenceSection(profile), ...(profile.cells ? [channelSection(profile.cells, tap)] : [])],
  });
}

async function pictureSection({ suspicious }: CleanCheck, { input }: ModelManifest): Promise<Section> {
  const title = 'The most suspicious pictures';
  if (suspicious.length === 0) return { title, blocks: [{ kind: 'text', text: 'None looked suspicious anywhere.' }] };
  const pictures: Block[] = [];
  for (const { checked, picture } of suspicious) {
    const caption = `Picture ${checked.index + 1} (${checked.imageId}): evidence ${checked.strongestEvidence?.toFixed(2) ?? '-'}, ${checked.flagged.length > 0 ? 'taken for a patch' : 'no alarm'}.`;
    pictures.push({ kind: 'picture', png: await suspiciousPng(picture, checked, input), caption });
  }
  return {
    title,
    blocks: [{ kind: 'text', text: 'Dashed: what the guard would look at. Solid: what it would take for a patch. If there is a real patch in one of them, calibrate again without that picture: the guard would take it for ordinary.' }, ...pictures],
  };
}

function checkSection(check: CleanCheck): Section {
  const figures = checkFigures(check);
  const strongest = check.pictures.map(({ strongestEvidence }) => strongestEvidence).filter((evidence) => evidence !== undefined);
  const table: Block = { kind: 'table', header: ['on the pictures it was learnt from', ''], rows: checkRows(figures), caption: 'Expect a little more on others.' };
  if (strongest.length === 0) return { title: 'What it would do with ordinary pictures', blocks: [table] };
  const markup = drawPlot({
    height: 260,
    x: { label: 'evidence of the most suspicious place' },
    y: { label: 'pictures', grid: true },
    marks: [Plot.rectY(histogram(strongest), { x1: 'from', x2: 'to', y1: 0, y2: 'count', fill: COLOUR }), Plot.ruleY([0])],
  });
  const caption = `${check.pictures.length - strongest.length} of ${check.pictures.length} pictures have no suspicious place and aren't drawn.`;
  return { title: 'What it would do with ordinary pictures', blocks: [table, { kind: 'plot', markup, caption }] };
}

interface Bar {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

function histogram(values: readonly number[]): Bar[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const width = (high - low) / BARS || 1;
  const counts = new Int32Array(BARS);
  for (const value of values) counts[Math.min(BARS - 1, Math.floor((value - low) / width))]! += 1;
  return Array.from(counts, (count, i) => ({ from: low + i * width, to: low + (i + 1) * width, count })).filter(({ count }) => count > 0);
}

function evidenceSection(profile: GuardProfile): Section {
  const points = Object.entries(profile.evidence).flatMap(([name, { mean, deviation, quantiles }]) =>
    QUANTILE_SHARES.flatMap((share, i) => (quantiles[i] === undefined || deviation === 0 ? [] : [{ name, rare: 100 * (1 - share), deviations: (quantiles[i] - mean) / deviation }])),
  );
  const blocks: Block[] = [
    { kind: 'table', header: ['threshold', ''], rows: thresholdRows(profile) },
    { kind: 'table', header: EVIDENCE_HEADER, rows: evidenceRows(profile) },
  ];
  if (points.length > 0) {
    const markup = drawPlot({
      height: 320,
      x: { type: 'log', reverse: true, label: 'share of what is above, %', tickFormat: (value: number) => String(value) },
      y: { label: 'deviations above the mean', grid: true },
      color: { legend: true },
      marks: [Plot.line(points, { x: 'rare', y: 'deviations', stroke: 'name', marker: 'dot' })],
    });
    blocks.push({ kind: 'plot', markup, caption: 'How far ordinary pictures go: the further right, the rarer.' });
  }
  return { title: 'What is ordinary', blocks };
}

function channelSection(cells: CellProfile, tap: ShallowTap): Section {
  const rows = Array.from({ length: tap.channels }, (_, channel) => {
    const [mean, deviation] = [cells.mean[channel]!, cells.deviation[channel]!];
    return { channel, mean, low: mean - deviation, high: mean + deviation };
  });
  const features = drawPlot({
    height: 240,
    x: { label: 'channel', ticks: rows.length },
    y: { label: 'feature', grid: true },
    marks: [Plot.ruleX(rows, { x: 'channel', y1: 'low', y2: 'high', stroke: COLOUR, strokeWidth: 3, strokeOpacity: 0.4 }), Plot.dot(rows, { x: 'channel', y: 'mean', fill: COLOUR })],
  });
  const weighed = Object.entries(cells.weights).flatMap(([view, all]) => all.slice(0, tap.channels).map((weight, channel) => ({ view, channel, weight })));
  const weights = drawPlot({
    height: 220,
    x: { label: 'channel', ticks: rows.length },
    y: { label: 'weight', grid: true },
    color: { legend: true },
    marks: [Plot.lineY(weighed, { x: 'channel', y: 'weight', stroke: 'view', marker: 'dot' }), Plot.ruleY([0])],
  });
  return {
    title: 'Features',
    blocks: [
      { kind: 'plot', markup: features, caption: 'Mean of each channel of the shallow features, and one deviation to either side.' },
      { kind: 'plot', markup: weights, caption: 'How much a deviation of each channel speaks for something pasted in.' },
    ],
  };
}
