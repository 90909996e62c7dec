// What gate.redundancy spares and what it costs in accuracy: always inferring against the gate, for settings from careful to bold.
//
//   node scripts/bench-redundancy.mjs <video> [--model ID] [--gt gt.txt] [--frames N] [--labels person,car] [--confidence 0.25] [--reference 0.4] [--json] [--out report.html]
//
// Needs `npm run build`. Every frame is inferred once; the gate is then played through with each setting on the same frames, and what it would
// have asked of the model is looked up (a tile is inferred where one is asked for). AP50 is against the ground truth (MOTChallenge's text, class
// person) where there is one, else against the boxes of always inferring from --reference on. Nothing passes or fails here.
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { lastValueFrom, tap } from 'rxjs';
import { machine } from '../dist/cli/bench/machine.js';
import { gateOptions, tileSize } from '../dist/cli/gate-stages.js';
import { openStore } from '../dist/cli/models.js';
import { createSource } from '../dist/cli/sources.js';
import { textTable } from '../dist/cli/terminal.js';
import { Frame, frameBytes } from '../dist/core/frame.js';
import { FramePool } from '../dist/core/frame-pool.js';
import { loadDetector } from '../dist/detector/detector-session.js';
import { evaluateMap50 } from '../dist/evaluation/map50.js';
import { overlapOf } from '../dist/redundancy/overlap.js';
import { RedundancyGate } from '../dist/redundancy/redundancy-gate.js';
import { sightOf } from '../dist/redundancy/sight.js';
import { tileFrame } from '../dist/redundancy/tile.js';
import { drawPlot, Plot } from '../dist/report/plot.js';
import { renderReport } from '../dist/report/report.js';

const USAGE = 'usage: node scripts/bench-redundancy.mjs <video> [--model ID] [--gt gt.txt] [--frames N] [--labels NAMES] [--confidence C] [--reference C] [--json] [--out report.html]';
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: 'centernet-coco' },
    gt: { type: 'string' },
    frames: { type: 'string', default: '400' },
    confidence: { type: 'string' },
    reference: { type: 'string', default: '0.4' },
    labels: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});
const [video] = positionals;
if (!video) {
  console.error(USAGE);
  process.exit(2);
}

const DEFAULTS = gateOptions.parse({});
const SETTINGS = [
  ['frame gate alone', { maxMovedMs: 0, tiles: false }],
  ['with tiles', { maxMovedMs: 0, tiles: true }],
  ['loss 0.25 %', { maxLoss: 0.0025 }],
  ['loss 0.5 %', { maxLoss: 0.005 }],
  ['loss 1 %', { maxLoss: 0.01 }],
  ['loss 2 %', { maxLoss: 0.02 }],
  ['loss 4 %', { maxLoss: 0.04 }],
  ['loss 8 %', { maxLoss: 0.08 }],
  ['loss 1 %, no tiles', { maxLoss: 0.01, tiles: false }],
  ['loss 1 %, tiles', { maxLoss: 0.01, tiles: true }],
  ['loss 1 %, no tiles, 500 ms', { maxLoss: 0.01, maxMovedMs: 500, tiles: false }],
].map(([name, changes]) => ({ name, options: { ...DEFAULTS, ...changes } }));
const SAME_OBJECT_IOU = 0.5;
/** Links boxes of always inferring to objects: overlap, frames without it, least length. */
const LINK_IOU = 0.3;
const LINK_GAP_FRAMES = 5;
const LEAST_FRAMES = 5;

const store = openStore();
const model = await store.resolve(options.model);
const { manifest } = model;
const { width, height, fit, padValue } = manifest.input;
const format = { size: { width, height }, fit, padValue };
const thresholds = { ...manifest.defaults, ...(options.confidence && { confidenceThreshold: Number(options.confidence) }), maxDetections: 100 };

const whole = await loadDetector({ manifest, modelPath: model.preparedPath, threads: 2 });
const tile = await loadTile();
const frames = await readFrames();
const truth = options.gt ? await groundTruth(options.gt) : referenceTruth();
const always = score(frames.map(({ detections }) => detections));

const results = [];
for (const setting of SETTINGS.filter(({ name }) => !options.only || name.includes(options.only))) results.push(await play(setting));

const report = {
  video: basename(video),
  model: manifest.id,
  frames: frames.length,
  frame_rate_fps: round(1e6 / medianStepUs(), 2),
  confidence: thresholds.confidenceThreshold,
  against: options.gt ? 'ground truth' : `boxes of always inferring with a confidence of ${options.reference} or more`,
  always: { ap50: round(always.ap50, 4), objects: always.objects, detected: always.firstSeen.size, inference_ms: quantiles(frames.map(({ inferenceMs }) => inferenceMs)) },
  settings: results,
  machine: machine(),
};
if (options.out) await writeFile(options.out, page());
if (options.json) console.log(JSON.stringify(report, null, 2));
else print();

async function loadTile() {
  const size = tileSize(manifest.input);
  const resized = await store.resized(model, size).catch(() => undefined);
  if (!resized) return undefined;
  return { size, ...(await loadDetector({ manifest: resized.manifest, modelPath: resized.preparedPath, threads: 2 })), found: new Map() };
}

async function readFrames() {
  const pool = new FramePool(4, frameBytes(format));
  const source = await createSource({ name: 'bench', source: { kind: 'file', path: video }, stages: [] }, { format, pool });
  const pictures = [];
  const most = Number(options.frames);
  await lastValueFrom(
    source.frames$.pipe(
      tap((frame) => {
        if (pictures.length < most) pictures.push(new Frame({ ...frame }, { bytes: frame.pixels.slice(), free: () => undefined }));
        frame.release();
      }),
    ),
  );
  const read = [];
  for (const frame of pictures) {
    const startMs = performance.now();
    const detections = await detect(whole, frame);
    const endMs = performance.now();
    const sight = sightOf(frame);
    read.push({ frame, detections, sight, inferenceMs: endMs - startMs, sightMs: performance.now() - endMs });
  }
  return read;
}

async function detect({ session, decoder }, { pixels, fit: pictureFit, sourceSize }) {
  const outputs = await session.run(pixels);
  decoder.scan(outputs, thresholds);
  return decoder.select(thresholds, pictureFit, sourceSize);
}

/** One setting, from the first frame to the last. */
async function play({ name, options: gate }) {
  const redundancy = new RedundancyGate({ ...gate, tile: gate.tiles ? tile?.size : undefined });
  const counts = {};
  const gateMs = [];
  const delivered = [];
  let share = 0;
  let maxAgeMs = 0;
  let wholePtsUs = 0;
  for (const [index, { frame, detections, sight, sightMs }] of frames.entries()) {
    // Each setting sees sights of its own: nothing is remembered from another.
    const own = { ...sight };
    const clock = stopwatch(sightMs);
    const decision = clock.time(() => redundancy.decide(own));
    const inferWhole = () => {
      clock.time(() => redundancy.beginWhole(own));
      clock.time(() => redundancy.seenWhole(own, detections));
      share += 1;
      wholePtsUs = frame.ptsUs;
      return detections;
    };
    let found;
    let { action } = decision;
    if (action === 'inferred') found = inferWhole();
    else if (action === 'tile') {
      share += (tile.size.width * tile.size.height) / (width * height);
      const inTile = await findInTile(frame, index, decision.tile, clock);
      found = clock.time(() => redundancy.seenTile(own, decision.tile, inTile));
      if (!found) {
        action = 'inferred';
        found = inferWhole();
      }
    } else found = clock.time(() => redundancy.skipped(own, decision));
    maxAgeMs = Math.max(maxAgeMs, (frame.ptsUs - wholePtsUs) / 1e3);
    const key = `${action}:${decision.reason}`;
    counts[key] = (counts[key] ?? 0) + 1;
    gateMs.push(clock.totalMs);
    delivered.push(found);
  }
  const scored = score(delivered);
  const inferences = Object.entries(counts).reduce((sum, [key, count]) => sum + (key.startsWith('inferred') || key.startsWith('tile') ? count : 0), 0);
  return {
    name,
    options: gate,
    avoided_inferences: round(1 - inferences / frames.length, 4),
    avoided_work: round(1 - share / frames.length, 4),
    ap50: round(scored.ap50, 4),
    ap50_change: round(scored.ap50 - always.ap50, 4),
    first_detection_delay_ms: delays(scored.firstSeen),
    longest_age_ms: round(maxAgeMs, 1),
    actions: counts,
    learnt: redundancy.learnt,
    gate_ms: quantiles(gateMs),
  };
}

async function findInTile(frame, index, place, clock) {
  const key = `${index}:${place.left}:${place.top}`;
  const bytes = new Uint8Array(3 * place.width * place.height);
  const part = clock.time(() => tileFrame(frame, place, bytes));
  if (!tile.found.has(key)) tile.found.set(key, await detect(tile, part));
  return tile.found.get(key);
}

function stopwatch(startMs) {
  return {
    totalMs: startMs,
    time(work) {
      const begin = performance.now();
      const result = work();
      this.totalMs += performance.now() - begin;
      return result;
    },
  };
}

/** MOTChallenge: frame (from 1), id, left, top, width, height. */
async function groundTruth(path) {
  const person = manifest.labels.indexOf('person');
  const rows = (await readFile(path, 'utf8')).trim().split('\n').map((line) => line.split(',').map(Number));
  const boxes = rows.filter(([number]) => number <= frames.length).map(([number, id, left, top, boxWidth, boxHeight]) => ({ index: number - 1, id, classId: person, xyxy: Float32Array.of(left, top, left + boxWidth, top + boxHeight) }));
  return { boxes, classes: new Set([person]), count: Math.max(...boxes.map(({ index }) => index)) + 1 };
}

/** The boxes of always inferring, as objects where they overlap from frame to frame. */
function referenceTruth() {
  const boxes = [];
  const open = [];
  const classes = options.labels && new Set(options.labels.split(',').map((label) => manifest.labels.indexOf(label)));
  for (const [index, { detections }] of frames.entries()) {
    for (let i = 0; i < detections.count; i += 1) {
      if (detections.confidence[i] < Number(options.reference) || (classes && !classes.has(detections.classId[i]))) continue;
      const box = { index, classId: detections.classId[i], xyxy: detections.xyxy.slice(4 * i, 4 * i + 4) };
      let object = open.find(({ last }) => last.classId === box.classId && last.index < index && index - last.index <= LINK_GAP_FRAMES && overlapOf(last.xyxy, 0, box.xyxy, 0) >= LINK_IOU);
      if (!object) open.push((object = { id: open.length + 1, frames: 0 }));
      object.last = box;
      object.frames += 1;
      boxes.push({ ...box, object });
    }
  }
  // What was there for a moment is scored, but no object that one waits for.
  return { boxes: boxes.map(({ object, ...box }) => ({ ...box, id: object.frames < LEAST_FRAMES ? 0 : object.id })), classes, count: frames.length };
}

/** AP50 over all classes together (a box only matches one of its class), and the frame that each object is found in first. */
function score(delivered) {
  const { boxes, classes, count } = truth;
  const imageOf = (index, classId) => index * manifest.labels.length + classId + 1;
  const results = [];
  for (let index = 0; index < count; index += 1) {
    const { count: found, xyxy, confidence, classId } = delivered[index];
    for (let i = 0; i < found; i += 1) {
      if (classes && !classes.has(classId[i])) continue;
      const [left, top, right, bottom] = xyxy.subarray(4 * i, 4 * i + 4);
      results.push({ image_id: imageOf(index, classId[i]), category_id: 1, bbox: [left, top, right - left, bottom - top], score: confidence[i] });
    }
  }
  const annotations = boxes.map(({ index, classId, xyxy: [left, top, right, bottom] }, i) => ({ id: i + 1, image_id: imageOf(index, classId), category_id: 1, bbox: [left, top, right - left, bottom - top], area: (right - left) * (bottom - top), iscrowd: 0 }));
  const ids = new Set([...annotations, ...results].map(({ image_id }) => image_id));
  const dataset = { images: [...ids].map((id) => ({ id, width: 1, height: 1, file_name: `${id}` })), annotations, categories: [{ id: 1, name: 'object' }] };
  const firstSeen = new Map();
  for (const { index, id, classId, xyxy } of boxes) {
    if (id === 0 || firstSeen.has(id)) continue;
    const found = delivered[index];
    const isFound = Array.from({ length: found.count }, (_, i) => i).some((i) => found.classId[i] === classId && overlapOf(found.xyxy, i, xyxy, 0) >= SAME_OBJECT_IOU);
    if (isFound) firstSeen.set(id, index);
  }
  return { ap50: evaluateMap50(dataset, results).map50 ?? 0, firstSeen, objects: new Set(boxes.map(({ id }) => id).filter((id) => id > 0)).size };
}

/** How much later than by always inferring objects are found, milliseconds. */
function delays(firstSeen) {
  const late = [];
  let never = 0;
  for (const [id, index] of always.firstSeen) {
    if (firstSeen.has(id)) late.push(Math.max(0, (frames[firstSeen.get(id)].frame.ptsUs - frames[index].frame.ptsUs) / 1e3));
    else never += 1;
  }
  return { n: late.length, mean: round(late.reduce((sum, value) => sum + value, 0) / Math.max(1, late.length), 1), ...quantiles(late, 1), never };
}

function quantiles(values, digits = 3) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0, digits);
  return { median: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

function medianStepUs() {
  const steps = frames.slice(1).map(({ frame }, i) => frame.ptsUs - frames[i].frame.ptsUs).sort((a, b) => a - b);
  return steps[steps.length >> 1] ?? 1;
}

function round(value, digits) {
  return Number(value.toFixed(digits));
}

function print() {
  const { always: reference } = report;
  console.log(`${report.video}, ${report.frames} frames at ${report.frame_rate_fps} a second, ${report.model}, confidence ${report.confidence}; AP50 against ${report.against}`);
  console.log(`always inferring: AP50 ${reference.ap50}, ${reference.detected} of ${reference.objects} objects found, ${reference.inference_ms.median} ms an inference (2 threads)\n`);
  const percent = (value) => (100 * value).toFixed(1);
  const rows = results.map((one) => [one.name, percent(one.avoided_inferences), percent(one.avoided_work), percent(one.ap50), percent(one.ap50_change), `${one.first_detection_delay_ms.mean}`, `${one.first_detection_delay_ms.max}`, `${one.longest_age_ms}`, one.learnt.lossRatePerS.toFixed(3), one.learnt.flicker.toFixed(3), one.gate_ms.median.toFixed(2), one.gate_ms.p99.toFixed(2), Object.entries(one.actions).map(([key, count]) => `${count} ${key}`).join(', ')]);
  console.log(textTable(['setting', 'inferences avoided %', 'work avoided %', 'AP50', 'change', 'delay ms', 'max', 'age ms', 'rate', 'flicker', 'gate ms', 'p99', 'frames'], rows));
}

function page() {
  const points = results.map(({ name, avoided_work, ap50, first_detection_delay_ms: { mean } }) => ({ name, avoided: 100 * avoided_work, ap50: 100 * ap50, delay: mean }));
  const plot = (y, label, extra = []) =>
    drawPlot({
      x: { label: 'work avoided, % of inferring every frame →', domain: [0, 100], grid: true },
      y: { label, grid: true, nice: true },
      color: { legend: true },
      marks: [...extra, Plot.dot(points, { x: 'avoided', y, fill: 'name', r: 5, symbol: 'circle' })],
    });
  const standard = results.find(({ options: { maxMovedMs, tiles, maxAgeMs } }) => maxMovedMs === DEFAULTS.maxMovedMs && tiles === DEFAULTS.tiles && maxAgeMs === DEFAULTS.maxAgeMs) ?? results[0];
  const ap50 = (value) => (100 * value).toFixed(1);
  return renderReport({
    title: `Redundancy: ${report.video}`,
    conclusion: `At defaults ${ap50(standard.avoided_inferences)} % of the inferences are avoided; AP50 goes from ${ap50(always.ap50)} to ${ap50(standard.ap50)}, new objects are found ${standard.first_detection_delay_ms.mean} ms later in the mean.`,
    command: `node scripts/bench-redundancy.mjs ${process.argv.slice(2).join(' ')}`,
    facts: [['model', report.model], ['frames', `${report.frames} at ${report.frame_rate_fps} a second`], ['against', report.against], ['confidence', `${report.confidence}`], ['machine', `${report.machine.cpu}, ${report.machine.cores} cores, Node ${report.machine.node}, onnxruntime ${report.machine.onnxruntime}`]],
    sections: [
      { title: 'Work and accuracy', blocks: [{ kind: 'plot', markup: plot('ap50', '↑ AP50, %', [Plot.ruleY([100 * always.ap50], { stroke: '#c2410c', strokeDasharray: '4 3' })]), caption: 'The dashed line is always inferring.' }] },
      { title: 'Work and time to first detection', blocks: [{ kind: 'plot', markup: plot('delay', '↑ later than always inferring, mean, ms'), caption: 'New objects: from when always inferring finds them.' }] },
      { title: 'Settings', blocks: [{ kind: 'table', header: ['setting', 'inferences avoided %', 'work avoided %', 'AP50 %', 'delay ms, mean', 'max', 'gate ms, median', 'p99'], rows: results.map((one) => [one.name, ap50(one.avoided_inferences), ap50(one.avoided_work), ap50(one.ap50), one.first_detection_delay_ms.mean, one.first_detection_delay_ms.max, one.gate_ms.median, one.gate_ms.p99]) }] },
    ],
  });
}
