// Writes centernet.json and tiny-face.json: what TensorFlow.js itself computes from the same weights, as the reference of the importers.
// TensorFlow.js is no dependency of the project; install it elsewhere and name that folder:
//   mkdir /tmp/tfjs && npm install --prefix /tmp/tfjs @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0 @tensorflow/tfjs-converter@4.22.0
//   node test/golden/write-tfjs-goldens.mjs /tmp/tfjs
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

const scratch = createRequire(join(resolve(process.argv[2] ?? '.'), 'package.json'));
const tf = scratch('@tensorflow/tfjs-core');
scratch('@tensorflow/tfjs-backend-cpu');
const { loadGraphModel } = scratch('@tensorflow/tfjs-converter');
await tf.setBackend('cpu');

const root = fileURLToPath(new URL('../..', import.meta.url));
const human = join(root, 'node_modules/@vladmandic/human/models');
const faceApi = join(root, 'node_modules/@vladmandic/face-api');
/** A photograph of people that the package brings along. */
const PHOTO = join(faceApi, 'demo/sample1.jpg');
const SAMPLES = 64;

/** The bytes of test/onnx/support.ts: numbers from 0 to 255, the same on every machine. */
function noise(count) {
  const bytes = new Uint8Array(count);
  let state = 7;
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = Math.floor(((state >>> 0) / 2 ** 32) * 256);
  }
  return bytes;
}

/** Values spread over a tensor; their indices are those of TensorFlow's order. */
function samples(data) {
  return Array.from({ length: SAMPLES }, (_, i) => {
    const index = Math.floor(((i + 0.5) * data.length) / SAMPLES);
    return [index, Number(data[index].toPrecision(8))];
  });
}

async function inputsOf(size) {
  const photo = await sharp(PHOTO).resize(size, size, { fit: 'fill' }).removeAlpha().raw().toBuffer();
  return { noise: noise(3 * size * size), photo: new Uint8Array(photo) };
}

function write(name, golden) {
  const origin = { madeBy: 'test/golden/write-tfjs-goldens.mjs', tfjs: scratch('@tensorflow/tfjs-core/package.json').version, backend: 'cpu', photo: '@vladmandic/face-api demo/sample1.jpg, stretched' };
  const text = JSON.stringify({ origin, ...golden }, null, 1).replace(/\[\s+([^[\]]*?)\s+\]/g, (_, list) => `[${list.replace(/\s+/g, ' ')}]`);
  writeFileSync(join(root, 'test/golden', name), `${text}\n`);
}

async function centernet() {
  const { modelTopology, weightsManifest, format, signature } = JSON.parse(readFileSync(join(human, 'centernet.json'), 'utf8'));
  const weightData = new Uint8Array(readFileSync(join(human, 'centernet.bin'))).buffer;
  const model = await loadGraphModel({ load: async () => ({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData, format, signature }) });
  const outputs = ['tower_0/detections', 'tower_0/wh', 'tower_0/keypoints'];
  const cases = {};
  for (const [name, bytes] of Object.entries(await inputsOf(512))) {
    const [detections, wh, keypoints] = model.execute({ 'tower_0/images': tf.tensor(Float32Array.from(bytes), [1, 512, 512, 3]) }, outputs).map((tensor) => tensor.dataSync());
    const rows = Array.from({ length: 8 }, (_, row) => Array.from(detections.slice(6 * row, 6 * row + 6), (value) => Number(value.toPrecision(8))));
    cases[name] = { rows, wh: samples(wh), keypoints: samples(keypoints) };
  }
  write('centernet.json', { tolerance: { px: 0.01, score: 1e-4, map: 1e-3 }, cases });
}

/** face-api's own steps: see runMobilenet in its src/tinyYolov2/TinyYolov2Base.ts. */
async function tinyFace() {
  const [group] = JSON.parse(readFileSync(join(faceApi, 'model/tiny_face_detector_model-weights_manifest.json'), 'utf8'));
  const bytes = new Uint8Array(readFileSync(join(faceApi, 'model/tiny_face_detector_model.bin'))).buffer;
  const weights = tf.io.decodeWeights(bytes, group.weights);
  const leaky = (x) => tf.maximum(x, tf.mul(x, 0.1));
  const separable = (x, name) =>
    leaky(tf.add(tf.separableConv2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), weights[`${name}/depthwise_filter`], weights[`${name}/pointwise_filter`], 1, 'valid'), weights[`${name}/bias`]));
  const convolve = (x, name) => tf.add(tf.conv2d(x, weights[`${name}/filters`], 1, 'valid'), weights[`${name}/bias`]);
  const cases = {};
  for (const [name, pixels] of Object.entries(await inputsOf(416))) {
    const picture = tf.tensor(Float32Array.from(pixels), [1, 416, 416, 3]);
    let x = leaky(convolve(tf.div(tf.sub(picture, tf.tensor([117.001, 114.697, 97.404])), 255), 'conv0'));
    for (let block = 1; block <= 5; block++) x = separable(tf.maxPool(x, 2, 2, 'same'), `conv${block}`);
    const grid = convolve(tf.maxPool(x, 2, 1, 'same'), 'conv8');
    cases[name] = { shape: grid.shape, grid: samples(grid.dataSync()) };
  }
  write('tiny-face.json', { tolerance: { map: 1e-3 }, cases });
}

await centernet();
await tinyFace();
