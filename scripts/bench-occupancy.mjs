// What occupied space costs after the network, on a made-up street: ground, two walls, ten posts, at 64 cells a side. Medians, milliseconds and bytes;
// then what clients get that take every update or fewer, at 15 pairs a second.
//   npm run build && node scripts/bench-occupancy.mjs [--runs 40]
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { OccupancyDecoder } from '../dist/client/occupancy-decoder.js';
import { gridOf } from '../dist/core/voxel-grid.js';
import { markFreeSpace, maskOf } from '../dist/occupancy/free-space.js';
import { OccupancyFusion } from '../dist/occupancy/fusion.js';
import { lookAtBoxes } from '../dist/occupancy/look-at-boxes.js';
import { OctreeDeltas } from '../dist/occupancy/octree-deltas.js';
import { nestedCells, octreeOf } from '../dist/occupancy/octree.js';
import { nearestBySector } from '../dist/occupancy/sectors.js';
import { encodeMessage } from '../dist/protocol/codec.js';
import { toOccupancyMessage } from '../dist/protocol/to-message.js';
import { OccupancyNews } from '../dist/server/occupancy-news.js';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '40' } } });
const grid = gridOf(32);
const rig = { size: { width: 880, height: 400 }, focalPx: 1000, centre: { x: 440, y: 200 }, centreShiftPx: 0, baselineM: 0.54 };
const limits = { lowestM: -0.5, highestM: 3 };
const boxes = { count: 10, xyxy: Float32Array.from({ length: 40 }, (_, i) => [80 * Math.floor(i / 4), 100, 80 * Math.floor(i / 4) + 60, 300][i % 4]) };

/** The street of a frame: its posts come nearer by a cell every second frame. */
function streetOf(frame) {
  const cells = new Set();
  const add = (x, y, z) => cells.add(x + 64 * (y + 64 * z));
  for (let z = 4; z < 64; z += 1) {
    for (let x = 0; x < 64; x += 1) add(x, 63, z);
    for (let y = 52; y < 63; y += 1) for (const x of [12, 51]) add(x, y, z);
  }
  for (let i = 0; i < 10; i += 1) for (let y = 58; y < 63; y += 1) add(20 + 2 * i, y, 10 + ((5 * i + 100 - (frame >> 1)) % 50));
  return Uint32Array.from(cells).sort();
}

const times = {};
function timed(name, run) {
  const start = performance.now();
  const result = run();
  (times[name] ??= []).push(performance.now() - start);
  return result;
}
const median = (all) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)];

const fusion = new OccupancyFusion(grid, 64);
const deltas = new OctreeDeltas();
const decoder = new OccupancyDecoder();
const bytes = { keyframe: [], delta: [] };
for (let frame = 0; frame < Number(values.runs); frame += 1) {
  const occupied = maskOf(64, streetOf(frame));
  const free = new Uint8Array(64 ** 3);
  timed('free space', () => markFreeSpace(rig, grid, 64, occupied, free));
  timed('fusion', () => fusion.see({ occupied, free, elapsedS: 1 / 15 }));
  const { cells } = timed('occupied cells', () => fusion.occupied());
  const update = timed('octree and delta', () => deltas.next(octreeOf(nestedCells(64, cells)), grid));
  const nearest = timed('sectors', () => nearestBySector(cells, grid, 64, { sectors: 16, fromDeg: -40, toDeg: 40, ...limits }));
  timed('ten boxes', () => lookAtBoxes(boxes, rig, { grid, side: 64, cells }, limits));
  const message = toOccupancyMessage('street', { sequence: frame, ptsUs: 0 }, update, nearest);
  bytes[update.kind].push(timed('message', () => encodeMessage(message, 'msgpack')).length);
  timed('client', () => decoder.follow(message) && decoder.voxels());
}
for (const [name, all] of Object.entries(times)) console.log(`${name.padEnd(18)} ${median(all).toFixed(2)} ms`);
console.log(`cells              ${streetOf(0).length}`);
for (const [kind, all] of Object.entries(bytes)) console.log(`${kind.padEnd(18)} ${median(all)} bytes`);

// A client that skips updates gets what changed since its last one; what a keyframe each time would take is beside it.
const PAIRS_A_SECOND = 15;
const stage = new OctreeDeltas();
const news = [];
for (let frame = 0; frame < 10 * PAIRS_A_SECOND; frame += 1) {
  const cells = streetOf(frame);
  const tree = octreeOf(nestedCells(64, cells));
  const nearest = nearestBySector(cells, grid, 64, { sectors: 16, fromDeg: -40, toDeg: 40, ...limits });
  news.push(new OccupancyNews('street', { sequence: frame, ptsUs: 0 }, { grid, level: 64, tree, update: stage.next(tree, grid), nearest, computedShare: 1 }, news.at(-1)));
}
console.log('updates a second   bytes a second   with keyframes alone   of the messages keyframes');
for (const every of [1, 3, 5, 15]) {
  const taken = news.filter((_, i) => i % every === 0);
  const lengths = (known) => taken.map((one, i) => one.messageSince(known(i)).bytes('msgpack', 0).length);
  const perSecond = (all) => Math.round(all.reduce((sum, length) => sum + length, 0) / 10);
  const sent = lengths((i) => taken[i - 1]);
  const whole = lengths(() => undefined);
  console.log(`${String(PAIRS_A_SECOND / every).padStart(16)} ${String(perSecond(sent)).padStart(16)} ${String(perSecond(whole)).padStart(22)} ${`${sent.filter((length, i) => length === whole[i]).length} of ${sent.length}`.padStart(27)}`);
}
