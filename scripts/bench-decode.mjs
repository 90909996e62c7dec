// Time of decoding and suppression, apart from any inference: node scripts/bench-decode.mjs [--json] [--frames 2000]
//
// Outputs are made up: a background that a trained network would give, and objects that a few neighbouring boxes report each.
// Needs `npm run build`. Nothing passes or fails here.
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { createDecoder } from '../dist/detector/decoder.js';

const { values: options } = parseArgs({ options: { json: { type: 'boolean', default: false }, frames: { type: 'string', default: '2000' } } });
const WARMUP_FRAMES = 300;
const BOXES_PER_OBJECT = 5;
const LABELS = Array.from({ length: 80 }, (_, i) => `class ${i}`);
const THRESHOLDS = { confidenceThreshold: 0.25, iouThreshold: 0.45, maxDetections: 300 };

/** Crowds of objects; `evaluation` is what `lynceus eval` asks for. */
const LOADS = [
  { name: 'empty', objects: 0 },
  { name: 'typical', objects: 10 },
  { name: 'crowded', objects: 200 },
  { name: 'evaluation', objects: 10, thresholds: { confidenceThreshold: 0.001, iouThreshold: 0.45, maxDetections: 100, multiLabel: true } },
];

const ANCHORS = [[30, 60], [60, 40], [120, 120]];
const anchored = (kind, strides, anchors, extra = {}) => ({ kind, scales: strides.map((stride) => ({ output: `out${stride}`, stride, anchors })), ...extra });
const columns = ['x1', 'y1', 'x2', 'y2', 'score', 'class'];

const HEADS = [
  { name: 'darknet 320 (Yolo-Fastest)', size: 320, head: anchored('darknet', [32, 16], ANCHORS), fill: fillAnchorGrids },
  { name: 'darknet 416 (YOLOv3)', size: 416, head: anchored('darknet', [32, 16, 8], ANCHORS), fill: fillAnchorGrids },
  { name: 'tiny-yolov2 416, faces', size: 416, head: anchored('tiny-yolov2', [32], [...ANCHORS, [80, 90], [200, 240]], { classes: false }), fill: fillAnchorGrids },
  { name: 'yolov5 640', size: 640, head: { kind: 'yolov5' }, fill: (random, objects, bench) => fillRows(random, objects, bench, 25200, true) },
  { name: 'yolox 416 (Nano)', size: 416, head: { kind: 'yolox' }, fill: (random, objects, bench) => fillRows(random, objects, bench, 3549, false) },
  { name: 'yolov8 640', size: 640, head: { kind: 'yolov8' }, fill: fillPlanes },
  { name: 'yolov10 640', size: 640, head: { kind: 'yolov10' }, fill: (random, objects, bench) => fillFinished(random, objects, bench, 300) },
  { name: 'rows 512 (CenterNet)', size: 512, head: { kind: 'rows', columns }, fill: (random, objects, bench) => fillFinished(random, objects, bench, 100) },
];

/** Uniform in [0, 1), the same in every run. */
function randomNumbers(seed) {
  let state = seed * 0x9e3779b1 | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function manifestOf({ name, head, size }) {
  const input = { name: 'images', layout: 'nchw', dtype: 'float32', width: size, height: size, color: 'rgb', scale: 1, mean: [0, 0, 0], fit: 'stretch', padValue: 0 };
  return { id: name, task: 'detection', title: name, file: '', sha256: '', licence: '', input, head, labels: head.classes === false ? ['face'] : LABELS, defaults: THRESHOLDS, lineage: { parent: null, origin: '', operations: [] }, baseline: null };
}

/** Raw heads: background logits around -9 (objectness) and -6 (classes). */
function fillAnchorGrids(random, objects, { size, head }) {
  const classes = head.classes === false ? 0 : LABELS.length;
  const outputs = {};
  for (const { output, stride, anchors } of head.scales) {
    const side = size / stride;
    const data = new Float32Array(anchors.length * (5 + classes) * side * side);
    for (let anchor = 0; anchor < anchors.length; anchor += 1) {
      const at = (k) => (anchor * (5 + classes) + k) * side * side;
      for (let k = 0; k < 5 + classes; k += 1) data.fill(k < 4 ? 0 : k === 4 ? -9 : -6, at(k), at(k + 1));
      for (let cell = 0; cell < side * side; cell += 1) data[at(4) + cell] += random() * 2;
    }
    outputs[output] = { data, dims: [1, anchors.length * (5 + classes), side, side] };
  }
  const { output, stride, anchors } = head.scales.at(-1);
  const side = size / stride;
  for (let object = 0; object < objects; object += 1) {
    const [cell, classId] = [Math.floor(random() * (side * side - BOXES_PER_OBJECT)), Math.floor(random() * classes)];
    const anchor = Math.floor(random() * anchors.length);
    for (let i = 0; i < BOXES_PER_OBJECT; i += 1) {
      const at = anchor * (5 + classes) * side * side + cell + i;
      outputs[output].data[at + 4 * side * side] = 1 + random() * 3;
      if (classes > 0) outputs[output].data[at + (5 + classId) * side * side] = 2 + random() * 2;
    }
  }
  return outputs;
}

/** A probability where nothing is: one in fifty over 0.001. */
function background(random) {
  return random() ** 30 * 0.002;
}

/** Probabilities row by row; boxes in pixels, or raw for YOLOX. */
function fillRows(random, objects, { size }, rows, inPixels) {
  const width = 5 + LABELS.length;
  const data = new Float32Array(rows * width);
  for (let at = 0; at < data.length; at += width) {
    for (let k = 0; k < width; k += 1) data[at + k] = k < 4 ? (inPixels ? random() * size : random()) : background(random);
  }
  for (let object = 0; object < objects; object += 1) {
    const [row, classId] = [Math.floor(random() * (rows - BOXES_PER_OBJECT)), Math.floor(random() * LABELS.length)];
    for (let i = 0; i < BOXES_PER_OBJECT; i += 1) {
      const at = (row + i) * width;
      if (inPixels) data.set([100 + (object * 37) % 400 + i, 100 + (object * 53) % 400, 40, 60], at);
      data[at + 4] = 0.7 + random() * 0.3;
      data[at + 5 + classId] = 0.6 + random() * 0.4;
    }
  }
  return { output0: { data, dims: [1, rows, width] } };
}

function fillPlanes(random, objects, { size }) {
  const boxes = 8400;
  const data = new Float32Array((4 + LABELS.length) * boxes);
  for (let i = 0; i < data.length; i += 1) data[i] = i < 4 * boxes ? random() * size : background(random);
  for (let object = 0; object < objects; object += 1) {
    const [box, classId] = [Math.floor(random() * (boxes - BOXES_PER_OBJECT)), Math.floor(random() * LABELS.length)];
    for (let i = 0; i < BOXES_PER_OBJECT; i += 1) {
      [100 + (object * 37) % 400 + i, 100 + (object * 53) % 400, 40, 60].forEach((value, k) => (data[k * boxes + box + i] = value));
      data[(4 + classId) * boxes + box + i] = 0.5 + random() * 0.5;
    }
  }
  return { output0: { data, dims: [1, 4 + LABELS.length, boxes] } };
}

function fillFinished(random, objects, { size }, rows) {
  const data = new Float32Array(rows * 6);
  for (let row = 0; row < rows; row += 1) {
    const [left, top] = [random() * size * 0.8, random() * size * 0.8];
    data.set([left, top, left + 20, top + 40, row < objects ? 0.3 + random() * 0.7 : random() * 0.01, Math.floor(random() * 80)], row * 6);
  }
  return { output0: { data, dims: [1, rows, 6] } };
}

function measure(bench, load, frames) {
  const size = { width: bench.size, height: bench.size };
  const fit = { scaleX: 1, scaleY: 1, padX: 0, padY: 0 };
  const outputs = bench.fill(randomNumbers(7), load.objects, bench);
  const decoder = createDecoder(manifestOf(bench));
  const thresholds = load.thresholds ?? THRESHOLDS;
  const us = new Float64Array(frames);
  let detections;
  for (let frame = -WARMUP_FRAMES; frame < frames; frame += 1) {
    const start = performance.now();
    detections = decoder.decode(outputs, thresholds, fit, size);
    if (frame >= 0) us[frame] = (performance.now() - start) * 1000;
  }
  us.sort();
  const at = (fraction) => us[Math.min(frames - 1, Math.floor(fraction * frames))];
  return { head: bench.name, load: load.name, candidates: detections.boxesBeforeNms, kept: detections.count, n: frames, p50_us: at(0.5), p90_us: at(0.9), p99_us: at(0.99) };
}

const rows = HEADS.flatMap((bench) => LOADS.map((load) => measure(bench, load, Number(options.frames))));
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
if (options.json) console.log(JSON.stringify({ machine, rows }, null, 2));
else {
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; microseconds a frame, n = ${options.frames}`);
  for (const row of rows) {
    const numbers = [row.p50_us, row.p90_us, row.p99_us].map((value) => value.toFixed(1).padStart(9)).join('');
    console.log(`${row.head.padEnd(28)}${row.load.padEnd(12)}${String(row.candidates).padStart(7)} candidates${String(row.kept).padStart(5)} kept   p50, p90, p99:${numbers}`);
  }
}
