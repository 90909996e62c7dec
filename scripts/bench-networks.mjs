// Latency of many networks in fp32 and INT8, with 1 and 2 threads, all by turns in one process: what else the machine does meets all alike. JSON on stdout.
//   npm run build && node scripts/bench-networks.mjs --networks FOLDER --calibration FRAMES [--runs 30] [--repeats 3] NAME...
// Of each name, FOLDER/NAME/{model.onnx,manifest.json}; its INT8 network is written beside them as model-int8.onnx: all convolutions but the heads' on bytes.
// FRAMES are bytes, one frame of all networks' size after the other, planes of red, green and blue.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { machine } from '../dist/cli/bench/machine.js';
import { progressBar, say } from '../dist/cli/terminal.js';
import { buildVariant, observeNetwork, withoutIslands } from '../dist/compression/quantization/build-variant.js';
import { floatNetwork } from '../dist/compression/quantization/network.js';
import { quantile } from '../dist/compression/run-by-turns.js';
import { OfflineSession } from '../dist/inference/offline-session.js';

const WARMUP_TURNS = 3;
const QUIET_SHARE = 0.2;

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { networks: { type: 'string' }, calibration: { type: 'string' }, runs: { type: 'string', default: '30' }, repeats: { type: 'string', default: '3' } },
});
if (!options.networks || !options.calibration || names.length === 0) {
  say('usage: node scripts/bench-networks.mjs --networks FOLDER --calibration FRAMES [--runs 30] [--repeats 3] NAME...');
  process.exit(2);
}

const manifests = await Promise.all(names.map(async (name) => JSON.parse(await readFile(join(options.networks, name, 'manifest.json'), 'utf8'))));
const { width, height } = manifests[0].input;
const other = manifests.findIndex(({ input }) => input.width !== width || input.height !== height);
if (other >= 0) throw new Error(`${names[other]} takes another size than ${width}x${height}`);
const frames = framesOf(await readFile(options.calibration), 3 * width * height);
const contenders = await quantizeAll();
const times = Object.fromEntries(names.map((name) => [name, {}]));
for (let repeat = 0; repeat < Number(options.repeats); repeat += 1) for (const threads of [1, 2]) await timeAll(threads, `repeat ${repeat + 1}, ${threads} thread${threads > 1 ? 's' : ''}`);
console.log(JSON.stringify({ machine: machine(), width, height, runs: Number(options.runs), repeats: Number(options.repeats), networks: times }));

function framesOf(bytes, length) {
  if (bytes.length === 0 || bytes.length % length > 0) throw new Error(`${options.calibration} has ${bytes.length} bytes, no whole number of frames of ${length}`);
  return Array.from({ length: bytes.length / length }, (_, index) => new Uint8Array(bytes.subarray(index * length, (index + 1) * length)));
}

/** As `lynceus models quantize` begins, without its search: one way for all networks. */
async function quantizeAll() {
  const bar = progressBar('quantization', names.length);
  const found = [];
  for (const [index, name] of names.entries()) {
    const network = floatNetwork({ manifest: manifests[index], onnx: new Uint8Array(await readFile(join(options.networks, name, 'model.onnx'))) });
    const observed = await observeNetwork(network, frames);
    const inner = withoutIslands(network, new Set(network.convolutions.filter(({ isHead }) => !isHead).map((convolution) => convolution.name)));
    const { onnx } = buildVariant(observed, inner, { method: 'percentile', biasCorrection: false });
    await writeFile(join(options.networks, name, 'model-int8.onnx'), onnx);
    found.push({ name, precision: 'fp32', onnx: network.prepared }, { name, precision: 'int8', onnx });
    bar.update(index + 1);
  }
  bar.stop();
  return found;
}

/** A network's first run after the others' counts for nothing: in a stream its weights are in the cache. */
async function timeAll(threads, told) {
  const runs = Number(options.runs);
  const bar = progressBar(told, runs);
  const feed = { type: 'uint8', dims: [1, 3, height, width], data: frames[0] };
  const sessions = [];
  for (const { name, precision, onnx } of contenders) sessions.push({ name, precision, all: [], session: await OfflineSession.create(onnx, { threads }) });
  for (let run = -WARMUP_TURNS; run < runs; run += 1) {
    for (const { session, all } of run % 2 === 0 ? sessions : sessions.toReversed()) {
      const feeds = { [session.inputNames[0]]: feed };
      await session.run(feeds);
      const startMs = performance.now();
      await session.run(feeds);
      if (run >= 0) all.push(performance.now() - startMs);
    }
    bar.update(Math.max(0, run + 1));
  }
  bar.stop();
  for (const { name, precision, all, session } of sessions) {
    await session.release();
    (times[name][`${precision} ${threads}`] ??= []).push({ quietMs: quantile(all, QUIET_SHARE), medianMs: quantile(all, 0.5) });
  }
}
