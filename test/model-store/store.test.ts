import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { COCO_LABELS } from '../../src/core/coco-labels.js';
import { ModelStore, type InstalledModel } from '../../src/model-store/store.js';
import { storePaths, type StorePaths } from '../../src/model-store/store-paths.js';
import { runModel } from '../onnx/support.js';
import { FileServer } from './file-server.js';
import { darknetPair, noDetector, twoHeads, yolov5Export } from './test-models.js';

const SHIPPED = storePaths({}).shipped;
const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

let root: string;
let paths: StorePaths;
let store: ModelStore;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lynceus-store-'));
  paths = { models: join(root, 'home/models'), cache: join(root, 'home/cache'), shipped: SHIPPED };
  store = new ModelStore(paths, {});
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(name: string, bytes: Uint8Array | string): string {
  const path = join(root, 'files', name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}

function writePair(stem: string, classCount?: number): string {
  const { cfg, weights } = darknetPair(classCount);
  write(`${stem}.weights`, weights);
  return write(`${stem}.cfg`, cfg);
}

/** What the runtime would do: the prepared file takes a frame of bytes. */
async function outputsOf({ preparedPath, manifest: { input } }: InstalledModel): Promise<Record<string, readonly number[]>> {
  const outputs = await runModel(readFileSync(preparedPath), new Uint8Array(3 * input.width * input.height), [1, 3, input.height, input.width]);
  return Object.fromEntries(Object.entries(outputs).map(([name, { dims }]) => [name, dims]));
}

function changeManifest(folder: string, change: (manifest: { input: { scale: number }; title: string }) => void): void {
  const path = join(folder, 'manifest.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Parameters<typeof change>[0];
  change(manifest);
  writeFileSync(path, JSON.stringify(manifest));
}

describe("a user's own YOLOv5 export needs a file name and nothing more", () => {
  const names = `{${COCO_LABELS.map((name, i) => `${i}: '${name}'`).join(', ')}}`;

  test.each<[string, Parameters<typeof yolov5Export>[0]]>([
    ['static', { metadata: { names, stride: '32' } }],
    ['dynamic', { dynamic: true, metadata: { names, stride: '32' } }],
    ['without metadata', {}],
  ])('%s', async (_, options) => {
    const model = await store.add(write('YOLOv5n.onnx', yolov5Export(options)));
    expect(model.manifest).toMatchObject({
      id: 'yolov5n',
      head: { kind: 'yolov5', output: 'output0' },
      input: { name: 'images', width: 640, height: 640, layout: 'nchw', dtype: 'float32', color: 'rgb', scale: 1 / 255, mean: [0, 0, 0], fit: 'letterbox', padValue: 114 },
      defaults: { confidenceThreshold: 0.25, iouThreshold: 0.45 },
    });
    expect(model.manifest.labels).toEqual(COCO_LABELS);
    expect(await outputsOf(model)).toEqual({ output0: [1, 25200, 85] });
  });

  test('names of its own classes come from the file', async () => {
    const { manifest } = await store.add(write('own.onnx', yolov5Export({ classCount: 2, metadata: { names: "{0: 'cat', 1: 'dog'}" } })));
    expect(manifest.labels).toEqual(['cat', 'dog']);
  });

  test('classes without names are numbered', async () => {
    expect((await store.add(write('own.onnx', yolov5Export({ classCount: 2 })))).manifest.labels).toEqual(['class_0', 'class_1']);
  });

  test('an open size is what the user, else what the file says', async () => {
    const path = write('own.onnx', yolov5Export({ dynamic: true, metadata: { imgsz: '[192, 320]' } }));
    expect((await store.add(path)).manifest.input).toMatchObject({ width: 320, height: 192 });
    expect((await store.add(path, { id: 'small', size: { width: 128, height: 96 } })).manifest.input).toMatchObject({ width: 128, height: 96 });
  });

  test('a size that the file fixes cannot be changed', async () => {
    await expect(store.add(write('own.onnx', yolov5Export()), { size: { width: 320, height: 320 } })).rejects.toMatchObject({ code: 'ERR_USAGE', message: expect.stringContaining('a width of 640') as string });
  });

  test('input facts can be overruled', async () => {
    const { manifest } = await store.add(write('own.onnx', yolov5Export()), { fit: 'stretch', color: 'bgr', scale: 1 });
    expect(manifest.input).toMatchObject({ fit: 'stretch', color: 'bgr', scale: 1 });
  });
});

describe('a Darknet pair', () => {
  test.each([
    ['by its cfg', (cfg: string) => cfg],
    ['by its weights', (cfg: string) => cfg.replace(/cfg$/, 'weights')],
    ['by its folder', (cfg: string) => join(cfg, '..')],
  ])('%s', async (_, pathOf) => {
    const model = await store.add(pathOf(writePair('pair/Tiny Net')));
    expect(model.manifest).toMatchObject({ id: 'tiny-net', head: { kind: 'darknet' }, labels: ['class_0', 'class_1'], lineage: { operations: [{ kind: 'import-darknet' }] } });
    expect(await outputsOf(model)).toEqual({ yolo_0: [1, 7, 2, 3] });
  });

  test('class names lie beside it under its own name', async () => {
    write('pair/net.names', 'cat\ndog\n\n');
    write('pair/other.names', 'a\nb\n');
    expect((await store.add(writePair('pair/net'))).manifest.labels).toEqual(['cat', 'dog']);
  });

  test('or are the only names of the folder, or named by the user', async () => {
    write('pair/any.names', 'cat\r\ndog\r\n');
    const cfg = writePair('pair/net');
    expect((await store.add(cfg)).manifest.labels).toEqual(['cat', 'dog']);
    expect((await store.add(cfg, { id: 'mine', labels: write('mine.txt', 'x\ny') })).manifest.labels).toEqual(['x', 'y']);
  });

  test('80 classes are those of COCO, by whichever names', async () => {
    const cfg = writePair('pair/net', 80);
    expect((await store.add(cfg)).manifest.labels).toEqual(COCO_LABELS);
    const darknetNames = COCO_LABELS.join('\n').replace('motorcycle', 'motorbike').replace('couch', 'sofa');
    expect((await store.add(cfg, { id: 'named', labels: write('coco.names', darknetNames) })).manifest.labels).toEqual(COCO_LABELS);
  });

  test('another size is imported, another head is not', async () => {
    const cfg = writePair('pair/net');
    expect((await store.add(cfg, { size: { width: 64, height: 32 } })).manifest.input).toMatchObject({ width: 64, height: 32 });
    await expect(store.add(cfg, { id: 'other', head: 'yolov5' })).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  test('names of another number of classes are refused', async () => {
    write('pair/net.names', 'cat\n');
    await expect(store.add(writePair('pair/net'))).rejects.toMatchObject({ code: 'ERR_MODEL_IMPORT', message: 'Expected 2 class names but found 1' });
  });
});

describe('what cannot be added leaves nothing behind', () => {
  test.each<[string, () => string, string, RegExp]>([
    ['a head that is none', () => write('x.onnx', noDetector()), 'ERR_MODEL_HEAD_UNKNOWN', /none that is known/],
    ['a head that could be two', () => write('x.onnx', twoHeads()), 'ERR_MODEL_HEAD_UNKNOWN', /yolov8 or yolov10/],
    ['a corrupt ONNX', () => write('x.onnx', 'oops'), 'ERR_MODEL_CORRUPT', /Not a readable ONNX/],
    ['a cut-off ONNX', () => write('x.onnx', yolov5Export().subarray(0, 5000)), 'ERR_MODEL_CORRUPT', /ONNX|onnxruntime/],
    ['a cfg without weights', () => write('x.cfg', darknetPair().cfg), 'ERR_FILE_NOT_FOUND', /x\.weights is missing/],
    ['a file of no known kind', () => write('x.pt', 'zip'), 'ERR_USAGE', /x\.pt is no model file/],
    ['a folder without a model', () => join(write('none/readme.txt', ''), '..'), 'ERR_USAGE', /holds no model/],
    ['a folder with two', () => [write('two/a.onnx', ''), join(write('two/b.onnx', ''), '..')][1]!, 'ERR_USAGE', /holds a\.onnx, b\.onnx/],
    ['a path to nothing', () => join(root, 'gone.onnx'), 'ERR_FILE_NOT_FOUND', /no file, no folder and no known model/],
    ['a name that is not known', () => 'yolo-unheard', 'ERR_FILE_NOT_FOUND', /no known model/],
    ['a model that comes with the package', () => 'tiny-face', 'ERR_MODEL_EXISTS', /tiny-face already/],
  ])('%s', async (_, input, code, message) => {
    await expect(store.add(input())).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(existsSync(paths.models) ? readdirSync(paths.models) : []).toEqual([]);
  });

  test('the flag that the error names helps', async () => {
    const path = write('x.onnx', twoHeads());
    await expect(store.add(path)).rejects.toMatchObject({ fix: expect.stringContaining('--head') as string });
    expect((await store.add(path, { head: 'yolov8' })).manifest).toMatchObject({ head: { kind: 'yolov8', output: 'planes' }, labels: ['class_0', 'class_1', 'class_2'] });
  });

  test.each(['../out', 'Upper', '', 'a/b', '.hidden'])('the name %j is refused', async (id) => {
    await expect(store.add(writePair('net'), { id })).rejects.toMatchObject({ code: 'ERR_USAGE' });
    expect(readdirSync(root)).toEqual(['files']);
  });

  test('a name that is taken', async () => {
    const cfg = writePair('net');
    await store.add(cfg);
    await expect(store.add(cfg)).rejects.toMatchObject({ code: 'ERR_MODEL_EXISTS', fix: expect.stringContaining('--id') as string });
    await expect(store.add(cfg, { id: 'centernet-coco' })).rejects.toMatchObject({ code: 'ERR_MODEL_EXISTS' });
    expect((await store.add(cfg, { id: 'net-2' })).manifest.id).toBe('net-2');
  });
});

test('a folder with a manifest is taken over as it is', async () => {
  const { folder } = await store.add(writePair('net'));
  changeManifest(folder, (manifest) => (manifest.title = 'Mine'));
  const copy = await store.add(folder, { id: 'copy' });
  expect(copy.manifest).toMatchObject({ id: 'copy', title: 'Mine', lineage: { origin: 'net.cfg' } });
  await expect(store.add(folder, { id: 'other', fit: 'letterbox' })).rejects.toMatchObject({ code: 'ERR_USAGE', message: expect.stringContaining('--fit') as string });
});

describe('the life of an added model', () => {
  test('added, resolved, removed, gone', async () => {
    const { preparedPath } = await store.add(writePair('net'));
    expect((await new ModelStore(paths, {}).resolve('net')).preparedPath).toBe(preparedPath);
    await store.remove('net');
    await expect(store.resolve('net')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND', fix: expect.stringMatching(/centernet-coco.*tiny-face/) as string });
    await expect(store.remove('net')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    await expect(store.remove('tiny-face')).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(store.remove('..')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    expect(existsSync(paths.cache) || existsSync(paths.models)).toBe(true);
  });

  test('a changed file is found out', async () => {
    const { modelPath, manifest } = await store.add(writePair('net'));
    const bytes = readFileSync(modelPath);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(modelPath, bytes);
    await expect(store.resolve('net')).rejects.toMatchObject({ code: 'ERR_MODEL_CHECKSUM', message: expect.stringMatching(`${sha256(bytes)}.*${manifest.sha256}`) as string });
  });

  test('the prepared variant is made once, and anew where the manifest changes; the old one goes', async () => {
    const first = await store.add(writePair('net'));
    const madeMs = statSync(first.preparedPath).mtimeMs;
    changeManifest(first.folder, (manifest) => (manifest.title = 'another title changes nothing'));
    expect((await store.resolve('net')).preparedPath).toBe(first.preparedPath);
    expect(statSync(first.preparedPath).mtimeMs).toBe(madeMs);
    changeManifest(first.folder, (manifest) => (manifest.input.scale = 1));
    const second = await store.resolve('net');
    expect(second.preparedPath).not.toBe(first.preparedPath);
    expect(readdirSync(first.folder).sort()).toEqual(['manifest.json', 'model.onnx', second.preparedPath.split('/').at(-1)]);
  });

  test('a manifest that was spoilt is listed as broken and does not hide the others', async () => {
    await store.add(writePair('good'));
    const { folder } = await store.add(writePair('bad'));
    changeManifest(folder, (manifest) => (manifest.input.scale = -1));
    const models = await store.list();
    expect(models.map(({ id, status }) => `${id} ${status}`)).toEqual(['centernet-coco included', 'stereo-occupancy included', 'street included', 'tiny-face included', 'bad broken', 'good added', 'yolo-fastest-1.1 download', 'yolo-fastest-1.1-xl download', 'yolox-nano download']);
    expect(models[4]!.problem).toMatch(/input\.scale/);
    await expect(store.resolve('bad')).rejects.toMatchObject({ code: 'ERR_MODEL_MANIFEST' });
  });
});

describe('models by path', () => {
  test('are kept under what they contain', async () => {
    const path = write('mine.onnx', yolov5Export({ classCount: 1 }));
    const first = await store.resolve(path);
    expect(first.manifest.id).toBe('mine');
    expect(first.folder.startsWith(paths.cache)).toBe(true);
    expect((await store.resolve(path)).preparedPath).toBe(first.preparedPath);
    write('mine.onnx', yolov5Export({ classCount: 2 }));
    const second = await store.resolve(path);
    expect(second.folder).not.toBe(first.folder);
    expect(second.manifest.labels).toHaveLength(2);
    expect((await store.list()).some(({ id }) => id === 'mine')).toBe(false);
  });

  test('a cfg brings its weights and names', async () => {
    write('net.names', 'cat\ndog');
    const { manifest } = await store.resolve(writePair('net'));
    expect(manifest).toMatchObject({ head: { kind: 'darknet' }, labels: ['cat', 'dog'] });
  });

  test('a folder with a manifest is used where it is, and not written to', async () => {
    const { folder } = await store.add(writePair('net'));
    const elsewhere = join(root, 'elsewhere');
    cpSync(folder, elsewhere, { recursive: true, filter: (path) => !path.includes('prepared-') });
    const model = await store.resolve(elsewhere);
    expect(model.folder).toBe(elsewhere);
    expect(readdirSync(elsewhere).sort()).toEqual(['manifest.json', 'model.onnx']);
    expect(await outputsOf(model)).toEqual({ yolo_0: [1, 7, 2, 3] });
  });
});

describe('models that come with the package', () => {
  test('are imported on first use, byte for byte what their manifest was written for', async () => {
    const [a, b] = await Promise.all([store.resolve('tiny-face'), new ModelStore(paths, {}).resolve('tiny-face')]);
    expect(a.preparedPath).toBe(b.preparedPath);
    expect(sha256(readFileSync(a.modelPath))).toBe(a.manifest.sha256);
    expect(await outputsOf(a)).toEqual({ grid: [1, 25, 13, 13] });
    expect(existsSync(paths.models)).toBe(false);
  });

  test('a damaged copy is imported again', async () => {
    const { modelPath } = await store.resolve('tiny-face');
    writeFileSync(modelPath, 'oops');
    const { manifest } = await store.resolve('tiny-face');
    expect(sha256(readFileSync(modelPath))).toBe(manifest.sha256);
  });

  test('the default model gives rows', async () => {
    const model = await store.resolve('centernet-coco');
    expect(model.manifest).toMatchObject({ head: { kind: 'rows' }, defaults: { confidenceThreshold: 0.3 }, labels: COCO_LABELS });
    expect(sha256(readFileSync(model.modelPath))).toBe(model.manifest.sha256);
    expect(await outputsOf(model)).toEqual({ detections: [1, 100, 6] });
  });

  test('a shipped folder with its network is used in place', async () => {
    const { folder } = await store.add(writePair('net'));
    const shipped = join(root, 'shipped');
    cpSync(folder, join(shipped, 'net'), { recursive: true, filter: (path) => !path.includes('prepared-') });
    writeFileSync(join(shipped, 'catalog.json'), '{"models":[]}');
    const model = await new ModelStore({ models: join(root, 'm'), cache: join(root, 'c'), shipped }, {}).resolve('net');
    expect(model.folder).toBe(join(shipped, 'net'));
    expect(model.preparedPath.startsWith(join(root, 'c'))).toBe(true);
  });
});

describe('models of the catalogue', () => {
  let server: FileServer;
  const { cfg, weights } = darknetPair();
  const files = { 'net.cfg': new TextEncoder().encode(cfg), 'net.weights': weights };

  /** A package with a catalogue of one model, and a mirror that has its files. */
  async function withCatalog(change: (name: string, sum: string) => string = (_, sum) => sum): Promise<ModelStore> {
    const shipped = join(root, 'shipped');
    mkdirSync(shipped);
    const entries = Object.entries(files).map(([name, bytes]) => ({ name, url: `https://publisher.invalid/${name}`, bytes: bytes.length, sha256: change(name, sha256(bytes)) }));
    writeFileSync(join(shipped, 'catalog.json'), JSON.stringify({ models: [{ id: 'known-net', title: 'A known net', licence: 'MIT', files: entries }] }));
    server = await FileServer.start();
    for (const [name, bytes] of Object.entries(files)) server.files.set(`/known-net/${name}`, bytes);
    return new ModelStore({ ...paths, shipped }, { mirror: `${server.url}/`, download: { backoffMs: 1, retries: 1 } });
  }
  afterEach(() => server.close());

  test('are fetched, checked, imported; then they are like any other', async () => {
    const known = await withCatalog();
    await expect(known.resolve('known-net')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND', fix: 'Fetch it: lynceus models add known-net' });
    const progress: string[] = [];
    const model = await known.add('known-net', {}, ({ doneBytes, totalBytes }) => progress.push(`${doneBytes}/${totalBytes}`));
    const total = files['net.cfg'].length + weights.length;
    expect(progress.at(-1)).toBe(`${total}/${total}`);
    expect(model.manifest).toMatchObject({ id: 'known-net', title: 'A known net', licence: 'MIT', lineage: { origin: 'https://publisher.invalid/net.cfg' } });
    expect(readdirSync(join(paths.cache, 'downloads'))).toEqual([]);
    expect((await known.list()).map(({ id, status }) => `${id} ${status}`)).toEqual(['known-net added']);
  });

  test('a wrong sum is refused and nothing installed', async () => {
    const known = await withCatalog((name, sum) => (name === 'net.weights' ? '0'.repeat(64) : sum));
    await expect(known.add('known-net')).rejects.toMatchObject({ code: 'ERR_MODEL_CHECKSUM' });
    expect(existsSync(join(paths.models, 'known-net'))).toBe(false);
    expect(readdirSync(join(paths.cache, 'downloads/known-net'))).toEqual(['net.cfg']);
  });

  test('a second try goes on where the first was cut', async () => {
    const known = await withCatalog();
    const acknowledge = ({ doneBytes }: { doneBytes: number }): void => server.acknowledge(doneBytes - files['net.cfg'].length);
    server.faults.push({}, { cutAfter: 1000 }, { status: 503 });
    await expect(known.add('known-net', {}, acknowledge)).rejects.toMatchObject({ code: 'ERR_DOWNLOAD_FAILED' });
    await known.add('known-net');
    expect(server.requests.at(-1)).toBe('/known-net/net.weights bytes=1000-');
  });

  test('an address works, for a Darknet model of either file', async () => {
    const known = await withCatalog();
    const model = await known.add(`${server.url}/known-net/net.weights?download=1`, { id: 'by-url' });
    expect(model.manifest).toMatchObject({ id: 'by-url', lineage: { origin: `${server.url}/known-net/net.weights` } });
    await expect(known.add(`${server.url}/known-net/page.html`)).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  test('offline, the error says so', async () => {
    const known = await withCatalog();
    await server.close();
    await expect(known.add('known-net')).rejects.toMatchObject({ code: 'ERR_DOWNLOAD_OFFLINE' });
  });
});

test('a store that cannot be written to says which variable helps', async () => {
  const inTheWay = write('home', 'a file');
  const blocked = new ModelStore({ ...paths, models: join(inTheWay, 'models'), cache: join(inTheWay, 'cache') }, {});
  await expect(blocked.add(writePair('net'))).rejects.toMatchObject({ code: 'ERR_OUTPUT_WRITE', fix: expect.stringContaining('LYNCEUS_HOME') as string });
});

test.each<[string, NodeJS.ProcessEnv, string]>([
  ['LYNCEUS_HOME', { LYNCEUS_HOME: '/a', XDG_DATA_HOME: '/b' }, '/a/models'],
  ['XDG_DATA_HOME', { XDG_DATA_HOME: '/b' }, '/b/lynceus/models'],
])('%s says where the store is', (_, env, models) => {
  expect(storePaths(env).models).toBe(models);
});

