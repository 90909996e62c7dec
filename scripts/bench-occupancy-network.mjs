// What an occupancy network takes of a pair, part by part: all cells and chosen ones in turns, so that a busy machine is the same to both.
//   npm run build && node scripts/bench-occupancy-network.mjs SET [--model ID] [--threads 1] [--pairs 15] [--repeats 3]
import { parseArgs } from 'node:util';
import { median } from '../dist/core/median.js';
import { readPlanes } from '../dist/evaluation/occupancy/read-planes.js';
import { readSetCube } from '../dist/evaluation/occupancy/set-cube.js';
import { readStereoSet } from '../dist/evaluation/occupancy/stereo-set.js';
import { ModelStore } from '../dist/model-store/store.js';
import { OccupancyNetwork } from '../dist/occupancy/network/occupancy-network.js';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { model: { type: 'string', default: 'stereo-occupancy' }, threads: { type: 'string', default: '1' }, pairs: { type: 'string', default: '15' }, repeats: { type: 'string', default: '3' } },
});
const VARIANTS = { 'level 8': { level: 8 }, 'chosen cells': { level: 64 }, 'all cells': { level: 64, isWhole: true } };
const PARTS = ['prepare', 'coarse', 'choose', 'fine'];

const network = await OccupancyNetwork.load(await new ModelStore().resolveOccupancy(options.model), { threads: Number(options.threads) });
const { grid } = await readSetCube(positionals[0]);
const { pairs } = await readStereoSet(positionals[0]);
const times = Object.fromEntries(Object.keys(VARIANTS).map((name) => [name, { share: [], total: [], cpu: [], ...Object.fromEntries(PARTS.map((part) => [part, []])) }]));
let isWarm = false;
for (const { rig, left, right } of pairs.slice(0, Number(options.pairs))) {
  network.setRig(rig, grid);
  const planes = await Promise.all([left, right].map((path) => readPlanes(path, rig.size)));
  for (let repeat = isWarm ? 1 : 0; repeat <= Number(options.repeats); repeat += 1) {
    for (const [name, variant] of Object.entries(VARIANTS)) {
      const before = process.cpuUsage();
      const { spans, computedShare } = await network.infer(...planes, variant);
      const { user, system } = process.cpuUsage(before);
      if (repeat === 0) continue;
      times[name].cpu.push((user + system) / 1e3);
      for (const { name: part, startMs, endMs } of spans) times[name][part].push(endMs - startMs);
      times[name].total.push(spans.at(-1).endMs - spans[0].startMs);
      times[name].share.push(computedShare);
    }
  }
  isWarm = true;
}
await network.close();
const shown = (values) => (values.length === 0 ? '-' : median(values).toFixed(1));
console.log(`| ms, median of ${times['all cells'].total.length} | ${PARTS.join(' | ')} | all | CPU | computed |\n| --- | ${PARTS.map(() => '---').join(' | ')} | --- | --- | --- |`);
for (const [name, of] of Object.entries(times)) console.log(`| ${name} | ${PARTS.map((part) => shown(of[part])).join(' | ')} | ${shown(of.total)} | ${shown(of.cpu)} | ${((100 * of.share.reduce((sum, share) => sum + share, 0)) / of.share.length).toFixed(1)} % |`);
