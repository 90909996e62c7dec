#!/usr/bin/env node
// What the self-check says of deliberately wrong manifests: the table in docs/models.md.
// usage: node scripts/measure-self-check.mjs path/to/yolox_nano.onnx path/to/yolo-fastest-1.1-xl.cfg
import { readFile } from 'node:fs/promises';
import { selfCheck } from '../dist/model-store/self-check.js';
import { ModelStore } from '../dist/model-store/store.js';

const [yoloxPath, darknetPath] = process.argv.slice(2);
if (!darknetPath) throw new Error('usage: measure-self-check.mjs yolox_nano.onnx yolo-fastest-1.1-xl.cfg');
const store = new ModelStore();
const [yolox, darknet, installed] = await Promise.all([store.draft(yoloxPath), store.draft(darknetPath), store.resolve('centernet-coco')]);
const centernet = { manifest: installed.manifest, onnx: await readFile(installed.modelPath) };

/** The model with a part of its manifest replaced. */
const wrong = ({ manifest, onnx }, { input, head, labels }) => ({
  manifest: { ...manifest, input: { ...manifest.input, ...input }, head: { ...manifest.head, ...head }, labels: labels ?? manifest.labels },
  onnx,
});
const scales = darknet.manifest.head.scales;

const cases = [
  ['YOLOX-Nano as it is', yolox],
  ['read as decoded', wrong(yolox, { head: { kind: 'yolov5' } })],
  ['scales reversed', wrong(yolox, { head: { scales: yolox.manifest.head.scales.toReversed() } })],
  ['scale 1/255', wrong(yolox, { input: { scale: 1 / 255 } })],
  ['RGB instead of BGR', wrong(yolox, { input: { color: 'rgb' } })],
  ['stretched', wrong(yolox, { input: { fit: 'stretch' } })],
  ['labels rotated by 7', wrong(yolox, { labels: [...yolox.manifest.labels.slice(7), ...yolox.manifest.labels.slice(0, 7)] })],
  ['Yolo-Fastest-1.1-xl as it is', darknet],
  ['BGR instead of RGB', wrong(darknet, { input: { color: 'bgr' } })],
  ['scale 1', wrong(darknet, { input: { scale: 1 } })],
  ["YOLOv5's formula for sizes", wrong(darknet, { head: { kind: 'yolov5-raw' } })],
  ['anchors of the other scale', wrong(darknet, { head: { scales: scales.map((scale, i) => ({ ...scale, anchors: scales[1 - i].anchors })) } })],
  ['softmax instead of sigmoids', wrong(darknet, { head: { kind: 'tiny-yolov2' } })],
  ['centernet-coco as it is', centernet],
  ['x and y changed', wrong(centernet, { head: { columns: ['y1', 'x1', 'y2', 'x2', 'score', 'class'] } })],
  ['score and class changed', wrong(centernet, { head: { columns: ['x1', 'y1', 'x2', 'y2', 'class', 'score'] } })],
  ['BGR instead of RGB', wrong(centernet, { input: { color: 'bgr' } })],
];
console.log('| manifest | boxes | known objects of 10 | mean overlap | warnings |\n| --- | --- | --- | --- | --- |');
for (const [name, model] of cases) {
  const { report } = await selfCheck(model);
  const codes = report.warnings.map(({ code }) => code.replace('SELF_CHECK_', ''));
  const notes = [...codes, ...(report.hint ? [`hint: ${/--\w+ [\w-]+/.exec(report.hint)[0]}`] : [])].join(', ');
  const overlap = report.found.objects > 0 ? report.found.meanIou.toFixed(2).slice(1) : '';
  console.log(`| ${name} | ${report.boxes} | ${report.found.objects} | ${overlap} | ${notes} |`);
}
