import { describe, expect, test } from 'vitest';
import { importTfjs } from '../../src/onnx/import/import-tfjs.js';
import { decodeModel, graphOf } from '../../src/onnx/model-proto.js';
import { TF_OPS } from '../../src/onnx/import/tfjs-ops.js';
import { goldenPicture, packageFile, packageShards, readGolden, type CenternetGolden, type Sample } from './goldens.js';
import { largestDifference, pseudoRandom, runModel, toPlanes, type Outputs } from './support.js';

describe('CenterNet equals what TensorFlow.js computes', () => {
  const golden = readGolden('centernet') as CenternetGolden;
  const json = packageFile('human/models/centernet.json').toString();
  const outputs = ['tower_0/detections', 'tower_0/wh', 'tower_0/keypoints'];
  const model = importTfjs(json, packageShards('human/models'), { outputs });

  test.each(Object.keys(golden.cases))('%s: rows and maps', async (name) => {
    const { rows, wh, keypoints } = golden.cases[name]!;
    const planes = Float32Array.from(toPlanes(await goldenPicture(name, 512), [0, 1, 2]));
    const found = await runModel(model.onnx, planes, [1, 3, 512, 512]);
    expect(found['detections']!.dims).toEqual([1, 100, 6]);
    const { px, score, map } = golden.tolerance;
    for (const [i, [x1, y1, x2, y2, confidence, classId]] of rows.entries()) {
      const row = found['detections']!.data.subarray(6 * i, 6 * i + 6);
      expect(largestAbsolute(row.subarray(0, 4), [x1!, y1!, x2!, y2!])).toBeLessThan(px);
      expect(Math.abs(row[4]! - confidence!)).toBeLessThan(score);
      expect(row[5]).toBe(classId);
    }
    expect(sampleDifference(found['wh']!.data, wh)).toBeLessThan(map);
    expect(sampleDifference(found['keypoints']!.data, keypoints)).toBeLessThan(map);
  });

  test('only what the wanted outputs need is written, and pictures are turned nowhere on the way', () => {
    const small = importTfjs(json, packageShards('human/models'), { outputs: ['tower_0/detections'] });
    const nodes = graphOf(decodeModel(small.onnx)).node!;
    const transposes = nodes.filter(({ opType }) => opType === 'Transpose');
    // The box sizes, 4 values a cell, are gathered by cell: the one place where pixels have to lie together.
    expect(transposes.length).toBeLessThanOrEqual(1);
    expect(small.onnx.length).toBeLessThan(9e6);
  });
});

function largestAbsolute(actual: ArrayLike<number>, expected: readonly number[]): number {
  return Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value)));
}

function sampleDifference(data: Float32Array, samples: readonly Sample[]): number {
  expect(samples.length).toBeGreaterThan(50);
  return Math.max(...samples.map(([index, value]) => Math.abs(data[index]! - value)));
}

interface TestNode {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: Record<string, unknown>;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const s = (text: string): unknown => ({ s: base64(text) });
const ints = (...values: number[]): unknown => ({ list: { i: values.map(String) } });
const WINDOW = { strides: ints(1, 2, 2, 1), dilations: ints(1, 1, 1, 1), padding: s('SAME'), data_format: s('NHWC') };

/** A graph-model of one 5x6 picture, named `x`, and of float32 or int32 constants. */
function graphModel(nodes: readonly TestNode[], constants: Readonly<Record<string, { shape: readonly number[]; values: readonly number[]; dtype?: 'int32' }>>): { json: string; shard: Uint8Array } {
  const entries = Object.entries(constants);
  const weights = entries.map(([name, { shape, dtype = 'float32' }]) => ({ name, shape, dtype }));
  const shard = new Uint8Array(Buffer.concat(entries.map(([, { values, dtype }]) => Buffer.from(dtype ? Int32Array.from(values).buffer : Float32Array.from(values).buffer))));
  const placeholder = { name: 'x', op: 'Placeholder', attr: { shape: { shape: { dim: [1, 5, 6, 3].map((size) => ({ size: String(size) })) } } } };
  const consts = entries.map(([name]) => ({ name, op: 'Const' }));
  return { json: JSON.stringify({ format: 'graph-model', modelTopology: { node: [...nodes, placeholder, ...consts] }, weightsManifest: [{ paths: ['w.bin'], weights }] }), shard };
}

async function run(nodes: readonly TestNode[], constants: Parameters<typeof graphModel>[1], picture: (pixel: number, channel: number) => number): Promise<Outputs[string]> {
  const { json, shard } = graphModel(nodes, constants);
  const { onnx } = importTfjs(json, () => shard, { outputs: ['out'] });
  const planes = Float32Array.from({ length: 90 }, (_, i) => picture(i % 30, Math.floor(i / 30)));
  return (await runModel(onnx, planes, [1, 3, 5, 6]))['out']!;
}

/** Value of a test picture: no two are equal. */
const pixelValue = (pixel: number, channel: number): number => pixel * 10 + channel - 100;

describe('operations, computed by hand', () => {
  test('SAME padding of an odd and an even side, stride 2: the odd pixel of padding is at the far side', async () => {
    const kernel = pseudoRandom(27, 5);
    const out = await run([{ name: 'out', op: 'Conv2D', input: ['x', 'w'], attr: WINDOW }], { w: { shape: [3, 3, 3, 1], values: Array.from(kernel) } }, pixelValue);
    // 5 rows need a padded row at either end, 6 columns one column at the far end only.
    const expected = Array.from({ length: 9 }, (_, i) => {
      const [top, left] = [2 * Math.floor(i / 3) - 1, 2 * (i % 3)];
      let sum = 0;
      for (let k = 0; k < 27; k++) {
        const [row, column, channel] = [top + Math.floor(k / 9), left + (Math.floor(k / 3) % 3), k % 3];
        if (row >= 0 && row < 5 && column >= 0 && column < 6) sum += kernel[k]! * pixelValue(row * 6 + column, channel);
      }
      return sum;
    });
    expect(out.dims).toEqual([1, 3, 3, 1]);
    expect(largestDifference(out.data, expected)).toBeLessThan(1e-5);
  });

  test('depthwise with a multiplier: channel c, multiple m comes out as channel c * M + m', async () => {
    const attr = { ...WINDOW, strides: ints(1, 1, 1, 1) };
    const out = await run([{ name: 'out', op: 'DepthwiseConv2dNative', input: ['x', 'w'], attr }], { w: { shape: [1, 1, 3, 2], values: [1, 2, 3, 4, 5, 6] } }, pixelValue);
    const expected = Array.from({ length: 180 }, (_, i) => pixelValue(Math.floor(i / 6), Math.floor((i % 6) / 2)) * ((i % 6) + 1));
    expect(Array.from(out.data)).toEqual(expected);
  });

  test.each<[string, number[], number[], (pixel: number, channel: number) => number]>([
    ['a scalar', [], [7], (pixel, channel) => pixelValue(pixel, channel) + 7],
    ['a value a channel', [3], [1, 2, 3], (pixel, channel) => pixelValue(pixel, channel) + channel + 1],
    ['a value a column and channel', [6, 3], Array.from({ length: 18 }, (_, i) => i), (pixel, channel) => pixelValue(pixel, channel) + (pixel % 6) * 3 + channel],
  ])('adding %s to a picture broadcasts as in NHWC', async (_, shape, values, expected) => {
    const out = await run([{ name: 'out', op: 'AddV2', input: ['x', 'c'] }], { c: { shape, values } }, pixelValue);
    expect(Array.from(out.data)).toEqual(Array.from({ length: 90 }, (_, i) => expected(Math.floor(i / 3), i % 3)));
  });

  test('a reshape sees the order of NHWC', async () => {
    const out = await run([{ name: 'out', op: 'Reshape', input: ['x', 'shape'] }], { shape: { shape: [2], values: [-1, 9], dtype: 'int32' } }, pixelValue);
    expect(out.dims).toEqual([10, 9]);
    expect(Array.from(out.data)).toEqual(Array.from({ length: 90 }, (_, i) => pixelValue(Math.floor(i / 3), i % 3)));
  });

  test('top k of a flattened picture gives indices of NHWC, with channel and pixel by floor division', async () => {
    const nodes: TestNode[] = [
      { name: 'flat', op: 'Reshape', input: ['x', 'shape'] },
      { name: 'top', op: 'TopKV2', input: ['flat', 'k'], attr: { sorted: { b: true } } },
      { name: 'channel', op: 'FloorMod', input: ['top:1', 'three'] },
      { name: 'pixel', op: 'FloorDiv', input: ['top:1', 'three'] },
      { name: 'floatChannel', op: 'Cast', input: ['channel'], attr: { DstT: { type: 'DT_FLOAT' } } },
      { name: 'floatPixel', op: 'Cast', input: ['pixel'], attr: { DstT: { type: 'DT_FLOAT' } } },
      { name: 'out', op: 'ConcatV2', input: ['top', 'floatPixel', 'floatChannel', 'axis'] },
    ];
    const int = (shape: number[], ...values: number[]): { shape: number[]; values: number[]; dtype: 'int32' } => ({ shape, values, dtype: 'int32' });
    const constants = { shape: int([2], 1, -1), k: int([], 2), three: int([], 3), axis: int([], -1) };
    const peaks = (pixel: number, channel: number): number => (pixel === 17 && channel === 1 ? 9 : pixel === 4 && channel === 2 ? 8 : 0);
    const out = await run(nodes, constants, peaks);
    expect(Array.from(out.data)).toEqual([9, 8, 17, 4, 1, 2]);
  });

  test('floor division of negative integers rounds down', async () => {
    const nodes: TestNode[] = [
      { name: 'flat', op: 'Reshape', input: ['x', 'shape'] },
      { name: 'top', op: 'TopKV2', input: ['flat', 'k'], attr: { sorted: { b: true } } },
      { name: 'moved', op: 'Sub', input: ['top:1', 'offset'] },
      { name: 'divided', op: 'FloorDiv', input: ['moved', 'two'] },
      { name: 'out', op: 'Cast', input: ['divided'], attr: { DstT: { type: 'DT_FLOAT' } } },
    ];
    const int = (shape: number[], ...values: number[]): { shape: number[]; values: number[]; dtype: 'int32' } => ({ shape, values, dtype: 'int32' });
    const out = await run(nodes, { shape: int([2], 1, -1), k: int([], 2), offset: int([], 7), two: int([], 2) }, (pixel, channel) => (pixel === 0 ? 3 - channel : 0));
    // Indices 0 and 1, minus 7: -7 and -6.
    expect(Array.from(out.data)).toEqual([-4, -3]);
  });

  test('strided slices with masks', async () => {
    const int = (...values: number[]): { shape: number[]; values: number[]; dtype: 'int32' } => ({ shape: [4], values, dtype: 'int32' });
    const attr = { begin_mask: { i: '1' }, end_mask: { i: '5' } };
    const out = await run([{ name: 'out', op: 'StridedSlice', input: ['x', 'begin', 'end', 'step'], attr }], { begin: int(9, 1, 0, -1), end: int(9, 3, 9, 3), step: int(1, 1, 2, 1) }, pixelValue);
    expect(out.dims).toEqual([1, 2, 3, 1]);
    expect(Array.from(out.data)).toEqual([6, 8, 10, 12, 14, 16].map((pixel) => pixelValue(pixel, 2)));
  });
});

describe('what cannot be imported is named', () => {
  const failing = (nodes: readonly TestNode[], constants = {}, shardOf = (bytes: Uint8Array): Uint8Array => bytes): (() => unknown) => {
    const { json, shard } = graphModel(nodes, constants);
    return () => importTfjs(json, () => shardOf(shard), { outputs: ['out'] });
  };
  const int = { shape: [], values: [1], dtype: 'int32' } as const;

  test.each<[string, () => unknown, string, RegExp]>([
    ['an unknown operation', failing([{ name: 'out', op: 'Erf', input: ['x'] }]), 'ERR_MODEL_UNSUPPORTED_OP', /Erf.*node out/],
    ['a known one in an unknown variant', failing([{ name: 'out', op: 'Mean', input: ['x', 'axis'] }], { axis: int }), 'ERR_MODEL_UNSUPPORTED_OP', /Mean over axes 1/],
    ['an unknown activation', failing([{ name: 'out', op: '_FusedConv2D', input: ['x', 'w', 'b'], attr: { ...WINDOW, fused_ops: { list: { s: [base64('BiasAdd'), base64('Selu')] } } } }], { w: { shape: [1, 1, 3, 1], values: [1, 2, 3] }, b: { shape: [1], values: [0] } }), 'ERR_MODEL_UNSUPPORTED_OP', /BiasAdd, Selu/],
    ['a missing node', failing([{ name: 'out', op: 'Relu', input: ['gone'] }]), 'ERR_MODEL_IMPORT', /no node gone/],
    ['a loop', failing([{ name: 'out', op: 'Add', input: ['x', 'b'] }, { name: 'b', op: 'Relu', input: ['out'] }]), 'ERR_MODEL_IMPORT', /loop/],
    ['a shard that is cut off', failing([{ name: 'out', op: 'Add', input: ['x', 'c'] }], { c: { shape: [3], values: [1, 2, 3] } }, (bytes) => bytes.subarray(0, 8)), 'ERR_MODEL_IMPORT', /ends at byte 12/],
    ['a shard that is too long', failing([{ name: 'out', op: 'Add', input: ['x', 'c'] }], { c: { shape: [], values: [1] } }, (bytes) => new Uint8Array([...bytes, 0])), 'ERR_MODEL_IMPORT', /describes 4 bytes.*hold 5/],
    ['no JSON', () => importTfjs('<html>', () => new Uint8Array(), { outputs: [] }), 'ERR_MODEL_IMPORT', /not JSON/],
    ['a layers-model', () => importTfjs('{"format":"layers-model","modelTopology":{}}', () => new Uint8Array(), { outputs: [] }), 'ERR_MODEL_IMPORT', /found layers-model/],
  ])('%s', (_, importing, code, message) => {
    expect(importing).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as Error);
  });

  test('the table holds every operation of CenterNet', () => {
    const { modelTopology } = JSON.parse(packageFile('human/models/centernet.json').toString()) as { modelTopology: { node: { op: string }[] } };
    const ops = new Set(modelTopology.node.map(({ op }) => op));
    expect(ops.size).toBe(26);
    expect([...ops].filter((op) => !(op in TF_OPS) && op !== 'Const' && op !== 'Placeholder')).toEqual([]);
  });
});
