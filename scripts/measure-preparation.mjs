// What the prepared variant of a model costs more (or less) than the model itself: medians of interleaved runs, JSON on stdout.
// CPU time beside wall time: on a busy machine only the former says something.
//   node scripts/measure-preparation.mjs <model id or path> [threads] [runs]
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { ModelStore } from '../dist/model-store/store.js';

const [name, threads = '1', runs = '150'] = process.argv.slice(2);
const { manifest, modelPath, preparedPath } = await new ModelStore().resolve(name);
const { width, height, layout, dtype } = manifest.input;
const options = { intraOpNumThreads: Number(threads), interOpNumThreads: 1, executionMode: 'sequential', logSeverityLevel: 3, extra: { session: { intra_op: { allow_spinning: '0' } } } };
const dims = layout === 'nchw' ? [1, 3, height, width] : [1, height, width, 3];
const original = await InferenceSession.create(readFileSync(modelPath), options);
const prepared = await InferenceSession.create(readFileSync(preparedPath), options);
const pixels = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 2654435761) >>> 24);
const contenders = [
  { session: original, feeds: { [original.inputNames[0]]: dtype === 'uint8' ? new Tensor('uint8', pixels, dims) : new Tensor('float32', Float32Array.from(pixels, (value) => value * manifest.input.scale), dims) }, times: [], cpu: [] },
  { session: prepared, feeds: { frame: new Tensor('uint8', pixels, [1, 3, height, width]) }, times: [], cpu: [] },
];
for (let run = -20; run < Number(runs); run++) {
  for (const { session, feeds, times, cpu } of run % 2 === 0 ? contenders : contenders.toReversed()) {
    const usage = process.cpuUsage();
    const start = process.hrtime.bigint();
    await session.run(feeds);
    const { user, system } = process.cpuUsage(usage);
    if (run < 0) continue;
    times.push(Number(process.hrtime.bigint() - start) / 1e6);
    cpu.push((user + system) / 1e3);
  }
}
const median = (values) => Number(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)].toFixed(3));
const [originalMs, preparedMs] = contenders.map(({ times }) => median(times));
const [originalCpuMs, preparedCpuMs] = contenders.map(({ cpu }) => median(cpu));
console.log(JSON.stringify({ model: manifest.id, threads: Number(threads), runs: Number(runs), originalMs, preparedMs, originalCpuMs, preparedCpuMs }));
