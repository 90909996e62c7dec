// Anchor pruning over several random halves of a dataset, each chosen on one half and judged on the other: the spread is what one run can't show.
//   npm run build && node scripts/measure-anchor-splits.mjs <model> <dataset> [--splits 5] [--max-loss 0.5] [--seed 1] [--no-recovery]
// Prints a line a split and the mean with its standard error. Nothing passes or fails here.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { labelledPictures } from '../dist/cli/picture-sets.js';
import { anchorFigures } from '../dist/compression/anchors/figures.js';
import { PRUNE_DEFAULTS, pruneAnchors } from '../dist/compression/anchors/prune-anchors.js';
import { seededIntegers } from '../dist/evaluation/random.js';
import { ModelStore } from '../dist/model-store/store.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { splits: { type: 'string', default: '5' }, 'max-loss': { type: 'string', default: '0.5' }, seed: { type: 'string', default: '1' }, 'no-recovery': { type: 'boolean', default: false } },
});
const [id, folder] = positionals;
const { manifest, modelPath } = await new ModelStore().resolve(id);
const model = { manifest, onnx: new Uint8Array(readFileSync(modelPath)) };
const count = (await labelledPictures(folder)).truth.images.length;
const below = seededIntegers(Number(values.seed));

const losses = [];
for (let split = 1; split <= Number(values.splits); split += 1) {
  const places = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i -= 1) {
    const other = below(i + 1);
    [places[i], places[other]] = [places[other], places[i]];
  }
  const half = new Set(places.slice(0, Math.floor(count / 2)));
  const search = await labelledPictures(folder, (index) => half.has(index));
  const verify = await labelledPictures(folder, (index) => !half.has(index));
  const options = { ...PRUNE_DEFAULTS, maxLossPoints: Number(values['max-loss']), recovery: !values['no-recovery'] };
  const figures = anchorFigures(await pruneAnchors({ model, search, verify, ...options }), undefined);
  const change = figures.map50_verify ?? { difference: 0, pooled_difference: 0 };
  losses.push({ map50: -100 * change.difference, pooled: -100 * change.pooled_difference, macs: figures.head_macs_reduction, boxes: figures.boxes_reduction });
  const { map50, pooled, macs, boxes } = losses.at(-1);
  console.log(`split ${split}: MACs -${percent(macs)} boxes -${percent(boxes)} lost ${map50.toFixed(2)} points, pooled ${pooled.toFixed(2)}; removed ${figures.removed.join(' ')}`);
}
for (const key of ['map50', 'pooled', 'macs', 'boxes']) {
  const all = losses.map((one) => one[key] * (key === 'macs' || key === 'boxes' ? 100 : 1));
  const mean = all.reduce((a, b) => a + b, 0) / all.length;
  const error = Math.sqrt(all.reduce((sum, one) => sum + (one - mean) ** 2, 0) / Math.max(1, all.length - 1) / all.length);
  console.log(`${key}: mean ${mean.toFixed(2)}, standard error ${error.toFixed(2)}, n ${all.length}`);
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}
