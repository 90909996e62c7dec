// What the prepared variant of a model costs more (or less) than the model itself: medians of interleaved runs, JSON on stdout.
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
  { session: original, feeds: { [original.inputNames[0]]: dtype === 'uint8' ? new Tensor('uint8', pixels, dims) : new Tensor('float32', Float32Array.from(pixels, (value) => value * manifest.input.scale), dims) }, times: [] },
  { session: prepared, feeds: { frame: new Tensor('uint8', pixels, [1, 3, height, width]) }, times: [] },
];
for (let run = -20; run < Number(runs); run++) {
  for (const { session, feeds, times } of run % 2 === 0 ? contenders : contenders.toReversed()) {
    const start = process.hrtime.bigint();
    await session.run(feeds);
    if (run >= 0) times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
}
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const [originalMs, preparedMs] = contenders.map(({ times }) => Number(median(times).toFixed(3)));
console.log(JSON.stringify({ model: manifest.id, threads: Number(threads), runs: Number(runs), originalMs, preparedMs, extraMs: Number((preparedMs - originalMs).toFixed(3)) }));
