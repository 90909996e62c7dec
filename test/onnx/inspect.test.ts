import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { inspectModel } from '../../src/onnx/inspect.js';
import { decodeModel, encodeModel, makeValueInfo } from '../../src/onnx/model-proto.js';
import { hasShared, SHARED, WITHOUT_SHARED } from './support.js';

type Build = (builder: GraphBuilder, x: string) => string;

function convolve(builder: GraphBuilder, x: string, dims: number[], attributes: Parameters<GraphBuilder['node']>[2] = {}): string {
  return builder.node('Conv', [x, builder.floats(`w${builder.nextId()}`, dims, new Float32Array(dims.reduce((a, b) => a * b)))], attributes);
}

/** A model of [1, 3, 8, 12]; its output's shape is left open, so that it has to be followed. */
function model(build: Build, dims: (number | string)[] = [1, 3, 8, 12]): Uint8Array {
  const builder = new GraphBuilder('test');
  builder.output(build(builder, builder.input('x', 'float32', [1, 3, 8, 12])), 'float32', [], 'y');
  const proto = decodeModel(builder.build({ names: "['a']" }));
  proto.graph!.input = [makeValueInfo('x', 'float32', dims)];
  return encodeModel(proto);
}

const pads = { ints: [1, 1, 1, 1] };

describe('multiply-accumulates of convolutions, by hand', () => {
  test.each<[string, Build, number]>([
    ['no padding', (b, x) => convolve(b, x, [5, 3, 3, 3]), 6 * 10 * 5 * 27],
    ['padding and stride', (b, x) => convolve(b, x, [5, 3, 3, 3], { pads, strides: { ints: [2, 2] } }), 4 * 6 * 5 * 27],
    ['groups count only their own channels', (b, x) => convolve(b, x, [3, 1, 3, 3], { pads, group: { i: 3 } }), 8 * 12 * 3 * 9],
    ['dilation', (b, x) => convolve(b, x, [1, 3, 3, 3], { dilations: { ints: [2, 2] } }), 4 * 8 * 27],
    ['automatic padding', (b, x) => convolve(b, x, [1, 3, 3, 3], { auto_pad: { s: 'SAME_UPPER' }, strides: { ints: [2, 2] } }), 4 * 6 * 27],
    ['after pooling', (b, x) => convolve(b, b.node('MaxPool', [b.node('Relu', [x])], { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } }), [1, 3, 1, 1]), 4 * 6 * 3],
    ['after a global mean', (b, x) => convolve(b, b.node('GlobalAveragePool', [x]), [7, 3, 1, 1]), 21],
    ['after upsampling', (b, x) => convolve(b, b.node('Resize', [x, '', b.floats('s', [4], Float32Array.of(1, 1, 2, 2))]), [1, 3, 1, 1]), 16 * 24 * 3],
    ['after stacking', (b, x) => convolve(b, b.node('Concat', [x, x], { axis: { i: 1 } }), [1, 6, 1, 1]), 8 * 12 * 6],
    ['after slicing', (b, x) => convolve(b, b.node('Slice', [x, b.ints([1]), b.ints([1000]), b.ints([-1]), b.ints([2])]), [1, 3, 1, 1]), 8 * 6 * 3],
    ['after a broadcast', (b, x) => convolve(b, b.node('Mul', [b.node('GlobalAveragePool', [x]), x]), [1, 3, 1, 1]), 8 * 12 * 3],
    ['after turning', (b, x) => convolve(b, b.node('Transpose', [x], { perm: { ints: [0, 1, 3, 2] } }), [1, 3, 1, 5]), 12 * 4 * 15],
    ['none', (b, x) => b.node('Relu', [x]), 0],
  ])('%s', (_, build, macs) => {
    expect(inspectModel(model(build)).convolutionMacs).toBe(macs);
  });

  test.each<[string, Uint8Array]>([
    ['the size is open', model((b, x) => convolve(b, x, [5, 3, 3, 3]), [1, 3, 'height', 'width'])],
    ['an operator on the way is not followed', model((b, x) => convolve(b, b.node('MeanVarianceNormalization', [x]), [5, 3, 3, 3]))],
  ])('not known where %s', (_, bytes) => {
    expect(inspectModel(bytes).convolutionMacs).toBeUndefined();
  });
});

test('inputs, operators, parameters and metadata', () => {
  const facts = inspectModel(model((b, x) => b.node('Relu', [b.node('Relu', [convolve(b, x, [5, 3, 3, 3])])]), ['n', 3, 8, 12]));
  expect(facts).toMatchObject({
    inputs: [{ name: 'x', dataType: 'float32', dims: ['n', 3, 8, 12] }],
    outputs: [{ name: 'y', dataType: 'float32' }],
    opset: 17,
    producer: 'lynceus',
    opCounts: [['Relu', 2], ['Conv', 1]],
    parameters: 135,
    metadata: { names: "['a']" },
  });
});

describe.skipIf(!hasShared)(`published figures${hasShared ? '' : ` (skipped: ${WITHOUT_SHARED})`}`, () => {
  test.each([
    // Twice the multiply-accumulates are the published operations: 0.25, 0.72 and 1.08 billion. Parameters: 0.33 M, 0.89 M, 0.91 M.
    ['yolo-fastest-1.1/yolo-fastest-1.1', 0.25e9, 0.33e6],
    ['yolo-fastest-1.1-xl/yolo-fastest-1.1-xl', 0.72e9, 0.89e6],
    ['yolox-nano/yolox_nano', 1.08e9, 0.91e6],
  ])('%s', (name, operations, parameters) => {
    const facts = inspectModel(readFileSync(`${SHARED}models/${name}.onnx`));
    expect(2 * facts.convolutionMacs!).toBeGreaterThan(0.95 * operations);
    expect(2 * facts.convolutionMacs!).toBeLessThan(1.05 * operations);
    expect(Math.abs(facts.parameters / parameters - 1)).toBeLessThan(0.02);
  });
});
