import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { headCost, anchorName, type Anchor } from '../../../compression/anchors/anchor-head.js';
import { anchorReport } from '../../../compression/anchors/anchor-report.js';
import { anchorFigures, type AnchorFigures } from '../../../compression/anchors/figures.js';
import { measurePostProcessing } from '../../../compression/anchors/post-processing.js';
import { PRUNE_DEFAULTS, pruneAnchors } from '../../../compression/anchors/prune-anchors.js';
import { MAX_VIEWS } from '../../../compression/anchors/views.js';
import type { AnchorsOff } from '../../../detector/anchor-mask.js';
import type { CandidateModel } from '../../../compression/score-model.js';
import { parseInteger } from '../../arguments.js';
import { machine } from '../../bench/machine.js';
import { openStore } from '../../models.js';
import { anyPictures, searchAndVerify } from '../../picture-sets.js';
import { bold, green, PhaseBars, print, say, textTable } from '../../terminal.js';
import { derivedId, sayElastic } from './derived-model.js';

/** Frames of a video or pictures of a folder that the recovery looks at. */
const DISTILL_LIMIT = 400;

interface PruneCommandOptions {
  data: string;
  verify?: string;
  maxLoss: number;
  outId?: string;
  remove?: AnchorsOff;
  recovery: boolean;
  distill?: string;
  views: number;
  steps: number;
  tries: number;
  maxSets: number;
  rounds: number;
  seed: number;
  dryRun?: boolean;
  json?: boolean;
}

export function addPruneAnchors(models: Command): void {
  models
    .command('prune-anchors')
    .description('Find anchors that a detector can do without, cut them out of its head, and teach the rest what they found.')
    .argument('<id>', 'model with an anchor-based head: id or path')
    .requiredOption('--data <dataset>', 'labelled pictures; anchors are chosen on every other one and judged on the rest')
    .option('--verify <dataset>', 'judge on these, choose on all of --data')
    .option('--max-loss <points>', 'points of mAP50 that may be lost', parsePoints, PRUNE_DEFAULTS.maxLossPoints)
    .option('--out-id <id>', 'name of the new model (<id>-anchors)')
    .option('--remove <anchors>', 'remove these instead of choosing: strides and places in their scale, such as 32:0,1;16:1', parseAnchors)
    .option('--no-recovery', 'leave the remaining anchors as they are')
    .option('--distill <dataset|video>', 'pictures without labels to recover with, instead of those that anchors are chosen on')
    .option('--views <n>', `how often the recovery sees each picture: mirrored, nearer, further; 1 to ${MAX_VIEWS}`, parseViews, PRUNE_DEFAULTS.views)
    .option('--steps <n>', 'steps of the recovery', parseInteger, PRUNE_DEFAULTS.steps)
    .option('--tries <n>', 'sets of anchors that the recovery is tried on, at most', parseInteger, PRUNE_DEFAULTS.maxTries)
    .option('--max-sets <n>', 'sets that are looked at where there are too many for all', parseInteger, PRUNE_DEFAULTS.maxSets)
    .option('--rounds <n>', 'rounds over the pictures that decoding and suppression are timed for', parseInteger, 3)
    .option('--seed <n>', 'of the recovery', parseInteger, PRUNE_DEFAULTS.seed)
    .option('--dry-run', 'write no model')
    .option('--json', 'print everything as JSON')
    .action(prune);
}

async function prune(id: string, options: PruneCommandOptions): Promise<void> {
  const store = openStore();
  const installed = await store.resolve(id);
  const { manifest } = installed;
  const outId = options.outId ?? derivedId(manifest, 'anchors');
  if (!options.dryRun) await store.assertFree(outId);
  sayElastic(manifest);
  const model: CandidateModel = { manifest, onnx: new Uint8Array(await readFile(installed.modelPath)) };
  const { search, verify } = await searchAndVerify(options.data, options.verify);
  const distill = options.distill === undefined ? undefined : await anyPictures(options.distill, DISTILL_LIMIT);
  const progress = new PhaseBars();
  const { maxLoss: maxLossPoints, remove, recovery, views, steps, tries: maxTries, maxSets, seed } = options;
  const result = await pruneAnchors({ model, search, verify, distill, maxLossPoints, remove, recovery, views, steps, maxTries, maxSets, seed, onProgress: progress.update });
  progress.stop();
  const times = result.pruned && options.rounds > 0 ? await measurePostProcessing(model, result.pruned, verify, options.rounds) : undefined;
  const figures = anchorFigures(result, times);
  const data = { search: search.description, verify: verify.description, distill: distill?.description ?? (recovery ? search.description : null) };
  if (result.pruned && !options.dryRun) {
    const settings = { maxLossPoints, recovery, views, steps, maxTries, maxSets, seed };
    const command = `lynceus models prune-anchors ${id} ${process.argv.slice(process.argv.indexOf(id) + 1).join(' ')}`;
    const report = anchorReport({ result, times, figures, data, settings, command, machine: machine(), title: manifest.title });
    const { head, input } = result.pruned.manifest;
    const title = `${manifest.title}, ${figures.kept.reduce((sum, { indices }) => sum + indices.length, 0)} of ${result.full.anchors.length} anchors`;
    await store.derive(manifest, { id: outId, title, onnx: result.pruned.onnx, head, input, operation: { kind: 'prune-anchors', options: settings, data, figures }, files: { 'report.html': report } });
  }
  const written = result.pruned && !options.dryRun ? outId : null;
  if (options.json) print(JSON.stringify({ id: manifest.id, out_id: written, data, machine: machine(), ...figures }, null, 2));
  else printTables(figures, result.full.anchors, headCost(result.full).macs, maxLossPoints, written);
}

function printTables(figures: AnchorFigures, anchors: readonly Anchor[], headMacs: number, maxLossPoints: number, written: string | null): void {
  const kept = new Set(figures.kept.flatMap(({ names }) => names));
  const share = (part: number): string => `${(part * 100).toFixed(1)} %`;
  print(textTable(['anchor', 'of the head', 'cells', ''], anchors.map((anchor) => [anchorName(anchor), share(anchor.macs / headMacs), String(anchor.cells), kept.has(anchorName(anchor)) ? 'kept' : 'removed'])));
  print('');
  const { search, map50_search: onSearch, map50_verify: onVerify } = figures;
  print(`${search.sets} sets of anchors looked at${search.exhaustive ? ' (all)' : ''}${search.regret_points === null ? '' : `; the guided search alone misses ${search.regret_points.toFixed(2)} points at most`}`);
  if (!onVerify || !onSearch) {
    print(`No cheaper set keeps to ${maxLossPoints} points on the pictures it is chosen by: nothing was written.`);
    return;
  }
  const points = (value: number): string => (value * 100).toFixed(2);
  const row = (name: string, { before, after, difference, ci95 }: typeof onVerify): string[] => [name, points(before), points(after), points(difference), `${points(ci95[0])} to ${points(ci95[1])}`];
  const { without_recovery: plain } = figures;
  print(
    textTable(
      ['mAP50', 'before', 'after', 'change', '95 %'],
      [row('chosen on', onSearch), row('judged on', onVerify), ...(plain ? [row('chosen on, without recovery', plain.map50_search), row('judged on, without recovery', plain.map50_verify)] : [])],
    ),
  );
  print('');
  print(textTable(['fewer', ''], [['head MACs', share(figures.head_macs_reduction)], ['boxes before NMS (over 0.01)', share(figures.boxes_reduction)], ['boxes of the grids', share(figures.grid_boxes_reduction)], ['network MACs', figures.network_macs_reduction === null ? '-' : share(figures.network_macs_reduction)]]));
  print(`The head is ${figures.head_share === null ? 'an unknown share' : share(figures.head_share)} of the network's MACs.`);
  print('');
  const ms = (value: number): string => value.toFixed(3);
  const times = figures.post_processing.map((one) => [`decode + NMS over ${one.confidence_threshold}`, ms(one.before.median_ms), ms(one.after.median_ms), ms(one.before.variance_ms2), ms(one.after.variance_ms2), String(one.before.n)]);
  if (times.length > 0) print(textTable(['ms', 'before', 'after', 'variance before', 'after', 'n'], times));
  if (written !== null) say(`${green('added')} ${bold(written)}; its folder has report.html`);
}

function parseAnchors(text: string): AnchorsOff {
  const scales = text.split(';').map((scale) => /^(\d+):(\d+(?:,\d+)*)$/.exec(scale.trim()));
  if (scales.some((match) => !match)) throw new InvalidArgumentError('Expected strides and places such as 32:0,1;16:1.');
  return Object.fromEntries(scales.map((match) => [match![1]!, match![2]!.split(',').map(Number)]));
}

function parsePoints(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 100)) throw new InvalidArgumentError('Expected points of mAP50 such as 0.5.');
  return value;
}

function parseViews(text: string): number {
  const value = parseInteger(text);
  if (value < 1 || value > MAX_VIEWS) throw new InvalidArgumentError(`Expected 1 to ${MAX_VIEWS}.`);
  return value;
}
