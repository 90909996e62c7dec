import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { manifestJsonSchema, occupancyManifestJsonSchema, parseAnyManifest, parseManifest, parseOccupancyManifest } from '../../src/config/manifest-schema.js';
import { occupancyManifest } from '../occupancy/network/occupancy-model.js';

const MODELS = fileURLToPath(new URL('../../models', import.meta.url));

/** A manifest that is right; a plain object, to be spoilt. */
function valid(): Record<string, unknown> {
  return {
    $schema: '../manifest.schema.json',
    id: 'yolo-tiny',
    task: 'detection',
    title: 'A model',
    file: 'model.onnx',
    sha256: 'ab'.repeat(32),
    licence: 'MIT',
    input: { name: 'images', layout: 'nchw', dtype: 'float32', width: 320, height: 192, color: 'rgb', scale: 1 / 255, mean: [0, 0, 0], fit: 'letterbox', padValue: 114 },
    head: { kind: 'darknet', scales: [{ output: 'a', stride: 32, anchors: [[1, 2], [3, 4]], scaleXy: 1.05 }, { output: 'b', stride: 16, anchors: [[5, 6]] }] },
    labels: ['person', 'car'],
    defaults: { confidenceThreshold: 0.25, iouThreshold: 0.45 },
    lineage: { parent: null, origin: 'a.cfg', operations: [{ kind: 'import-darknet', anything: [1] }] },
    baseline: null,
  };
}

/** `valid()` with the value at a dotted path replaced (or removed). */
function spoilt(path: string, value: unknown): string {
  const manifest = valid();
  const keys = path.split('.');
  const last = keys.pop()!;
  const parent = keys.reduce<Record<string, unknown>>((object, key) => object[key] as Record<string, unknown>, manifest);
  if (value === undefined) Reflect.deleteProperty(parent, last);
  else parent[last] = value;
  return JSON.stringify(manifest);
}

test('a right manifest comes back without its $schema', () => {
  const { $schema: _, ...expected } = valid();
  expect(parseManifest(JSON.stringify(valid()), 'manifest.json')).toEqual(expected);
});

const ANCHORLESS = { scales: [{ stride: 8 }, { stride: 16 }, { stride: 32 }] };

test.each<[string, unknown]>([
  ['yolox', { kind: 'yolox', output: 'o', ...ANCHORLESS }],
  ['yolov5 says nothing', { kind: 'yolov5' }],
  ['yolov8', { kind: 'yolov8', output: 'output0' }],
  ['yolov10', { kind: 'yolov10' }],
  ['tiny-yolov2', { kind: 'tiny-yolov2', scales: [{ stride: 32, anchors: [[1, 2]] }] }],
  ['rows', { kind: 'rows', output: 'd', columns: ['x1', 'y1', 'x2', 'y2', 'score', 'class'] }],
])('a head of kind %s', (_, head) => {
  expect(parseManifest(spoilt('head', head), 'm').head).toEqual(head);
});

describe('a fault is named by its path', () => {
  test.each<[string, string, unknown, RegExp]>([
    ['a missing key', 'licence', undefined, /licence: /],
    ['an unknown key', 'surprise', 1, /surprise: .*surprise/],
    ['an unknown key further in', 'input.channels', 3, /input\.channels: /],
    ['an unknown key of a scale', 'head.scales.1.stide', 3, /head\.scales\.1\.stide: /],
    ['an id that could leave the folder', 'id', '../x', /id: must be/],
    ['a file with a folder', 'file', 'a/b.onnx', /file: must be a file name/],
    ['a sum in capitals', 'sha256', 'AB'.repeat(32), /sha256: must be 64/],
    ['a width of a half', 'input.width', 0.5, /input\.width: /],
    ['a mean of two', 'input.mean', [0, 0], /input\.mean: /],
    ['an anchor of one number', 'head.scales.0.anchors', [[1]], /head\.scales\.0\.anchors\.0: /],
    ['an anchor of no size', 'head.scales.0.anchors', [[0, 1]], /head\.scales\.0\.anchors\.0\.0: /],
    ['a head of no known kind', 'head.kind', 'ssd', /head\.kind: /],
    ['no anchors where the head is anchor-based', 'head.scales.0.anchors', undefined, /head\.scales\.0\.anchors: /],
    ['anchors where there are none', 'head', { kind: 'yolox', scales: [{ stride: 8, anchors: [[1, 2]] }] }, /head\.scales\.0\.anchors: /],
    ['a stride that does not divide the input', 'head.scales.0.stride', 24, /head\.scales\.0\.stride: stride 24 does not divide/],
    ['two scales that are one', 'head.scales.1', { output: 'a', stride: 32, anchors: [[1, 2]] }, /head\.scales\.1: the same output and stride/],
    ['two scales of Tiny-YOLOv2', 'head', { kind: 'tiny-yolov2', scales: [{ stride: 32, anchors: [[1, 2]] }, { stride: 16, anchors: [[1, 2]] }] }, /head\.scales: /],
    ['labels of a head without classes', 'head', { kind: 'tiny-yolov2', classes: false, scales: [{ stride: 32, anchors: [[1, 2]] }] }, /labels: .*one label, found 2/],
    ['labels of rows without classes', 'head', { kind: 'rows', output: 'd', columns: ['x1', 'y1', 'x2', 'y2', 'score'] }, /labels: .*one label, found 2/],
    ['rows without a score', 'head', { kind: 'rows', output: 'd', columns: ['x1', 'y1', 'x2', 'y2', 'class'] }, /head\.columns: column score is missing/],
    ['rows with a column twice', 'head', { kind: 'rows', output: 'd', columns: ['x1', 'y1', 'x2', 'y2', 'score', 'score'] }, /head\.columns: a column is named twice/],
    ['bytes with a scale', 'input.dtype', 'uint8', /input\.dtype: .*normalises inside/],
    ['no labels', 'labels', [], /labels: /],
    ['a threshold over 1', 'defaults.confidenceThreshold', 1.5, /defaults\.confidenceThreshold: /],
  ])('%s', (_, path, value, message) => {
    expect(() => parseManifest(spoilt(path, value), 'models/x/manifest.json')).toThrow(
      expect.objectContaining({ code: 'ERR_MODEL_MANIFEST', message: expect.stringMatching(message) as string }) as Error,
    );
  });

  test('and the file is named, too', () => {
    expect(() => parseManifest(spoilt('title', ''), 'models/x/manifest.json')).toThrow(/^models\/x\/manifest\.json: title: /);
    expect(() => parseManifest('{', 'models/x/manifest.json')).toThrow(/^models\/x\/manifest\.json is not JSON/);
  });
});

describe('occupancy networks', () => {
  const spoiltNetwork = (path: readonly string[], value: unknown): string => {
    const manifest = occupancyManifest();
    const last = path.slice(0, -1).reduce<Record<string, unknown>>((inner, key) => inner[key] as Record<string, unknown>, manifest as unknown as Record<string, unknown>);
    last[path.at(-1)!] = value;
    return JSON.stringify(manifest);
  };

  test('are read, and are valid by the published schema', () => {
    const manifest = occupancyManifest();
    expect(parseOccupancyManifest(JSON.stringify({ $schema: '../occupancy-manifest.schema.json', ...manifest }), 'x')).toEqual(manifest);
    const validate = new Ajv2020({ strict: true }).compile(occupancyManifestJsonSchema());
    expect(validate(manifest), JSON.stringify(validate.errors)).toBe(true);
  });

  test.each<[string, readonly string[], unknown, RegExp]>([
    ['a graph in another folder', ['files', 'fine', 'file'], '../x.onnx', /files\.fine\.file/],
    ['no SHA-256', ['files', 'coarse', 'sha256'], 'x', /files\.coarse\.sha256/],
    ['planes that nobody knows', ['planes'], 'other', /planes/],
    ['an answer that has no such cells', ['levels', 'all', '16', 'source'], 'coarse8', /levels\.all\.16\.source/],
    ['a probability beyond 1', ['levels', 'coarse', '8', 'above'], 2, /levels\.coarse\.8\.above/],
    ['the most before the least', ['trained', 'baselineM'], [1, 0.1], /trained\.baselineM/],
    ['an unknown key', ['extra'], 1, /extra/],
  ])('%s', (_, path, value, message) => {
    expect(() => parseOccupancyManifest(spoiltNetwork(path, value), 'x')).toThrow(expect.objectContaining({ code: 'ERR_MODEL_MANIFEST', message: expect.stringMatching(message) as string }) as Error);
  });

  test('are no detectors, and the other way round', () => {
    expect(() => parseManifest(JSON.stringify(occupancyManifest()), 'x')).toThrow(expect.objectContaining({ code: 'ERR_MODEL_TASK', message: expect.stringContaining('no detector') as string }) as Error);
    expect(() => parseOccupancyManifest(JSON.stringify(valid()), 'x')).toThrow(expect.objectContaining({ code: 'ERR_MODEL_TASK', message: expect.stringContaining('is a detector') as string }) as Error);
    expect([parseAnyManifest(JSON.stringify(valid()), 'x').task, parseAnyManifest(JSON.stringify(occupancyManifest()), 'x').task]).toEqual(['detection', 'stereo-occupancy']);
  });
});

describe('what is shipped', () => {
  test('models/manifest.schema.json is the schema (else: npm run build && node scripts/write-model-manifests.mjs)', () => {
    expect(JSON.parse(readFileSync(`${MODELS}/manifest.schema.json`, 'utf8'))).toEqual(manifestJsonSchema());
  });

  test('models/occupancy-manifest.schema.json is the other one (else: npm run build && node scripts/write-schemas.mjs)', () => {
    expect(JSON.parse(readFileSync(`${MODELS}/occupancy-manifest.schema.json`, 'utf8'))).toEqual(occupancyManifestJsonSchema());
  });

  // `lab` is where models are made; `patch-finder` is no model that a stream could run, and has no manifest.
  const shipped = readdirSync(MODELS, { withFileTypes: true }).filter((entry) => entry.isDirectory() && !['lab', 'patch-finder'].includes(entry.name));

  test('there are models', () => {
    expect(shipped.length).toBeGreaterThanOrEqual(2);
  });

  test.each(shipped.map(({ name }) => name))('%s: the manifest is valid by schema and by parser, and named as its folder', (name) => {
    const path = `${MODELS}/${name}/manifest.json`;
    const text = readFileSync(path, 'utf8');
    const { id, task } = parseAnyManifest(text, path);
    expect(id).toBe(name);
    const validate = new Ajv2020({ strict: false }).compile(task === 'detection' ? manifestJsonSchema() : occupancyManifestJsonSchema());
    expect(validate(JSON.parse(text)), JSON.stringify(validate.errors)).toBe(true);
  });
});
