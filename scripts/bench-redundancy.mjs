// What gate.redundancy spares and what it costs in accuracy: always inferring against the gate, for settings from careful to bold.
//
//   node scripts/bench-redundancy.mjs <video> [--model ID] [--gt gt.txt] [--frames N] [--labels person,car] [--confidence 0.25] [--reference 0.4] [--json] [--out report.html]
//
//   node scripts/bench-redundancy.mjs <picture or video> --overhead [--model ID] [--frames N] [--json]
//
// Needs `npm run build`. Every frame is inferred once; the gate is then played through with each setting on the same frames, and what it would
// have asked of the model is looked up (a tile is inferred where one is asked for). AP50 is against the ground truth (MOTChallenge's text, class
// person) where there is one, else against the boxes of always inferring from --reference on. Nothing passes or fails here.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
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
import { FrameRedundancy } from '../dist/redundancy/frame-redundancy.js';
import { overlapOf } from '../dist/redundancy/overlap.js';
import { RedundancyGate } from '../dist/redundancy/redundancy-gate.js';
import { sightOf } from '../dist/redundancy/sight.js';
import { tileFrame } from '../dist/redundancy/tile.js';
import { drawPlot, Plot } from '../dist/report/plot.js';
import { renderReport } from '../dist/report/report.js';
import { findFfmpeg } from '../dist/sources/find-ffmpeg.js';

const USAGE = 'usage: node scripts/bench-redundancy.mjs <video> [--model ID] [--gt gt.txt] [--frames N] [--labels NAMES] [--confidence C] [--reference C] [--json] [--out report.html]\n       node scripts/bench-redundancy.mjs <picture or video> --overhead [--model ID] [--frames N] [--json]';
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
    overhead: { type: 'boolean', default: false },
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
  ['frame gate alone', { maxMovedMs: 0 }],
  ['frame gate, tiles', { maxMovedMs: 0, tiles: true }],
  ...[0.002, 0.004, 0.006, 0.008, 0.01, 0.02, 0.04, 0.08].map((maxLoss) => [`loss ${Number((100 * maxLoss).toFixed(2))} %`, { maxLoss }]),
  [`loss ${100 * DEFAULTS.maxLoss} %, tiles`, { tiles: true }],
  ['without a bound', { maxLoss: 1 }],
].map(([name, changes]) => ({ name, options: { ...DEFAULTS, ...changes } }));
const SAME_OBJECT_IOU = 0.5;
const BLOCK_FRAMES = 20;
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

if (options.overhead) {
  await benchOverhead();
  process.exit(0);
}

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

async function readPictures(path, most) {
  const pool = new FramePool(4, frameBytes(format));
  const source = await createSource({ name: 'bench', source: { kind: 'file', path }, stages: [] }, { format, pool });
  const pictures = [];
  await lastValueFrom(
    source.frames$.pipe(
      tap((frame) => {
        if (pictures.length < most) pictures.push(new Frame({ ...frame }, { bytes: frame.pixels.slice(), free: () => undefined }));
        frame.release();
      }),
    ),
  );
  return pictures;
}

async function readFrames() {
  const read = [];
  for (const frame of await readPictures(video, Number(options.frames))) {
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
  const tiles = { frames: 0, boxes: 0, found: 0, overlap: 0 };
  let share = 0;
  let maxAgeMs = 0;
  let wholePtsUs = 0;
  for (const [index, { frame, detections, sight, sightMs }] of frames.entries()) {
    // Each setting sees sights of its own: nothing is remembered from another.
    const own = redundancy.looksAt(frame.ptsUs) ? { ...sight } : undefined;
    const clock = stopwatch(own ? sightMs : 0);
    const decision = own ? clock.time(() => redundancy.decide(own)) : { action: 'inferred', reason: 'changed' };
    const inferWhole = () => {
      clock.time(() => (own ? redundancy.beginWhole(own) : redundancy.beginUnseen(frame.ptsUs)));
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
      if (found) compareTile(tiles, frame, decision.tile, found, detections);
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
    ...(tiles.frames > 0 && { tiles: { frames: tiles.frames, boxes: tiles.boxes, recall: round(tiles.found / Math.max(1, tiles.boxes), 3), mean_iou: round(tiles.overlap / Math.max(1, tiles.found), 3) } }),
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

/** Of the boxes that the whole picture shows with their middle in the tile, from --reference on: how many the tile shows too, and where. */
function compareTile(sums, { fit: { scaleX, scaleY, padX, padY } }, place, found, detections) {
  sums.frames += 1;
  for (let i = 0; i < detections.count; i += 1) {
    if (detections.confidence[i] < Number(options.reference)) continue;
    const [left, top, right, bottom] = detections.xyxy.subarray(4 * i, 4 * i + 4);
    const x = ((left + right) / 2) * scaleX + padX - place.left;
    const y = ((top + bottom) / 2) * scaleY + padY - place.top;
    if (x < 0 || y < 0 || x >= place.width || y >= place.height) continue;
    let most = 0;
    for (let j = 0; j < found.count; j += 1) if (found.classId[j] === detections.classId[i]) most = Math.max(most, overlapOf(found.xyxy, j, detections.xyxy, i));
    sums.boxes += 1;
    if (most < SAME_OBJECT_IOU) continue;
    sums.found += 1;
    sums.overlap += most;
  }
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
  const rows = results.map((one) => [one.name, percent(one.avoided_inferences), percent(one.avoided_work), percent(one.ap50), percent(one.ap50_change), `${one.first_detection_delay_ms.mean}`, `${one.first_detection_delay_ms.max}`, `${one.longest_age_ms}`, one.learnt.lossRatePerS.toFixed(2), percent(one.learnt.flicker), one.gate_ms.median.toFixed(2), one.gate_ms.p99.toFixed(2)]);
  console.log(textTable(['setting', 'inferences avoided %', 'work avoided %', 'AP50', 'change', 'delay ms', 'max', 'age ms', 'loss rate /s', 'flicker %', 'gate ms', 'p99'], rows));
  for (const { name, actions } of results) console.log(`${name}: ${Object.entries(actions).map(([key, count]) => `${count} ${key}`).join(', ')}`);
  for (const { name, tiles } of results) if (tiles) console.log(`${name}: of ${tiles.boxes} boxes that the whole picture shows in ${tiles.frames} tiles they show ${percent(tiles.recall)} % (IoU ${tiles.mean_iou})`);
}

function page() {
  const points = results.map(({ name, options: { maxLoss, maxMovedMs, tiles }, avoided_work, ap50, first_detection_delay_ms: { mean } }) => ({ name, avoided: 100 * avoided_work, ap50: 100 * ap50, delay: mean, isCurve: maxMovedMs > 0 && !tiles, maxLoss }));
  const curve = points.filter(({ isCurve }) => isCurve).toSorted((a, b) => a.maxLoss - b.maxLoss);
  const plot = (y, label, extra = [], domain = undefined) =>
    drawPlot({
      x: { label: 'work avoided, % of inferring every frame →', domain: [0, 100], grid: true },
      y: { label, grid: true, nice: true, ...(domain && { domain }) },
      color: { legend: true, domain: ['careful to bold: maxLoss', 'other settings'], range: ['#1d4ed8', '#737373'] },
      marks: [
        ...extra,
        Plot.line(curve, { x: 'avoided', y, stroke: '#1d4ed8', strokeOpacity: 0.5 }),
        Plot.dot(points, { x: 'avoided', y, fill: ({ isCurve }) => (isCurve ? 'careful to bold: maxLoss' : 'other settings'), r: 5 }),
        Plot.text(points, { x: 'avoided', y, text: 'name', dx: 5, dy: -6, rotate: -35, textAnchor: 'start', fontSize: 9 }),
      ],
    });
  const standard = results.find(({ options: setting }) => Object.keys(DEFAULTS).every((key) => setting[key] === DEFAULTS[key])) ?? results[0];
  const ap50 = (value) => (100 * value).toFixed(1);
  return renderReport({
    title: `Redundancy: ${report.video}`,
    conclusion: `At defaults ${ap50(standard.avoided_inferences)} % of the inferences are avoided; AP50 goes from ${ap50(always.ap50)} to ${ap50(standard.ap50)}, new objects are found ${standard.first_detection_delay_ms.mean} ms later in the mean.`,
    command: `node scripts/bench-redundancy.mjs ${process.argv.slice(2).join(' ')}`,
    facts: [['model', report.model], ['frames', `${report.frames} at ${report.frame_rate_fps} a second`], ['against', report.against], ['confidence', `${report.confidence}`], ['machine', `${report.machine.cpu}, ${report.machine.cores} cores, Node ${report.machine.node}, onnxruntime ${report.machine.onnxruntime}`]],
    sections: [
      { title: 'Work and accuracy', blocks: [{ kind: 'plot', markup: plot('ap50', '↑ AP50, %', [Plot.ruleY([100 * always.ap50], { stroke: '#c2410c', strokeDasharray: '4 3' })]), caption: 'The dashed line is always inferring.' }] },
      { title: 'Work and time to first detection', blocks: [{ kind: 'plot', markup: plot('delay', '↑ later than always inferring, mean, ms', [], [0, Math.max(10, ...points.map(({ delay }) => delay))]), caption: 'New objects: from when always inferring finds them.' }] },
      { title: 'Settings', blocks: [{ kind: 'table', header: ['setting', 'inferences avoided %', 'work avoided %', 'AP50 %', 'delay ms, mean', 'max', 'gate ms, median', 'p99'], rows: results.map((one) => [one.name, ap50(one.avoided_inferences), ap50(one.avoided_work), ap50(one.ap50), one.first_detection_delay_ms.mean, one.first_detection_delay_ms.max, one.gate_ms.median.toFixed(2), one.gate_ms.p99.toFixed(1)]) }] },
    ],
  });
}

/**
 * What the gate costs where it can't spare anything: the detector alone and with a gate, by turns on the same frames, in this process.
 * Of a picture a pan is made, so that everything changes from frame to frame.
 */
async function benchOverhead() {
  const detector = await loadDetector({ manifest, modelPath: model.preparedPath, threads: 2 });
  const pictures = await readPictures(await panOver(video), Number(options.frames));
  let calledMs = 0;
  let answeredMs = 0;
  const stage = {
    kind: 'detector.yolo',
    concurrency: 1,
    close: () => undefined,
    async process(input) {
      calledMs = performance.now();
      const detections = await detect(detector, input.frame);
      answeredMs = performance.now();
      return { ...input, detections };
    },
  };
  const context = { part: () => undefined };
  const redundancy = new FrameRedundancy({ ...DEFAULTS, detector: stage });
  const gateMs = [];
  const actions = {};
  const alone = async (block) => {
    for (const frame of block) await stage.process({ frame }, context);
  };
  const gated = async (block) => {
    for (const frame of block) {
      const startMs = performance.now();
      redundancy.look(frame);
      const result = await redundancy.detect({ frame }, context);
      const { action, reason } = result.redundancy;
      actions[`${action}:${reason}`] = (actions[`${action}:${reason}`] ?? 0) + 1;
      if (action === 'inferred') gateMs.push(calledMs - startMs + performance.now() - answeredMs);
    }
  };
  await alone(pictures.slice(0, BLOCK_FRAMES));
  const pairs = [];
  for (let at = 0; at + BLOCK_FRAMES <= pictures.length; at += BLOCK_FRAMES) {
    const block = pictures.slice(at, at + BLOCK_FRAMES);
    // Who goes first changes from pair to pair.
    const order = pairs.length % 2 === 0 ? ['alone', 'gated'] : ['gated', 'alone'];
    const pair = {};
    for (const name of order) pair[name] = await spentBy(() => (name === 'alone' ? alone(block) : gated(block)));
    pairs.push(pair);
  }
  const ratio = (what) => quantiles(pairs.map((pair) => pair.gated[what] / pair.alone[what]), 4);
  const figures = {
    source: basename(video),
    model: manifest.id,
    frames: pairs.length * BLOCK_FRAMES,
    alone_ms: round(quantiles(pairs.map(({ alone: { wallMs } }) => wallMs / BLOCK_FRAMES)).median, 3),
    wall_ratio: ratio('wallMs'),
    cpu_ratio: ratio('cpuMs'),
    gate_ms: { mean: round(gateMs.reduce((sum, value) => sum + value, 0) / Math.max(1, gateMs.length), 4), ...quantiles(gateMs, 4) },
    actions,
    machine: machine(),
  };
  if (options.json) console.log(JSON.stringify(figures, null, 2));
  else printOverhead(figures);
}

function printOverhead({ source, model: id, frames: count, alone_ms, wall_ratio, cpu_ratio, gate_ms, actions }) {
  const percent = (value) => `${(100 * (value - 1)).toFixed(1)} %`;
  console.log(`${source}, ${count} frames, ${id}: ${alone_ms} ms a frame without a gate; with it ${Object.entries(actions).map(([key, n]) => `${n} ${key}`).join(', ')}`);
  console.log(
    textTable(
      ['by turns, blocks of ' + BLOCK_FRAMES, 'more'],
      [
        ['time, median', percent(wall_ratio.median)],
        ['CPU time, median', percent(cpu_ratio.median)],
        ['gate itself, mean', `${gate_ms.mean} ms`],
        ['of a frame without', `${((100 * gate_ms.mean) / alone_ms).toFixed(2)} %`],
        ['gate itself, median', `${gate_ms.median} ms`],
        ['gate itself, p99', `${gate_ms.p99} ms`],
      ],
    ),
  );
}

async function spentBy(work) {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await work();
  const wallMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1e3 };
}

/** A video that goes to and fro over a picture, 12 pixels a frame; a video stays what it is. */
async function panOver(path) {
  if (!/\.(jpe?g|png|webp)$/i.test(path)) return path;
  const pan = join(await mkdtemp(join(tmpdir(), 'pan-')), 'pan.mp4');
  const crop = "scale=1920:-2,crop=640:480:x='abs(mod(12*n,2*(iw-ow))-(iw-ow))':y='(ih-oh)/2'";
  await promisify(execFile)(findFfmpeg().ffmpegPath, ['-loglevel', 'error', '-y', '-loop', '1', '-framerate', '25', '-i', path, '-vf', crop, '-frames:v', options.frames, '-pix_fmt', 'yuv420p', '-preset', 'veryfast', pan]);
  return pan;
}
