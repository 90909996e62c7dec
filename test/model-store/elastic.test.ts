import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { ModelManifest } from '../../src/core/manifest.js';
import { ElasticSlicer } from '../../src/model-store/elastic-slicer.js';
import { splitRatio } from '../../src/model-store/elastic.js';
import { ModelStore } from '../../src/model-store/store.js';
import { storePaths } from '../../src/model-store/store-paths.js';
import { graphCost } from '../../src/onnx/graph-cost.js';
import { decodeModel, DATA_TYPES, dimsOf, encodeModel, floatData, graphOf, makeNode, makeTensor } from '../../src/onnx/model-proto.js';
import { rejectionOf } from '../fixtures/failure.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { elasticFile, elasticManifest, elasticNetwork, maskedNetwork, type ElasticParts } from '../onnx/elastic/elastic-network.js';
import { largestDifference, runModel } from '../onnx/support.js';

const root = tempFolder();
const parts = elasticNetwork();
let homes = 0;

/** Another package than the project's own: with this model alone. */
function home(): { readonly store: ModelStore; readonly folder: string } {
  const folder = join(root, String((homes += 1)));
  mkdirSync(join(folder, 'package'), { recursive: true });
  writeFileSync(join(folder, 'package', 'catalog.json'), readFileSync(join(storePaths({}).shipped, 'catalog.json')));
  return { store: new ModelStore({ ...storePaths({ LYNCEUS_HOME: folder }), shipped: join(folder, 'package') }, {}), folder };
}

function writeElastic(folder: string, { base }: Pick<ElasticParts, 'base'> = parts, manifest: ModelManifest = elasticManifest(parts), file = elasticFile(parts)): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'model.onnx'), base);
  writeFileSync(join(folder, 'elastic.safetensors'), file);
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  return folder;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function added(): Promise<{ readonly store: ModelStore; readonly folder: string }> {
  const place = home();
  await place.store.add(writeElastic(join(place.folder, 'source')));
  return place;
}

const GREY = new Uint8Array(3 * 64 * 64).fill(90);
const find = async (preparedPath: string): Promise<Float32Array> => (await runModel(readFileSync(preparedPath), GREY, [1, 3, 64, 64]))['head8']!.data;

test.each([
  ['street@50', { model: 'street', ratio: '50' }],
  ['street', undefined],
  ['@50', undefined],
  ['./models/street@half', { model: './models/street', ratio: 'half' }],
  ['./my@home/street', undefined],
])('%s', (text, expected) => expect(splitRatio(text)).toEqual(expected));

describe('an elastic model', () => {
  test('is installed with its masks, listed with its ratios, and dense where none is asked for', async () => {
    const { store } = await added();
    const [listed] = (await store.list()).filter(({ id }) => id === 'elastic');
    expect(listed?.ratios?.map(({ name }) => name)).toEqual(['100', '75', '50', '25']);
    const { preparedPath, elasticPath, manifest } = await store.resolve('elastic');
    expect(manifest.elastic).toBeDefined();
    expect(readFileSync(elasticPath!).equals(elasticFile(parts))).toBe(true);
    expect(largestDifference(await find(preparedPath), (await runModel(parts.base, new Float32Array(3 * 64 * 64).fill(90 / 255), [1, 3, 64, 64]))['head8']!.data)).toBeLessThan(1e-4);
  });

  test.each(parts.ratios.slice(1))('at ratio $name is a model of its own, that costs what is said', async ({ name, macs }) => {
    const { store } = await added();
    const model = await store.resolve(`elastic@${name}`);
    expect(model.manifest).toMatchObject({ id: `elastic@${name}`, sha256: sha256(readFileSync(model.modelPath)), lineage: { parent: 'elastic', operations: [{ kind: 'elastic-ratio', ratio: name, macs }] } });
    expect(model.manifest.elastic).toBeUndefined();
    expect(graphCost(graphOf(decodeModel(readFileSync(model.preparedPath)))).macs).toBe(macs);
    const masked = await runModel(maskedNetwork(parts, name), new Float32Array(3 * 64 * 64).fill(90 / 255), [1, 3, 64, 64]);
    expect(largestDifference(await find(model.preparedPath), masked['head8']!.data)).toBeLessThan(1e-4);
    expect(await store.resolve(`elastic@${name}`)).toEqual(model);
  });

  test('all ratios are kept beside each other, and the dense one is the network itself', async () => {
    const { store } = await added();
    const models = await Promise.all(['elastic', 'elastic@100', 'elastic@50', 'elastic@25'].map((id) => store.resolve(id)));
    expect(models.every(({ preparedPath }) => existsSync(preparedPath))).toBe(true);
    expect(new Set(models.map(({ preparedPath }) => preparedPath)).size).toBe(3);
    expect(models[1]).toMatchObject({ preparedPath: models[0]!.preparedPath, manifest: { id: 'elastic@100' } });
    expect(models[1]!.manifest.elastic).toBeUndefined();
  });

  test('is used by the path of its folder, too', async () => {
    const { store, folder } = home();
    const source = writeElastic(join(folder, 'at@home'));
    expect((await store.resolve(source)).manifest.id).toBe('elastic');
    expect((await store.resolve(`${source}@25`)).manifest.id).toBe('elastic@25');
  });

  test('can have its weights in half precision: they are widened once', async () => {
    const { store, folder } = home();
    const half = halfWeights(parts.base);
    await store.add(writeElastic(folder + '-half', { base: half }, { ...elasticManifest(parts), sha256: sha256(half) }));
    const { modelPath } = await store.resolve('elastic');
    expect(graphOf(decodeModel(readFileSync(modelPath))).node!.some(({ opType }) => opType === 'Cast')).toBe(false);
    const masked = await runModel(maskedNetwork({ ...parts, base: readFileSync(modelPath) }, '50'), new Float32Array(3 * 64 * 64).fill(90 / 255), [1, 3, 64, 64]);
    expect(largestDifference(await find((await store.resolve('elastic@50')).preparedPath), masked['head8']!.data)).toBeLessThan(1e-4);
  });

  test('what is made of it has one width: that of the network it is made of', async () => {
    const { store } = await added();
    const dense = await store.resolve('elastic');
    const half = await store.resolve('elastic@50');
    const make = (id: string, parent: typeof dense) => store.derive(parent.manifest, { id, title: id, onnx: readFileSync(parent.modelPath), operation: { kind: 'quantize' } });
    const made = [await make('elastic-int8', dense), await make('elastic-50-int8', half)];
    expect(made.map(({ manifest, elasticPath }) => [manifest.elastic, elasticPath, manifest.lineage.parent])).toEqual([
      [undefined, undefined, 'elastic'],
      [undefined, undefined, 'elastic@50'],
    ]);
    expect((await rejectionOf(store.resolve('elastic-int8@50'))).code).toBe('ERR_MODEL_NOT_FOUND');
  });

  test('has a tap at each width, which knows its channels', async () => {
    const { store } = await added();
    const taps = await Promise.all(['elastic', 'elastic@25'].map(async (id) => (await store.resolveTapped(id)).tap));
    expect(taps.map(({ stride }) => stride)).toEqual([taps[0]!.stride, taps[0]!.stride]);
    expect(taps[1]!.channels).toBeLessThan(taps[0]!.channels);
  });
});

/** Convolution weights behind a Cast, as they are shipped. */
function halfWeights(base: Uint8Array): Uint8Array {
  const model = decodeModel(base);
  const graph = graphOf(model);
  const isWeight = (name: string): boolean => graph.node!.some(({ opType, input }) => opType === 'Conv' && input![1] === name);
  for (const tensor of graph.initializer!.filter(({ name }) => isWeight(name!))) {
    const bits = Uint16Array.from(floatData(tensor), halfBits);
    graph.initializer![graph.initializer!.indexOf(tensor)] = makeTensor(`${tensor.name!}_half`, 'float16', dimsOf(tensor), bits);
    graph.node!.unshift(makeNode('Cast', `widen_${tensor.name!}`, [`${tensor.name!}_half`], [tensor.name!], { to: { i: DATA_TYPES.float32 } }));
  }
  return encodeModel(model);
}

/** Truncated, of values whose exponents half precision has; smaller ones become 0. */
function halfBits(value: number): number {
  const [bits] = new Uint32Array(Float32Array.of(value).buffer);
  const exponent = ((bits! >>> 23) & 0xff) - 127 + 15;
  return ((bits! >>> 16) & 0x8000) | (exponent <= 0 ? 0 : (exponent << 10) | ((bits! >>> 13) & 0x3ff));
}

describe('is refused', () => {
  test('a ratio that there is not, with those that there are', async () => {
    const { store } = await added();
    expect(await rejectionOf(store.resolve('elastic@60'))).toMatchObject({ code: 'ERR_MODEL_NOT_FOUND', message: expect.stringContaining('60') as string, fix: 'Ratios of the model: 100, 75, 50, 25.' });
  });

  test('a ratio of a model that has none', async () => {
    const { store } = await added();
    await store.derive((await store.resolve('elastic')).manifest, { id: 'plain', title: 'x', onnx: parts.base, operation: { kind: 'x' } });
    expect(await rejectionOf(store.resolve('plain@50'))).toMatchObject({ code: 'ERR_MODEL_NOT_FOUND', message: 'plain has no ratio 50: it is not elastic' });
  });

  test('a damaged file of masks, before anything runs', async () => {
    const { store } = await added();
    const { elasticPath } = await store.resolve('elastic');
    writeFileSync(elasticPath!, elasticFile(parts).subarray(0, 500));
    expect((await rejectionOf(store.resolve('elastic'))).code).toBe('ERR_MODEL_CHECKSUM');
    const [listed] = (await store.list()).filter(({ id }) => id === 'elastic');
    expect(listed).toMatchObject({ status: 'broken', problem: expect.stringContaining('cut off') as string });
  });

  test('to install masks of another network', async () => {
    const { store, folder } = home();
    const other = elasticNetwork({ seed: 9 });
    const manifest = { ...elasticManifest(parts), sha256: sha256(other.base) };
    expect((await rejectionOf(store.add(writeElastic(join(folder, 'source'), other, manifest)))).code).toBe('ERR_MODEL_ELASTIC');
    expect((await store.list()).some(({ id }) => id === 'elastic')).toBe(false);
  });
});

describe('a slicer', () => {
  const slicers: ElasticSlicer[] = [];
  afterAll(() => Promise.all(slicers.map((slicer) => slicer.close())));

  test('gives prepared networks in shared memory, the same that the store makes, at other sizes, too', async () => {
    const { store } = await added();
    const slicer = await ElasticSlicer.start(await store.resolve('elastic'));
    slicers.push(slicer);
    expect(slicer.ratios).toEqual(parts.ratios);
    const { modelBytes } = await slicer.slice('50', { width: 64, height: 64 });
    expect(modelBytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(Buffer.from(modelBytes).equals(readFileSync((await store.resolve('elastic@50')).preparedPath))).toBe(true);
    const wide = await slicer.slice('25', { width: 96, height: 64 });
    expect((await runModel(new Uint8Array(wide.modelBytes), new Uint8Array(3 * 64 * 96), [1, 3, 64, 96]))['head16']!.dims).toEqual([1, 14, 4, 6]);
    expect(await rejectionOf(slicer.slice('60', { width: 64, height: 64 }))).toMatchObject({ code: 'ERR_MODEL_NOT_FOUND', fix: 'Ratios of the model: 100, 75, 50, 25.' });
  });
});

describe('the street detector that comes with the package', () => {
  const shipped = new ModelStore(storePaths({ LYNCEUS_HOME: join(root, 'shipped') }), {});

  test('is cut to each of its widths, each smaller than the one before', async () => {
    const sizes = await Promise.all(['street', 'street@75', 'street@50', 'street@25'].map(async (id) => (await shipped.resolve(id)).modelPath));
    const bytes = sizes.map((path) => readFileSync(path).length);
    expect(bytes).toEqual(bytes.toSorted((a, b) => b - a));
    expect(new Set(bytes).size).toBe(4);
  }, 60_000);

  test('has masks that add a twentieth at most to what is stored', () => {
    const folder = join(storePaths({}).shipped, 'street');
    const [network, masks] = ['model.onnx', 'elastic.safetensors'].map((file) => readFileSync(join(folder, file)).length);
    expect(masks! / network!).toBeLessThanOrEqual(0.05);
  });
});
