import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/onnx/graph-builder.js';
import { GraphEditor } from '../../../src/onnx/graph-editor.js';
import { graphCost } from '../../../src/onnx/graph-cost.js';
import { decodeModel, dimsOf, encodeModel, graphOf } from '../../../src/onnx/model-proto.js';
import { channelGraph, type ChannelGraph } from '../../../src/onnx/prune/channel-graph.js';
import { keepAlong, removeChannels } from '../../../src/onnx/prune/remove-channels.js';
import { replaceFloats } from '../../../src/onnx/prune/replace-floats.js';
import { largestDifference, pseudoRandom, runModel } from '../support.js';

/** Writes networks of blocks as detectors have them. */
class NetworkWriter {
  readonly builder = new GraphBuilder('generated');
  #seed = 1;

  random(count: number): Float32Array {
    this.#seed += 1;
    return pseudoRandom(count, this.#seed * 7919).map((value) => value - 0.5);
  }

  conv(input: string, channels: number, filters: number, { kernel = 1, stride = 1, group = 1, bias = true } = {}): string {
    const id = this.builder.nextId();
    const weights = this.builder.floats(`w${id}`, [filters, channels / group, kernel, kernel], this.random((filters * channels * kernel * kernel) / group));
    const inputs = bias ? [input, weights, this.builder.floats(`b${id}`, [filters], this.random(filters))] : [input, weights];
    const pad = Math.floor(kernel / 2);
    return this.builder.node('Conv', inputs, { kernel_shape: { ints: [kernel, kernel] }, strides: { ints: [stride, stride] }, pads: { ints: [pad, pad, pad, pad] }, group: { i: group } });
  }

  norm(input: string, channels: number): string {
    const id = this.builder.nextId();
    const values = ['scale', 'offset', 'mean'].map((name) => this.builder.floats(`${name}${id}`, [channels], this.random(channels)));
    const variance = this.builder.floats(`variance${id}`, [channels], this.random(channels).map((value) => value + 1));
    return this.builder.node('BatchNormalization', [input, ...values, variance]);
  }

  perChannel(op: string, input: string, channels: number): string {
    return this.builder.node(op, [input, this.builder.floats(`c${this.builder.nextId()}`, [1, channels, 1, 1], this.random(channels))]);
  }
}

/** A block reads a tensor of some channels and gives another one. */
type Block = (net: NetworkWriter, input: string, channels: number, width: number) => readonly [output: string, channels: number];

const silu = (net: NetworkWriter, x: string): string => net.builder.node('Mul', [x, net.builder.node('Sigmoid', [x])]);

const BLOCKS: Readonly<Record<string, Block>> = {
  plain: (net, x, channels, width) => [net.builder.node('Relu', [net.conv(x, channels, width, { kernel: 3 })]), width],
  strided: (net, x, channels, width) => [net.builder.node('LeakyRelu', [net.conv(x, channels, width, { kernel: 3, stride: 2 })], { alpha: { f: 0.1 } }), width],
  normalised: (net, x, channels, width) => [silu(net, net.norm(net.conv(x, channels, width, { bias: false }), width)), width],
  inverted: (net, x, channels, width) => {
    const wide = net.builder.node('HardSwish', [net.conv(x, channels, width * 2)]);
    const spread = net.builder.node('Relu', [net.conv(wide, width * 2, width * 2, { kernel: 3, group: width * 2 })]);
    return [net.builder.node('Add', [net.conv(spread, width * 2, channels), x]), channels];
  },
  squeezed: (net, x, channels, width) => {
    const wide = net.conv(x, channels, width);
    const pooled = net.builder.node('GlobalAveragePool', [wide]);
    const gate = net.builder.node('Sigmoid', [net.conv(net.builder.node('Relu', [net.conv(pooled, width, 2)]), 2, width)]);
    return [net.builder.node('Mul', [wide, gate]), width];
  },
  // Two branches, side by side.
  stacked: (net, x, channels, width) => [net.builder.node('Concat', [silu(net, net.conv(x, channels, width)), net.builder.node('MaxPool', [x], { kernel_shape: { ints: [3, 3] }, pads: { ints: [1, 1, 1, 1] } })], { axis: { i: 1 } }), width + channels],
  // As in C2f: one convolution, whose halves go separate ways.
  halved: (net, x, channels, width) => {
    const [first, second] = net.builder.nodes('Split', [net.conv(x, channels, width * 2), net.builder.ints([width + 1, width - 1])], 2, { axis: { i: 1 } });
    return [net.builder.node('Concat', [first!, second!, net.conv(second!, width - 1, width, { kernel: 3 })], { axis: { i: 1 } }), width * 3];
  },
  sliced: (net, x, channels, width) => {
    const wide = net.conv(x, channels, width + 3);
    return [net.builder.node('Slice', [wide, net.builder.ints([1]), net.builder.ints([width + 1]), net.builder.ints([1])]), width];
  },
  scaled: (net, x, channels, width) => [net.perChannel('PRelu', net.perChannel('Mul', net.conv(x, channels, width), width), width), width],
  resized: (net, x, channels, width) => [net.builder.node('Resize', [net.conv(x, channels, width), '', net.builder.floats('twice', [4], Float32Array.of(1, 1, 2, 2))], { mode: { s: 'nearest' } }), width],
  grouped: (net, x, channels, width) => [net.conv(net.conv(x, channels, 2 * width), 2 * width, 2 * width, { group: 2, kernel: 3 }), 2 * width],
  turned: (net, x, channels, width) => {
    const wide = net.conv(x, channels, width);
    const turned = net.builder.node('Transpose', [wide], { perm: { ints: [0, 1, 3, 2] } });
    return [net.builder.node('Transpose', [turned], { perm: { ints: [0, 1, 3, 2] } }), width];
  },
};

interface Recipe {
  readonly blocks: readonly { readonly kind: string; readonly width: number }[];
  readonly sizePx: number;
}

const SIZE_OF_INPUT = 3;

function build({ blocks, sizePx }: Recipe): Uint8Array {
  const net = new NetworkWriter();
  let tensor = net.builder.input('x', 'float32', [1, SIZE_OF_INPUT, sizePx, sizePx]);
  let channels = SIZE_OF_INPUT;
  for (const { kind, width } of blocks) [tensor, channels] = BLOCKS[kind]!(net, tensor, channels, width);
  net.builder.output(net.conv(tensor, channels, 5), 'float32', ['n', 5, 'h', 'w'], 'y');
  return net.builder.build();
}

/** The model with everything that computes or offsets some channels set to zero: those channels are zero then wherever they pass. */
function withZeros(onnx: Uint8Array, channels: ChannelGraph, groups: ReadonlySet<number>): Uint8Array {
  const model = decodeModel(onnx);
  const editor = new GraphEditor(model);
  for (const node of editor.nodes) {
    if (!['Conv', 'BatchNormalization'].includes(node.opType!)) continue;
    const zeroed = channels.groupsOf(node.output![0]!)!.flatMap((group, channel) => (groups.has(group) ? [channel] : []));
    // Weights and bias of a convolution, scale and offset of a normalisation.
    for (const index of [1, 2]) {
      if (!node.input![index]) continue;
      const { dims, data } = editor.floats(node, index);
      const perChannel = data.length / dims[0]!;
      for (const channel of zeroed) data.fill(0, channel * perChannel, (channel + 1) * perChannel);
      replaceFloats(editor, node, index, dims, data);
    }
  }
  return encodeModel(model);
}

/** Some of the groups, but never all channels of a tensor. */
function choose(channels: ChannelGraph, share: number, seed: number): Set<number> {
  const random = pseudoRandom(channels.groups.length + 1, seed + 1);
  const tensors = channels.tensors.map((tensor) => channels.groupsOf(tensor)!);
  const chosen = new Set<number>();
  for (const group of channels.groups.keys()) {
    const all = new Set([...chosen, group]);
    if (random[group]! < share && tensors.every((groups) => groups.some((other) => !all.has(other)))) chosen.add(group);
  }
  return chosen;
}

const recipes = fc.record({
  blocks: fc.array(fc.record({ kind: fc.constantFrom(...Object.keys(BLOCKS)), width: fc.integer({ min: 2, max: 6 }) }), { minLength: 1, maxLength: 5 }),
  sizePx: fc.integer({ min: 6, max: 11 }),
});

async function isExact(recipe: Recipe, share: number, seed: number): Promise<number> {
  const onnx = build(recipe);
  const channels = channelGraph(decodeModel(onnx));
  const groups = choose(channels, share, seed);
  const picture = pseudoRandom(SIZE_OF_INPUT * recipe.sizePx ** 2, seed + 5);
  const dims = [1, SIZE_OF_INPUT, recipe.sizePx, recipe.sizePx];
  const zeroed = await runModel(withZeros(onnx, channels, groups), picture, dims);
  const removed = await runModel(removeChannels(onnx, groups), picture, dims);
  expect(removed['y']!.dims).toEqual(zeroed['y']!.dims);
  expect(largestDifference(removed['y']!.data, zeroed['y']!.data)).toBeLessThan(1e-5);
  return groups.size;
}

describe('removing channels', () => {
  it('equals zeroing them, in any network', async () => {
    let removed = 0;
    await fc.assert(
      fc.asyncProperty(recipes, fc.double({ min: 0.1, max: 0.9, noNaN: true }), fc.integer({ min: 0, max: 1e6 }), async (recipe, share, seed) => {
        removed += await isExact(recipe, share, seed);
      }),
      { numRuns: 80 },
    );
    expect(removed).toBeGreaterThan(80);
  });

  it.each(Object.keys(BLOCKS))('equals zeroing them: a block %s', async (kind) => {
    await isExact({ blocks: [{ kind: 'plain', width: 4 }, { kind, width: 5 }, { kind: 'plain', width: 3 }], sizePx: 8 }, 0.5, 3);
  });

  it('makes the model smaller by what was removed', () => {
    const onnx = build({ blocks: [{ kind: 'plain', width: 4 }, { kind: 'inverted', width: 4 }], sizePx: 8 });
    const channels = channelGraph(decodeModel(onnx));
    // The hidden channels of the inverted block: one filter, one depthwise filter, one reader.
    const hidden = channels.groups.findIndex(({ depthwise }) => depthwise.length === 1);
    const cost = (model: Uint8Array): number => graphCost(graphOf(decodeModel(model))).macs!;
    expect(cost(onnx) - cost(removeChannels(onnx, [hidden]))).toBe(64 * (4 + 9 + 4));
  });

  it('refuses to leave nothing of a convolution, and names it', () => {
    const onnx = build({ blocks: [{ kind: 'plain', width: 3 }], sizePx: 8 });
    expect(() => removeChannels(onnx, [0, 1, 2])).toThrow(expect.objectContaining({ code: 'ERR_MODEL_UNSUPPORTED_OP', message: expect.stringContaining('conv_') as string }) as Error);
  });

  it('leaves the model as it is where nothing is removed', () => {
    const onnx = build({ blocks: [{ kind: 'squeezed', width: 4 }, { kind: 'halved', width: 4 }], sizePx: 8 });
    expect(Buffer.from(removeChannels(onnx, [])).equals(Buffer.from(onnx))).toBe(true);
  });
});

describe('the channel graph', () => {
  const graphOfBlock = (kind: string, width: number): ChannelGraph => channelGraph(decodeModel(build({ blocks: [{ kind: 'plain', width: 4 }, { kind, width }], sizePx: 8 })));

  it('couples what an addition adds', () => {
    const { groups } = graphOfBlock('inverted', 3);
    // Four channels of the trunk, computed by the first convolution and by the block; six hidden ones.
    expect(groups.map(({ filters, depthwise, readers }) => [filters.length, depthwise.length, readers.length])).toEqual([...Array.from({ length: 4 }, () => [2, 0, 2]), ...Array.from({ length: 6 }, () => [1, 1, 1])]);
  });

  it('couples a squeeze-and-excitation gate with what it gates', () => {
    const { groups } = graphOfBlock('squeezed', 3);
    expect(groups.slice(4).map(({ filters, readers }) => [filters.length, readers.length])).toEqual([[2, 2], [2, 2], [2, 2], [1, 1], [1, 1]]);
  });

  it('keeps outputs and pictures', () => {
    const channels = graphOfBlock('plain', 3);
    expect(channels.groupsOf('x')).toEqual([-1, -1, -1]);
    expect(channels.groupsOf('y')).toEqual([-1, -1, -1, -1, -1]);
    expect(channels.pinnedBy).toEqual([]);
  });

  it.each([
    ['grouped', 'Conv', '2 groups of 3 channels', 6],
    ['turned', 'Transpose', "can't be followed through Transpose", 3],
  ])('names what it could not follow: %s', (kind, op, why, channels) => {
    const { pinnedBy } = graphOfBlock(kind, 3);
    expect(pinnedBy).toHaveLength(1);
    expect(pinnedBy[0]!.node).toContain(op);
    expect(pinnedBy[0]!.why).toContain(why);
    expect(pinnedBy[0]!.channels).toBe(channels);
  });
});

it.each([
  [[2, 3], 1, [0, 2], [1, 3, 4, 6]],
  [[2, 3], 0, [1], [4, 5, 6]],
  [[1, 3, 2], 1, [2, 0], [5, 6, 1, 2]],
])('keeps elements of %j along axis %i: %j', (dims, axis, kept, expected) => {
  const cut = keepAlong(Float32Array.of(1, 2, 3, 4, 5, 6), dims, axis, kept);
  expect([...cut.data]).toEqual(expected);
  expect(cut.dims).toEqual(dims.with(axis, kept.length));
  expect(dimsOf({ dims: [...cut.dims] })).toEqual(cut.dims);
});
