import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { graphCost } from '../../src/onnx/graph-cost.js';
import { decodeModel, graphOf, makeNode, makeTensor, makeValueInfo, newModel, type TensorProto } from '../../src/onnx/model-proto.js';
import { hasShared, SHARED, WITHOUT_SHARED } from './support.js';

describe('published counts', () => {
  // Operations as their publishers count them are twice the multiply-accumulates; Darknet and thop add a little for layers that have none.
  test.skipIf(!hasShared).each([
    ['Yolo-Fastest-1.1: 0.252 BFlops (its README)', 'yolo-fastest-1.1/yolo-fastest-1.1.onnx', 0.252e9],
    ['Yolo-Fastest-1.1-xl: 0.725 BFlops (its README)', 'yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.onnx', 0.725e9],
    ['YOLOX-Nano: 1.08 GFLOPs (its README, batch normalizations counted)', 'yolox-nano/yolox_nano.onnx', 1.08e9],
  ])(`%s ${hasShared ? '' : WITHOUT_SHARED}`, (_, path, published) => {
    const { macs } = graphCost(graphOf(decodeModel(readFileSync(`${SHARED}models/${path}`))));
    expect((2 * macs!) / published).toBeGreaterThan(0.96);
    expect((2 * macs!) / published).toBeLessThanOrEqual(1);
  });

  test.skipIf(!hasShared)(`YOLOX-Nano: 0.91 M parameters, batch normalizations folded ${hasShared ? '' : WITHOUT_SHARED}`, () => {
    expect(graphCost(graphOf(decodeModel(readFileSync(`${SHARED}models/yolox-nano/yolox_nano.onnx`)))).parameters / 0.91e6).toBeCloseTo(1, 1);
  });

  it('MobileNet-1.0-224: 569 M multiply-adds and 4.24 M parameters (Howard et al. 2017, table 8: 4.2 M)', () => {
    const { macs, parameters } = graphCost(graphOf(decodeModel(mobileNet())));
    // Exactly, from table 1 of the paper: sums over its rows, convolutions without bias, and the classifier.
    expect(macs).toBe(568_740_352);
    expect(parameters).toBe(4_209_088 + 1000);
  });
});

/** Table 1 of the paper: a convolution, 13 pairs of a depthwise and a pointwise one, the mean, a classifier. */
function mobileNet(): Uint8Array {
  const graph = new GraphBuilder('mobilenet');
  let channels = 3;
  let last = graph.input('images', 'float32', [1, 3, 224, 224]);
  const convolve = (filters: number, kernel: number, stride: number, groups: number): void => {
    const pad = (kernel - 1) / 2;
    const dims = [filters, channels / groups, kernel, kernel];
    const weight = graph.floats(`w${graph.nextId()}`, dims, new Float32Array(dims.reduce((a, b) => a * b)));
    last = graph.node('Relu', [graph.node('Conv', [last, weight], { strides: { ints: [stride, stride] }, pads: { ints: [pad, pad, pad, pad] }, group: { i: groups } })]);
    channels = filters;
  };
  convolve(32, 3, 2, 1);
  const pairs = [[64, 1], [128, 2], [128, 1], [256, 2], [256, 1], [512, 2], [512, 1], [512, 1], [512, 1], [512, 1], [512, 1], [1024, 2], [1024, 1]] as const;
  for (const [filters, stride] of pairs) {
    convolve(channels, 3, stride, channels);
    convolve(filters, 1, 1, 1);
  }
  const flat = graph.node('Flatten', [graph.node('GlobalAveragePool', [last])]);
  const scores = graph.node('Gemm', [flat, graph.floats('classes', [1024, 1000], new Float32Array(1024 * 1000)), graph.floats('bias', [1000], new Float32Array(1000))]);
  graph.output(scores, 'float32', [1, 1000], 'scores');
  return graph.build();
}

const floats = (name: string, dims: readonly number[]): TensorProto => makeTensor(name, 'float32', dims, new Float32Array(dims.reduce((a, b) => a * b, 1)));
const bytes = (name: string, dims: readonly number[]): TensorProto => makeTensor(name, 'uint8', dims, new Uint8Array(dims.reduce((a, b) => a * b, 1)));

describe('by hand', () => {
  test.each([
    ['a grouped convolution: 2x2 outputs of 4 filters, each over 1 channel of 3x3', 'Conv', [1, 2, 4, 4], ['x', 'w'], [floats('w', [4, 1, 3, 3])], 'group', 2, 16 * 9, 36],
    ['a transposed convolution: 16 inputs of 2 channels into 3 filters of 2x2', 'ConvTranspose', [1, 2, 4, 4], ['x', 'w'], [floats('w', [2, 3, 2, 2])], 'group', 1, 32 * 12, 24],
    ['Gemm: 3x5 outputs over 4', 'Gemm', [4, 3], ['x', 'w', 'b'], [floats('w', [4, 5]), floats('b', [5])], 'transA', 1, 15 * 4, 25],
    ['MatMul: 2x3x5 outputs over 4', 'MatMul', [2, 3, 4], ['x', 'w'], [floats('w', [4, 5])], undefined, 0, 30 * 4, 20],
  ] as const)('%s', (_, op, dims, inputs, initializer, attribute, value, macs, parameters) => {
    const node = makeNode(op, 'node', inputs, ['y'], attribute ? { [attribute]: { i: value } } : {});
    const model = newModel({ name: 'one', node: [node], initializer: [...initializer], input: [makeValueInfo('x', 'float32', dims)], output: [{ name: 'y' }] }, 17, {});
    expect(graphCost(graphOf(model))).toMatchObject({ macs, parameters });
  });

  it('quantized weights count once, their scales and zero points not', () => {
    const node = [
      makeNode('QuantizeLinear', 'q', ['x', 's', 'z'], ['xq']),
      makeNode('DequantizeLinear', 'dx', ['xq', 's', 'z'], ['xd']),
      makeNode('DequantizeLinear', 'dw', ['w', 's', 'z'], ['wd']),
      makeNode('Conv', 'conv', ['xd', 'wd'], ['y']),
    ];
    const model = newModel({ name: 'qdq', node, initializer: [bytes('w', [4, 2, 3, 3]), floats('s', []), bytes('z', [])], input: [makeValueInfo('x', 'float32', [1, 2, 4, 4])], output: [{ name: 'y' }] }, 17, {});
    expect(graphCost(graphOf(model))).toMatchObject({ macs: 2 * 2 * 4 * 18, parameters: 72 });
  });

  it('the peak is where most tensors are alive: a branch is kept until it is joined, bytes are a quarter of floats', () => {
    const node = [
      makeNode('Relu', 'a', ['x'], ['a']), // x 64 B, a 64 B
      makeNode('QuantizeLinear', 'b', ['a', 's', 'z'], ['b']), // a, b 16 B; x is gone
      makeNode('DequantizeLinear', 'c', ['b', 's', 'z'], ['c']), // a, b, c
      makeNode('Concat', 'y', ['a', 'c'], ['y'], { axis: { i: 0 } }), // a, c, y 128 B
    ];
    const model = newModel({ name: 'peak', node, initializer: [floats('s', []), bytes('z', [])], input: [makeValueInfo('x', 'float32', [1, 16])], output: [{ name: 'y' }] }, 17, {});
    expect(graphCost(graphOf(model)).peakActivationBytes).toBe(64 + 64 + 128);
  });

  it('says nothing where the size is open', () => {
    const model = newModel({ name: 'open', node: [makeNode('Conv', 'c', ['x', 'w'], ['y'])], initializer: [floats('w', [4, 2, 3, 3])], input: [makeValueInfo('x', 'float32', [1, 2, 'h', 'w'])], output: [{ name: 'y' }] }, 17, {});
    const graph = graphOf(model);
    expect(graphCost(graph)).toMatchObject({ macs: undefined, peakActivationBytes: undefined, parameters: 72 });
    expect(graphCost(graph, { inputs: new Map([['x', [1, 2, 5, 5]]]) })).toMatchObject({ macs: 9 * 4 * 18 });
  });
});
