import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import type { AppError } from '../../../src/core/errors.js';
import { OfflineSession, type AnyTensor } from '../../../src/inference/offline-session.js';
import { ModelStore } from '../../../src/model-store/store.js';
import { storePaths } from '../../../src/model-store/store-paths.js';
import { GraphBuilder } from '../../../src/onnx/graph-builder.js';
import { decodeModel, encodeModel, graphOf, makeValueInfo } from '../../../src/onnx/model-proto.js';
import { prepareInput } from '../../../src/onnx/prepare/prepare-input.js';
import { insertShallowTap } from '../../../src/onnx/tap/insert-shallow-tap.js';
import { tempFolder } from '../../fixtures/temp-folder.js';
import { SHIPPED_MODELS } from '../installed.js';
import { pseudoRandom, SHARED, WITHOUT_SHARED } from '../support.js';
import { detector, VARIANTS } from '../../model-store/export-variants.js';

const FLOAT = 1;

/** A network under construction, of a picture of bytes. */
class Network {
  readonly graph = new GraphBuilder('network');
  readonly picture: string;
  readonly #size: number;

  constructor(size = 64) {
    this.#size = size;
    const frame = this.graph.input('frame', 'uint8', [1, 3, size, size]);
    this.picture = this.graph.node('Mul', [this.graph.node('Cast', [frame], { to: { i: FLOAT } }), this.graph.scalar(1 / 255)]);
  }

  conv(from: string, [inputs, outputs]: readonly [number, number], stride = 1): string {
    const weights = this.graph.floats(`w${this.graph.nextId()}`, [outputs, inputs, 3, 3], pseudoRandom(outputs * inputs * 9, outputs + inputs).map((value) => (value - 0.5) / Math.sqrt(inputs)));
    return this.graph.node('Conv', [from, weights], { pads: { ints: [1, 1, 1, 1] }, strides: { ints: [stride, stride] } });
  }

  /** With all means of `tensors` as its output, so that everything is needed. */
  build(...tensors: readonly string[]): Uint8Array {
    const means = tensors.map((tensor) => this.graph.node('ReduceMean', [tensor], { axes: { ints: [1, 2, 3] }, keepdims: { i: 0 } }));
    this.graph.output(this.graph.node('Concat', means.map((mean) => this.graph.node('Reshape', [mean, this.graph.ints([1])])), { axis: { i: 0 } }), 'float32', [tensors.length], 'means');
    return this.graph.build();
  }

  get size(): number {
    return this.#size;
  }
}

/** The stride-4 part that all cases begin with. */
function stem(network: Network, channels = 16): string {
  return network.conv(network.conv(network.picture, [3, 8], 2), [8, channels], 2);
}

/** Name of the tensor that the tap shows. */
function tapped(model: Uint8Array, stride?: number): string {
  const { model: changed, tap } = insertShallowTap(model, stride === undefined ? {} : { stride });
  return graphOf(decodeModel(changed)).node!.find(({ output }) => output![0] === tap.output)!.input![0]!;
}

describe('which features are shown', () => {
  const cases: readonly [string, (network: Network) => { readonly wanted: string; readonly ends: readonly string[] }][] = [
    ['a sum of residuals, not the wide layers inside', (n) => {
      const narrow = stem(n);
      const sum = n.graph.node('Add', [narrow, n.conv(n.conv(narrow, [16, 64]), [64, 16])]);
      return { wanted: sum, ends: [n.conv(n.conv(sum, [16, 64]), [64, 24], 2)] };
    }],
    ['after the activation', (n) => {
      const raw = stem(n);
      const active = n.graph.node('Mul', [raw, n.graph.node('Sigmoid', [raw])]);
      return { wanted: active, ends: [n.conv(active, [16, 32], 2)] };
    }],
    ['not what was coarser before', (n) => {
      const fine = stem(n);
      const coarse = n.conv(fine, [16, 32], 2);
      const scaled = n.graph.node('Resize', [n.conv(coarse, [32, 8]), '', n.graph.floats('scales', [4], Float32Array.of(1, 1, 2, 2))], { mode: { s: 'nearest' } });
      return { wanted: fine, ends: [n.conv(scaled, [8, 8]), coarse] };
    }],
    ['not those of a side branch', (n) => {
      const fine = stem(n);
      const side = n.conv(n.conv(fine, [16, 8]), [8, 8]);
      const coarse = n.conv(fine, [16, 32], 2);
      const up = n.graph.node('Resize', [coarse, '', n.graph.floats('scales', [4], Float32Array.of(1, 1, 2, 2))], { mode: { s: 'nearest' } });
      return { wanted: fine, ends: [n.conv(n.graph.node('Concat', [side, up], { axis: { i: 1 } }), [40, 8], 2)] };
    }],
    ['with the gate of squeeze and excitation, whose numbers have no place', (n) => {
      const raw = stem(n);
      const squeezed = n.graph.node('GlobalAveragePool', [raw]);
      const excited = n.graph.node('Mul', [raw, n.graph.node('HardSigmoid', [n.conv(squeezed, [16, 16])])]);
      return { wanted: excited, ends: [n.conv(excited, [16, 32], 2)] };
    }],
    ['not a mask of one channel', (n) => {
      const raw = stem(n);
      const masked = n.graph.node('Mul', [raw, n.graph.node('Sigmoid', [n.conv(raw, [16, 1])])]);
      return { wanted: masked, ends: [n.conv(masked, [16, 32], 2)] };
    }],
    ['what there is, where it has few channels', (n) => {
      const few = n.graph.node('Relu', [stem(n, 4)]);
      return { wanted: few, ends: [n.conv(few, [4, 32], 2)] };
    }],
    ['the nearest stride: 2 rather than 8', (n) => {
      const half = n.conv(n.picture, [3, 12], 2);
      const eighth = n.graph.node('MaxPool', [half], { kernel_shape: { ints: [4, 4] }, strides: { ints: [4, 4] } });
      return { wanted: half, ends: [n.conv(eighth, [12, 16])] };
    }],
    ['8 where there is nothing finer', (n) => {
      const eighth = n.conv(n.graph.node('MaxPool', [n.picture], { kernel_shape: { ints: [8, 8] }, strides: { ints: [8, 8] } }), [3, 16]);
      return { wanted: eighth, ends: [n.conv(eighth, [16, 16], 2)] };
    }],
  ];

  it.each(cases)('%s', async (_, make) => {
    const network = new Network();
    const { wanted, ends } = make(network);
    const model = network.build(...ends);
    expect(tapped(model)).toBe(wanted);
    await expectUnchanged(model, network.size);
  });

  it('of another stride, where that is asked for', () => {
    const network = new Network();
    const fine = stem(network);
    const coarse = network.conv(fine, [16, 16], 2);
    expect(tapped(network.build(coarse), 8)).toBe(coarse);
    expect(tapped(network.build(coarse), 2)).not.toBe(coarse);
  });

  it('cells are counted where the stride does not divide the picture', () => {
    const network = new Network(50);
    const model = network.build(network.conv(stem(network), [16, 32], 2));
    expect(insertShallowTap(model).tap).toEqual({ output: 'guard_tap', stride: 4, channels: 16, width: 13, height: 13 });
  });

  it('floats between bytes exist on paper only: the bytes are shown as numbers, and the network still computes in bytes', async () => {
    const network = new Network();
    const { graph } = network;
    const scale = graph.scalar(1 / 32);
    const fine = graph.node('Relu', [stem(network)]);
    const bytes = graph.node('QuantizeLinear', [fine, scale]);
    const model = network.build(network.conv(graph.node('DequantizeLinear', [bytes, scale]), [16, 32], 2));
    expect(tapped(model)).toBe(bytes);
    const steps = (await expectUnchanged(model, network.size)).map((value) => value * 32);
    expect(steps.every((value) => Number.isInteger(value))).toBe(true);
    expect(steps.some((value) => value > 0)).toBe(true);
  });

  it('a name that is taken is left to its owner', () => {
    const network = new Network();
    const fine = stem(network);
    network.graph.output(fine, 'float32', [1, 16, 16, 16], 'guard_tap');
    const coarse = network.conv('guard_tap', [16, 32], 2);
    const { tap, model } = insertShallowTap(network.build(coarse));
    expect(tap.output).toBe('guard_tap_1');
    expect(graphOf(decodeModel(model)).output!.map(({ name }) => name)).toEqual(['guard_tap', 'means', 'guard_tap_1']);
  });
});

describe('what has no fine features is refused by name', () => {
  function failure(model: Uint8Array): AppError {
    try {
      insertShallowTap(model, { modelId: 'my-net' });
    } catch (error) {
      return error as AppError;
    }
    throw new Error('a tap was inserted');
  }

  it.each<[string, () => Uint8Array]>([
    ['everything is coarse', () => {
      const network = new Network();
      return network.build(network.conv(network.graph.node('MaxPool', [network.picture], { kernel_shape: { ints: [16, 16] }, strides: { ints: [16, 16] } }), [3, 16]));
    }],
    ['pixels are no features', () => {
      const network = new Network();
      return network.build(network.graph.node('MaxPool', [network.picture], { kernel_shape: { ints: [4, 4] }, strides: { ints: [4, 4] } }));
    }],
    ['the size of the picture is open', () => {
      const network = new Network();
      const model = decodeModel(network.build(network.conv(stem(network), [16, 32], 2)));
      model.graph!.input = [makeValueInfo('frame', 'uint8', [1, 3, 'height', 'width'])];
      return encodeModel(model);
    }],
  ])('%s', (_, make) => {
    expect(failure(make())).toMatchObject({ code: 'ERR_GUARD_TAP_MISSING', message: expect.stringContaining('my-net') as string, fix: expect.stringContaining('guard.patch') as string });
  });

  it('no model at all', () => {
    expect(() => insertShallowTap(new Uint8Array(20))).toThrow(expect.objectContaining({ code: 'ERR_MODEL_CORRUPT' }));
  });
});

/** Runs a model with and without its tap: what it gave before, it gives bit for bit. @returns the features that it shows */
async function expectUnchanged(model: Uint8Array, width: number, height = width): Promise<Float32Array> {
  const { model: changed, tap } = insertShallowTap(model);
  const frame = { type: 'uint8', dims: [1, 3, height, width], data: Uint8Array.from(pseudoRandom(3 * width * height, 7).map((value) => value * 256)) };
  const before = await run(model, frame);
  const { [tap.output]: shown, ...after } = await run(changed, frame);
  expect(Object.keys(after)).toEqual(Object.keys(before));
  for (const [name, { dims, type, data }] of Object.entries(before)) {
    expect(after[name]).toMatchObject({ dims, type });
    expect(Buffer.compare(bytesOf(after[name]!), bytesOf({ dims, type, data })), name).toBe(0);
  }
  expect(shown).toMatchObject({ type: 'float32', dims: [1, tap.channels, tap.height, tap.width] });
  const features = shown!.data as Float32Array;
  expect(features.every(Number.isFinite)).toBe(true);
  expect(new Set(features).size).toBeGreaterThan(10);
  return features;
}

async function run(model: Uint8Array, frame: AnyTensor): Promise<Readonly<Record<string, AnyTensor>>> {
  const session = await OfflineSession.create(model);
  try {
    return await session.run({ frame });
  } finally {
    await session.release();
  }
}

function bytesOf({ data }: AnyTensor): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

describe('all heads give what they gave', () => {
  const shape = { width: 96, height: 64, strides: [8, 16, 32], classes: 3, seed: 3 };

  test.each(VARIANTS.map((variant) => [variant.name, variant] as const))('%s', async (_, { outputs }) => {
    const made = detector(shape);
    outputs(made);
    const { width, height } = shape;
    const input = { name: 'images', layout: 'nchw', dtype: 'float32', width, height, color: 'rgb', scale: 1 / 255, mean: [0, 0, 0], fit: 'stretch', padValue: 0 } as const;
    await expectUnchanged(prepareInput(made.graph.build(), input), width, height);
  });
});

describe('published models', () => {
  const home = tempFolder();
  const store = new ModelStore(storePaths({ LYNCEUS_HOME: home }), {});
  const shared = (path: string): string => `${SHARED}models/${path}`;

  test.for<[string, string, { readonly stride: number; readonly channels: number; readonly width: number; readonly height: number }]>([
    [SHIPPED_MODELS[0], 'rows', { stride: 4, channels: 24, width: 128, height: 128 }],
    [SHIPPED_MODELS[1], 'tiny-yolov2', { stride: 4, channels: 32, width: 104, height: 104 }],
    [shared('yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.cfg'), 'darknet', { stride: 4, channels: 16, width: 80, height: 80 }],
    [shared('yolo-fastest-1.1/yolo-fastest-1.1.cfg'), 'darknet', { stride: 4, channels: 8, width: 80, height: 80 }],
    [shared('yolox-nano/yolox_nano.onnx'), 'yolox', { stride: 4, channels: 16, width: 104, height: 104 }],
  ])('%s', async ([model, kind, expected], { skip }) => {
    skip(model.startsWith('/') && !existsSync(model), WITHOUT_SHARED);
    const { manifest, preparedPath } = await store.resolve(model);
    const prepared = new Uint8Array(readFileSync(preparedPath));
    expect(manifest.head.kind).toBe(kind);
    expect(insertShallowTap(prepared).tap).toEqual({ output: 'guard_tap', ...expected });
    await expectUnchanged(prepared, manifest.input.width, manifest.input.height);
  });
});
