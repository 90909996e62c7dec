import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { OfflineSession } from '../../src/inference/offline-session.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { inferShapes, inferTensors, reshapedDims } from '../../src/onnx/infer-shapes.js';
import { decodeModel, elementCount, encodeModel, feedsOf, graphOf, makeNode, makeTensor, makeValueInfo, newModel, valueFacts, type AttributeValue, type ModelProto, type NodeProto, type TensorProto } from '../../src/onnx/model-proto.js';
import { modelPathOf, SHIPPED_MODELS } from './installed.js';
import { hasShared, SHARED, WITHOUT_SHARED } from './support.js';

const FILLS = { float32: (n: number) => new Float32Array(n).fill(0.5), uint8: (n: number) => new Uint8Array(n).fill(90) };

interface Found {
  readonly dims: readonly number[];
  readonly type: string;
  readonly values: readonly number[];
}

/** What onnxruntime makes of every tensor that a node of the graph computes, nothing optimised away. */
async function everyTensor(model: ModelProto, dims?: readonly number[]): Promise<Map<string, Found>> {
  const copy = decodeModel(encodeModel(model));
  const graph = graphOf(copy);
  const stated = new Set((graph.output ?? []).map(({ name }) => name));
  const computed = (graph.node ?? []).filter(({ opType }) => opType !== 'Constant').flatMap(({ output }) => output!);
  graph.output = [...(graph.output ?? []), ...computed.filter((name) => name && !stated.has(name)).map((name) => ({ name }))];
  const session = await OfflineSession.create(encodeModel(copy), { optimization: 'none' });
  const feeds = feedsOf(graph).map((feed) => {
    const { name, dataType, dims: written } = valueFacts(feed);
    const size = dims ?? (written as number[]);
    return [name, { type: dataType, dims: size, data: FILLS[dataType as keyof typeof FILLS](elementCount(size)) }] as const;
  });
  const outputs = await session.run(Object.fromEntries(feeds));
  await session.release();
  return new Map(Object.entries(outputs).map(([name, { dims: found, type, data }]) => [name, { dims: found, type, values: Array.from(data as Float32Array, Number) }]));
}

async function expectAsRun(model: ModelProto, dims?: readonly number[]): Promise<number> {
  const graph = graphOf(model);
  const inputs = dims && new Map([[feedsOf(graph)[0]!.name!, dims]]);
  const inferred = inferTensors(graph, inputs ? { inputs } : {});
  const run = await everyTensor(model, dims);
  for (const [name, { dims: found, type, values }] of run) {
    const facts = inferred.get(name);
    expect({ name, dims: facts?.dims, type: facts?.dataType }).toEqual({ name, dims: [...found], type });
    if (facts?.value) expect({ name, value: facts.value }).toEqual({ name, value: values });
  }
  return run.size;
}

describe('on whole models every tensor is as onnxruntime has it', () => {
  test.skipIf(!hasShared).each(['yolo-fastest-1.1/yolo-fastest-1.1.onnx', 'yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.onnx', 'yolox-nano/yolox_nano.onnx'])(`%s ${hasShared ? '' : WITHOUT_SHARED}`, async (path) => {
    expect(await expectAsRun(decodeModel(readFileSync(`${SHARED}models/${path}`)))).toBeGreaterThan(150);
  });

  test.each(SHIPPED_MODELS)('%s', async (id) => {
    expect(await expectAsRun(decodeModel(readFileSync(await modelPathOf(id))))).toBeGreaterThan(20);
  });
});

type Attributes = Readonly<Record<string, AttributeValue>>;
type Constants = Readonly<Record<string, TensorProto>>;

const ints = (...values: readonly number[]): TensorProto => makeTensor('', 'int64', [values.length], BigInt64Array.from(values, BigInt));
const int = (value: number): TensorProto => makeTensor('', 'int64', [], BigInt64Array.of(BigInt(value)));
const floats = (dims: readonly number[], fill = 0.25): TensorProto => makeTensor('', 'float32', dims, new Float32Array(elementCount(dims)).fill(fill));
const bytes = (dims: readonly number[], fill = 3): TensorProto => makeTensor('', 'uint8', dims, new Uint8Array(elementCount(dims)).fill(fill));

function modelOf(dims: readonly number[], nodes: readonly NodeProto[], constants: Constants, opset: number, dataType: 'float32' | 'uint8' = 'float32'): ModelProto {
  const initializer = Object.entries(constants).map(([name, tensor]) => ({ ...tensor, name }));
  return newModel({ name: 'one', node: [...nodes], initializer, input: [makeValueInfo('x', dataType, dims)], output: [{ name: nodes.at(-1)!.output![0]! }] }, opset, {});
}

interface OneNode {
  readonly op: string;
  readonly dims: readonly number[];
  readonly attributes?: Attributes;
  readonly constants?: Constants;
  readonly outputs?: number;
  readonly opset?: number;
  /** Inputs of the node where they aren't `x` and the constants in order. */
  readonly inputs?: readonly string[];
  readonly dataType?: 'float32' | 'uint8';
}

const ONE_NODE: readonly (readonly [why: string, node: OneNode])[] = [
  ['a convolution with padding, dilation and groups', { op: 'Conv', dims: [1, 4, 13, 11], attributes: { pads: { ints: [1, 2, 0, 1] }, dilations: { ints: [2, 1] }, strides: { ints: [2, 3] }, group: { i: 2 } }, constants: { w: floats([6, 2, 3, 3]) } }],
  ['a convolution that pads by itself', { op: 'Conv', dims: [1, 2, 13, 11], attributes: { auto_pad: { s: 'SAME_UPPER' }, strides: { ints: [2, 2] } }, constants: { w: floats([3, 2, 3, 3]) } }],
  ['a convolution along one axis', { op: 'Conv', dims: [1, 2, 9], constants: { w: floats([3, 2, 3]) } }],
  ['a transposed convolution', { op: 'ConvTranspose', dims: [1, 4, 5, 6], attributes: { strides: { ints: [2, 3] }, pads: { ints: [1, 0, 0, 1] }, output_padding: { ints: [1, 0] }, group: { i: 2 } }, constants: { w: floats([4, 3, 2, 3]) } }],
  ['a transposed convolution that pads by itself', { op: 'ConvTranspose', dims: [1, 4, 5, 6], attributes: { strides: { ints: [2, 2] }, auto_pad: { s: 'SAME_UPPER' } }, constants: { w: floats([4, 3, 3, 3]) } }],
  ['pooling whose last window hangs over', { op: 'MaxPool', dims: [1, 2, 6, 7], attributes: { kernel_shape: { ints: [3, 3] }, strides: { ints: [2, 2] }, ceil_mode: { i: 1 } }, outputs: 2 }],
  ['pooling whose last window would begin in the padding', { op: 'MaxPool', dims: [1, 2, 5, 5], attributes: { kernel_shape: { ints: [1, 1] }, strides: { ints: [3, 3] }, pads: { ints: [0, 0, 0, 0] }, ceil_mode: { i: 1 } } }],
  ['average pooling', { op: 'AveragePool', dims: [1, 2, 6, 7], attributes: { kernel_shape: { ints: [2, 3] } } }],
  ['the mean of a plane', { op: 'GlobalAveragePool', dims: [1, 5, 6, 7] }],
  ['Gemm, both turned', { op: 'Gemm', dims: [4, 3], attributes: { transA: { i: 1 }, transB: { i: 1 } }, constants: { b: floats([5, 4]), c: floats([5]) } }],
  ['a product over batches that broadcast', { op: 'MatMul', dims: [2, 1, 3, 4], constants: { b: floats([5, 4, 6]) } }],
  ['a product with a vector', { op: 'MatMul', dims: [2, 3, 4], constants: { b: floats([4]) } }],
  ['broadcasting both ways', { op: 'Add', dims: [3, 1, 5], constants: { b: floats([2, 1, 4, 1]) } }],
  ['a power', { op: 'Pow', dims: [3, 2], constants: { b: floats([]) } }],
  ['a comparison', { op: 'Greater', dims: [3, 2], constants: { b: floats([2]) } }],
  ['a choice', { op: 'Where', dims: [3, 2], inputs: ['c', 'x', 'b'], constants: { c: makeTensor('', 'bool', [1, 2], Uint8Array.of(1, 0)), b: floats([]) } }],
  ['a cast', { op: 'Cast', dims: [3, 2], attributes: { to: { i: 7 } } }],
  ['a reshape that copies and fills', { op: 'Reshape', dims: [2, 3, 4], constants: { shape: ints(0, -1) } }],
  ['a reshape to one dimension more', { op: 'Reshape', dims: [2, 12], constants: { shape: ints(2, 3, 4) } }],
  ['flattening from the end', { op: 'Flatten', dims: [2, 3, 4], attributes: { axis: { i: -1 } } }],
  ['squeezing named axes', { op: 'Squeeze', dims: [1, 3, 1], constants: { axes: ints(-1) } }],
  ['squeezing all axes', { op: 'Squeeze', dims: [1, 3, 1] }],
  ['squeezing by attribute, as before opset 13', { op: 'Squeeze', dims: [1, 3, 1], attributes: { axes: { ints: [0] } }, opset: 11 }],
  ['unsqueezing', { op: 'Unsqueeze', dims: [2, 3], constants: { axes: ints(0, -1) } }],
  ['turning all axes round', { op: 'Transpose', dims: [2, 3, 4] }],
  ['turning axes by a permutation', { op: 'Transpose', dims: [2, 3, 4], attributes: { perm: { ints: [1, 2, 0] } } }],
  ['expanding', { op: 'Expand', dims: [3, 1], constants: { to: ints(2, 1, 6) } }],
  ['tiling', { op: 'Tile', dims: [2, 3], constants: { repeats: ints(2, 3) } }],
  ['joining along the last axis', { op: 'Concat', dims: [2, 3], attributes: { axis: { i: -1 } }, constants: { b: floats([2, 4]) } }],
  ['splitting into named sizes', { op: 'Split', dims: [2, 7], attributes: { axis: { i: 1 } }, constants: { sizes: ints(2, 4, 1) }, outputs: 3 }],
  ['splitting evenly', { op: 'Split', dims: [2, 6], attributes: { axis: { i: -1 } }, outputs: 3 }],
  ['splitting by count, the last part smaller', { op: 'Split', dims: [7, 2], attributes: { num_outputs: { i: 3 } }, outputs: 3, opset: 18 }],
  ['splitting by attribute, as before opset 13', { op: 'Split', dims: [2, 7], attributes: { axis: { i: 1 }, split: { ints: [3, 4] } }, outputs: 2, opset: 11 }],
  ['a slice with steps, from the end', { op: 'Slice', dims: [9, 8], constants: { starts: ints(-2, 1), ends: ints(-9999, 9999), axes: ints(0, 1), steps: ints(-2, 3) } }],
  ['a slice without axes', { op: 'Slice', dims: [9, 8], constants: { starts: ints(2, 1), ends: ints(5, -1) } }],
  ['a slice by attributes, as before opset 10', { op: 'Slice', dims: [9, 8], attributes: { starts: { ints: [1] }, ends: { ints: [4] }, axes: { ints: [1] } }, opset: 9 }],
  ['a slice of nothing', { op: 'Slice', dims: [9, 8], constants: { starts: ints(5), ends: ints(2), axes: ints(0) } }],
  ['gathering along an axis', { op: 'Gather', dims: [4, 5, 6], attributes: { axis: { i: 1 } }, constants: { i: makeTensor('', 'int64', [2, 2], BigInt64Array.of(0n, 1n, 2n, 3n)) } }],
  ['gathering one', { op: 'Gather', dims: [4, 5], attributes: { axis: { i: -1 } }, constants: { i: int(2) } }],
  ['gathering elements', { op: 'GatherElements', dims: [4, 5], attributes: { axis: { i: 1 } }, constants: { i: makeTensor('', 'int64', [4, 2], new BigInt64Array(8)) } }],
  ['gathering by coordinates', { op: 'GatherND', dims: [4, 5, 6], constants: { i: makeTensor('', 'int64', [3, 2], new BigInt64Array(6)) } }],
  ['padding', { op: 'Pad', dims: [2, 3], constants: { pads: ints(1, 0, 0, 2) } }],
  ['resizing by factors', { op: 'Resize', dims: [1, 2, 13, 10], inputs: ['x', '', 's'], constants: { s: makeTensor('', 'float32', [4], Float32Array.of(1, 1, 1.5384615, 0.5)) } }],
  ['resizing to sizes', { op: 'Resize', dims: [1, 2, 13, 10], inputs: ['x', '', '', 's'], constants: { s: ints(1, 2, 20, 5) } }],
  ['resizing as in opset 10', { op: 'Resize', dims: [1, 2, 4, 5], constants: { s: makeTensor('', 'float32', [4], Float32Array.of(1, 1, 2, 2)) }, opset: 10 }],
  ['upsampling as in opset 9', { op: 'Upsample', dims: [1, 2, 4, 5], constants: { s: makeTensor('', 'float32', [4], Float32Array.of(1, 1, 2, 2)) }, opset: 9 }],
  ['blocks of space into channels', { op: 'SpaceToDepth', dims: [1, 3, 4, 6], attributes: { blocksize: { i: 2 } } }],
  ['channels into blocks of space', { op: 'DepthToSpace', dims: [1, 12, 2, 3], attributes: { blocksize: { i: 2 } } }],
  ['a mean over named axes', { op: 'ReduceMean', dims: [2, 3, 4], attributes: { axes: { ints: [-1, 0] }, keepdims: { i: 0 } } }],
  ['a sum whose axes are an input', { op: 'ReduceSum', dims: [2, 3, 4], constants: { axes: ints(1) } }],
  ['a maximum of all', { op: 'ReduceMax', dims: [2, 3, 4], attributes: { keepdims: { i: 0 } } }],
  ['a sum that does nothing without axes', { op: 'ReduceSum', dims: [2, 3], attributes: { noop_with_empty_axes: { i: 1 } } }],
  ['the place of the greatest', { op: 'ArgMax', dims: [2, 3, 4], attributes: { axis: { i: 1 }, keepdims: { i: 0 } } }],
  ['the best few', { op: 'TopK', dims: [2, 9], constants: { k: ints(4) }, outputs: 2 }],
  ['the best few, as before opset 10', { op: 'TopK', dims: [2, 9], attributes: { k: { i: 4 } }, outputs: 2, opset: 9 }],
  ['softmax', { op: 'Softmax', dims: [2, 9] }],
  ['batch normalization', { op: 'BatchNormalization', dims: [1, 3, 2, 2], constants: { s: floats([3]), b: floats([3]), m: floats([3]), v: floats([3]) } }],
  ['quantizing', { op: 'QuantizeLinear', dims: [1, 3], constants: { s: floats([]), z: makeTensor('', 'int8', [], Int8Array.of(0)) } }],
  ['quantizing without a zero point', { op: 'QuantizeLinear', dims: [1, 3], constants: { s: floats([]) } }],
  ['dequantizing', { op: 'DequantizeLinear', dims: [1, 3], dataType: 'uint8', constants: { s: floats([]), z: bytes([]) } }],
  ['quantizing by what comes', { op: 'DynamicQuantizeLinear', dims: [2, 3], outputs: 3 }],
  ['a convolution of integers', { op: 'ConvInteger', dims: [1, 2, 5, 5], dataType: 'uint8', constants: { w: bytes([3, 2, 3, 3]) } }],
  ['a quantized convolution', { op: 'QLinearConv', dims: [1, 2, 5, 5], dataType: 'uint8', constants: { s: floats([]), z: bytes([]), w: bytes([3, 2, 3, 3]), ws: floats([]), wz: bytes([]), ys: floats([]), yz: bytes([]) } }],
  ['a product of integers', { op: 'MatMulInteger', dims: [2, 3], dataType: 'uint8', constants: { b: bytes([3, 4]) } }],
  ['a quantized product', { op: 'QLinearMatMul', dims: [2, 3], dataType: 'uint8', constants: { s: floats([]), z: bytes([]), b: bytes([3, 4]), bs: floats([]), bz: bytes([]), ys: floats([]), yz: bytes([]) } }],
];

describe('each operator gives the shape and type that onnxruntime gives', () => {
  test.each(ONE_NODE)('%s', async (_, { op, dims, attributes = {}, constants = {}, outputs = 1, opset = 17, inputs, dataType = 'float32' }) => {
    const names = Array.from({ length: outputs }, (__, i) => `y${i}`);
    const node = makeNode(op, 'node', inputs ?? ['x', ...Object.keys(constants)], names, attributes);
    expect(await expectAsRun(modelOf(dims, [node], constants, opset, dataType))).toBe(outputs);
  });
});

describe('arithmetic on shapes is followed', () => {
  /** The tail of an export with open sizes: shapes are read, computed with, and reshaped to; a grid is made of ranges. */
  function openTail(): ModelProto {
    const nodes = [
      makeNode('Shape', 'shape', ['x'], ['s']),
      makeNode('Gather', 'h', ['s', 'two'], ['h']),
      makeNode('Gather', 'w', ['s', 'three'], ['w']),
      makeNode('Mul', 'area', ['h', 'w'], ['area']),
      makeNode('Unsqueeze', 'area1', ['area', 'axis'], ['area1']),
      makeNode('Concat', 'wanted', ['head', 'area1'], ['wanted'], { axis: { i: 0 } }),
      makeNode('Range', 'rows', ['zero', 'h', 'one'], ['rows']),
      makeNode('Unsqueeze', 'column', ['rows', 'axis1'], ['column']),
      makeNode('Unsqueeze', 'sides', ['h', 'axis'], ['h1']),
      makeNode('Unsqueeze', 'sides2', ['w', 'axis'], ['w1']),
      makeNode('Concat', 'grid_shape', ['h1', 'w1'], ['grid_shape'], { axis: { i: 0 } }),
      makeNode('Expand', 'grid', ['column', 'grid_shape'], ['grid']),
      makeNode('Cast', 'grid_float', ['grid'], ['grid_float'], { to: { i: 1 } }),
      makeNode('ConstantOfShape', 'ones', ['h1'], ['ones'], {}),
      makeNode('Equal', 'all', ['ones', 'ones'], ['all']),
      makeNode('NonZero', 'places', ['all'], ['places']),
      makeNode('Reshape', 'flat', ['x', 'wanted'], ['flat']),
      makeNode('Reshape', 'flat_grid', ['grid_float', 'area1'], ['flat_grid']),
      makeNode('Add', 'y', ['flat', 'flat_grid'], ['y']),
    ];
    const model = modelOf([1, 3, 4, 6], nodes, { zero: int(0), one: int(1), two: int(2), three: int(3), axis: ints(0), axis1: ints(1), head: ints(1, 3) }, 17);
    graphOf(model).input = [makeValueInfo('x', 'float32', ['batch', 3, 'height', 'width'])];
    return model;
  }

  it('once the size is given', async () => {
    expect(await expectAsRun(openTail(), [1, 3, 4, 6])).toBe(19);
    expect(await expectAsRun(openTail(), [1, 3, 5, 7])).toBe(19);
  });

  it('and nothing is guessed where it is not', () => {
    expect(inferShapes(graphOf(openTail())).has('y')).toBe(false);
  });
});

it('leaves out what depends on values that only a run has, and what it has no rule for', () => {
  const nodes = [makeNode('NonMaxSuppression', 'nms', ['boxes', 'x'], ['kept']), makeNode('Gather', 'picked', ['flat', 'kept'], ['rows']), makeNode('Novelty', 'new', ['x'], ['novel']), makeNode('Relu', 'after', ['novel'], ['after'])];
  const shapes = inferShapes(graphOf(modelOf([1, 1, 6], nodes, { boxes: floats([1, 6, 4]), flat: floats([6]) }, 17)));
  expect(['kept', 'rows', 'novel', 'after'].map((name) => shapes.has(name))).toEqual([false, false, false, false]);
});

it('believes the exporter where no rule knows better', () => {
  const model = modelOf([1, 3], [makeNode('Novelty', 'new', ['x'], ['novel']), makeNode('Relu', 'after', ['novel'], ['after'])], {}, 17);
  graphOf(model).valueInfo = [makeValueInfo('novel', 'float32', [1, 7])];
  expect(inferShapes(graphOf(model)).get('after')).toEqual([1, 7]);
  expect(inferShapes(graphOf(model), { inputs: new Map([['x', [1, 4]]]) }).has('after'), 'not for another size than the exporter had').toBe(false);
});

it('takes the branch that a known condition takes', () => {
  const branch = (size: number) => ({ node: [makeNode('Expand', 'e', ['x', `to${size}`], [`e${size}`])], initializer: [{ ...ints(size, 3), name: `to${size}` }], output: [{ name: `e${size}` }], name: 'branch' });
  const node: NodeProto = { ...makeNode('If', 'if', ['c'], ['y']), attribute: [{ name: 'then_branch', g: branch(2) }, { name: 'else_branch', g: branch(4) }] };
  const shapeWith = (constants: Constants) => inferShapes(graphOf(modelOf([1, 3], [node], constants, 17))).get('y');
  expect(shapeWith({ c: makeTensor('', 'bool', [], Uint8Array.of(1)) })).toEqual([2, 3]);
  expect(shapeWith({ c: makeTensor('', 'bool', [], Uint8Array.of(0)) })).toEqual([4, 3]);
  expect(shapeWith({})).toBeUndefined();
});

describe('reshapedDims', () => {
  test.each([
    ['fills the open size', [2, 3, 4], [-1, 6], [4, 6]],
    ['copies where it says 0', [2, 3, 4], [0, 12], [2, 12]],
    ['refuses another number of elements', [2, 3], [4, 2], undefined],
    ['refuses what does not divide', [2, 3], [4, -1], undefined],
  ])('%s', (_, dims, wanted, expected) => {
    expect(reshapedDims(dims, wanted)).toEqual(expected);
  });
});

it('agrees with onnxruntime on random chains of convolutions and pooling', async () => {
  const side = fc.integer({ min: 8, max: 24 });
  const layer = fc.record({ kernel: fc.integer({ min: 1, max: 3 }), stride: fc.integer({ min: 1, max: 2 }), pad: fc.integer({ min: 0, max: 1 }), kind: fc.constantFrom('Conv', 'MaxPool', 'AveragePool'), ceil: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(side, side, fc.array(layer, { minLength: 1, maxLength: 3 }), async (height, width, layers) => {
      const builder = new GraphBuilder('chain');
      let last = builder.input('x', 'float32', [1, 2, height, width]);
      for (const [i, { kernel, stride, pad, kind, ceil }] of layers.entries()) {
        const window: Attributes = { kernel_shape: { ints: [kernel, kernel] }, strides: { ints: [stride, stride] }, pads: { ints: Array<number>(4).fill(Math.min(pad, kernel - 1)) } };
        const isConvolution = kind === 'Conv';
        last = builder.node(kind, isConvolution ? [last, builder.floats(`w${i}`, [2, 2, kernel, kernel], new Float32Array(4 * kernel * kernel))] : [last], isConvolution ? window : { ...window, ceil_mode: { i: Number(ceil) } });
      }
      builder.output(last, 'float32', []);
      const model = decodeModel(builder.build());
      graphOf(model).output = [{ name: last }];
      await expectAsRun(model);
    }),
    { numRuns: 60, seed: 7 },
  );
});
