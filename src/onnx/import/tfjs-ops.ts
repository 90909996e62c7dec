import { AppError } from '../../core/errors.js';
import type { GraphBuilder } from '../graph-builder.js';
import type { AttributeValue } from '../model-proto.js';
import { denseWeights, depthwiseWeights, samePadding, type PaddedAxis } from './tf-filters.js';
import type { TfNode } from './tfjs-node.js';
import { inNchwOrder, inTfOrder, isConstant, operandForNchw, toNchw, type TfTensor, type TfValue } from './tfjs-values.js';
import type { TfConstant } from './tfjs-weights.js';

/** Writes one TensorFlow operation; gives its outputs. */
export type OpImporter = (node: TfNode, inputs: readonly TfValue[], builder: GraphBuilder) => readonly TfValue[];

/**
 * Operations by TensorFlow's name. Pictures stay [N, C, H, W] all the way; only what looks across channels and pixels at once
 * (a reshape, a gather) has them turned.
 */
export const TF_OPS: Readonly<Record<string, OpImporter>> = {
  Identity: (_, inputs) => [inputs[0]!],
  Conv2D: convolution,
  _FusedConv2D: convolution,
  DepthwiseConv2dNative: convolution,
  FusedDepthwiseConv2dNative: convolution,
  Relu: unary('Relu'),
  Relu6: (_, [x], builder) => [derive(x!, relu6(tensorOf(x!, builder), builder))],
  Sigmoid: unary('Sigmoid'),
  Add: binary('Add'),
  AddV2: binary('Add'),
  Sub: binary('Sub'),
  Mul: binary('Mul'),
  Equal: binary('Equal', 'bool'),
  FloorMod: binary('Mod'),
  FloorDiv: floorDivide,
  Mean: mean,
  MaxPool: maxPool,
  ResizeBilinear: resizeBilinear,
  ConcatV2: concat,
  Reshape: reshape,
  ExpandDims: expandDims,
  StridedSlice: stridedSlice,
  GatherV2: gather,
  TopKV2: topK,
  Cast: cast,
};

function convolution(node: TfNode, [input, filter, ...extra]: readonly TfValue[], builder: GraphBuilder): readonly TfValue[] {
  const picture = pictureOf(node, input!);
  const { shape: filterShape, data } = constantOf(node, filter!);
  const isDepthwise = node.op.includes('Depthwise');
  const [height = 1, width = 1, inChannels = 1, last = 1] = filterShape;
  const filters = isDepthwise ? inChannels * last : last;
  const window = slidingWindow(node, picture.shape, [height, width]);
  const dims = [filters, isDepthwise ? 1 : inChannels, height, width];
  const weight = builder.floats(`weight_${builder.nextId()}`, dims, isDepthwise ? depthwiseWeights(data, dims) : denseWeights(data, dims));
  const { bias, activation } = fusedOps(node, extra, builder);
  const attributes = { ...window.attributes, kernel_shape: { ints: [height, width] }, group: { i: isDepthwise ? inChannels : 1 } };
  const conv = builder.node('Conv', [inNchwOrder(picture, builder), weight, ...bias], attributes);
  return [{ tensor: activation(conv), shape: [picture.shape[0]!, ...window.size, filters], dtype: 'float32', layout: 'nchw' }];
}

interface FusedOps {
  readonly bias: readonly string[];
  readonly activation: (tensor: string) => string;
}

const ACTIVATIONS: Readonly<Record<string, (tensor: string, builder: GraphBuilder) => string>> = {
  Relu: (x, builder) => builder.node('Relu', [x]),
  Relu6: relu6,
};

/** What TensorFlow's optimiser has put into the convolution. */
function fusedOps(node: TfNode, extra: readonly TfValue[], builder: GraphBuilder): FusedOps {
  const [first, second, ...more] = node.texts('fused_ops');
  const hasBias = first === 'BiasAdd';
  const name = hasBias ? second : first;
  const activation = name === undefined ? undefined : ACTIVATIONS[name];
  if ((name !== undefined && !activation) || more.length > 0 || (hasBias && second !== undefined && !activation)) throw unsupported(node, `fused ${node.texts('fused_ops').join(', ')}`);
  return {
    bias: hasBias ? [biasTensor(constantOf(node, extra[0]!), builder)] : [],
    activation: (tensor) => activation?.(tensor, builder) ?? tensor,
  };
}

function biasTensor({ shape, data }: TfConstant, builder: GraphBuilder): string {
  return builder.floats(`bias_${builder.nextId()}`, shape, Float32Array.from(data));
}

interface SlidingWindow {
  /** Height and width of the output. */
  readonly size: readonly [number, number];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

function slidingWindow(node: TfNode, [, ...input]: readonly number[], kernel: readonly [number, number]): SlidingWindow {
  if (node.text('data_format', 'NHWC') !== 'NHWC') throw unsupported(node, 'data_format NCHW');
  const strides = node.ints('strides').slice(1, 3);
  const dilations = node.ints('dilations').length === 4 ? node.ints('dilations').slice(1, 3) : [1, 1];
  const padding = node.text('padding', '');
  const axes = [0, 1].map((axis) => {
    const extent = (kernel[axis]! - 1) * dilations[axis]! + 1;
    return windowAxis(node, padding, { input: input[axis]!, extent, stride: strides[axis]! });
  });
  return {
    size: [axes[0]!.output, axes[1]!.output],
    attributes: {
      strides: { ints: strides },
      ...(node.op.includes('Conv') ? { dilations: { ints: dilations } } : {}),
      pads: { ints: [axes[0]!.before, axes[1]!.before, axes[0]!.after, axes[1]!.after] },
    },
  };
}

function windowAxis(node: TfNode, padding: string, { input, extent, stride }: { input: number; extent: number; stride: number }): PaddedAxis {
  if (padding === 'VALID') return { output: Math.floor((input - extent) / stride) + 1, before: 0, after: 0 };
  if (padding !== 'SAME') throw unsupported(node, `padding ${padding}`);
  return samePadding(input, extent, stride);
}

function maxPool(node: TfNode, [input]: readonly TfValue[], builder: GraphBuilder): readonly TfValue[] {
  const picture = pictureOf(node, input!);
  const [, height = 1, width = 1] = node.ints('ksize');
  const { size, attributes } = slidingWindow(node, picture.shape, [height, width]);
  const tensor = builder.node('MaxPool', [inNchwOrder(picture, builder)], { ...attributes, kernel_shape: { ints: [height, width] } });
  return [{ ...picture, tensor, shape: [picture.shape[0]!, ...size, picture.shape[3]!], layout: 'nchw' }];
}

function resizeBilinear(node: TfNode, [input, size]: readonly TfValue[], builder: GraphBuilder): readonly TfValue[] {
  const picture = pictureOf(node, input!);
  const [, height, width, channels] = picture.shape;
  const [toHeight, toWidth] = intsOf(node, size!);
  const mode = node.bool('align_corners') ? 'align_corners' : node.bool('half_pixel_centers') ? 'half_pixel' : 'asymmetric';
  const scales = builder.floats(`scales_${builder.nextId()}`, [4], Float32Array.of(1, 1, toHeight! / height!, toWidth! / width!));
  const attributes = { mode: { s: 'linear' }, coordinate_transformation_mode: { s: mode } };
  const tensor = builder.node('Resize', [inNchwOrder(picture, builder), '', scales], attributes);
  return [{ ...picture, tensor, shape: [picture.shape[0]!, toHeight!, toWidth!, channels!], layout: 'nchw' }];
}

function mean(node: TfNode, [input, axes]: readonly TfValue[], builder: GraphBuilder): readonly TfValue[] {
  const picture = pictureOf(node, input!);
  const reduced = intsOf(node, axes!).map((axis) => (axis + 4) % 4).sort();
  if (reduced.join() !== '1,2' || !node.bool('keep_dims')) throw unsupported(node, `over axes ${reduced.join()}`);
  const [batch, , , channels] = picture.shape;
  const tensor = builder.node('GlobalAveragePool', [inNchwOrder(picture, builder)]);
  return [{ ...picture, tensor, shape: [batch!, 1, 1, channels!], layout: 'nchw' }];
}

function unary(opType: string): OpImporter {
  return (_, [x], builder) => [derive(x!, builder.node(opType, [tensorOf(x!, builder)]))];
}

function relu6(tensor: string, builder: GraphBuilder): string {
  return builder.node('Clip', [tensor, builder.scalar(0), builder.scalar(6)]);
}

/** Element by element, with broadcasting; two pictures meet as they lie. */
function binary(opType: string, dtype?: 'bool'): OpImporter {
  return (_, [a, b], builder) => {
    const shape = broadcastShape(a!.shape, b!.shape);
    const isPicture = shape.length === 4 && [a!, b!].some((value) => !isConstant(value) && value.layout === 'nchw');
    const operands = [a!, b!].map((value) => (isPicture ? operandForNchw(value, builder) : inTfOrder(value, builder)));
    const resultType = dtype ?? (isConstant(a!) ? computedType(b!) : a!.dtype);
    return [{ tensor: builder.node(opType, operands), shape, dtype: resultType, layout: isPicture ? 'nchw' : 'tf' }];
  };
}

/** Rounds down for negative numbers, too, where ONNX's integer division rounds towards zero. */
function floorDivide(node: TfNode, inputs: readonly TfValue[], builder: GraphBuilder): readonly TfValue[] {
  if (inputs.some((value) => computedType(value) !== 'int64')) throw unsupported(node, 'of floats');
  const [remainder] = binary('Mod')(node, inputs, builder);
  const [whole] = binary('Sub')(node, [inputs[0]!, remainder!], builder);
  return binary('Div')(node, [whole!, inputs[1]!], builder);
}

function concat(node: TfNode, inputs: readonly TfValue[], builder: GraphBuilder): readonly TfValue[] {
  const parts = inputs.slice(0, -1);
  const first = parts[0]!;
  const rank = first.shape.length;
  const axis = (intsOf(node, inputs.at(-1)!)[0]! + rank) % rank;
  const isPicture = rank === 4 && parts.every((part) => !isConstant(part) && part.layout === 'nchw');
  const tensors = parts.map((part) => (isPicture ? tensorOf(part, builder) : inTfOrder(part, builder)));
  const tensor = builder.node('Concat', tensors, { axis: { i: isPicture ? toNchw([0, 1, 2, 3]).indexOf(axis) : axis } });
  const shape = first.shape.with(axis, parts.reduce((sum, part) => sum + part.shape[axis]!, 0));
  return [{ tensor, shape, dtype: computedType(first), layout: isPicture ? 'nchw' : 'tf' }];
}

function reshape(node: TfNode, [input, target]: readonly TfValue[], builder: GraphBuilder): readonly TfValue[] {
  const value = computed(node, input!);
  const count = value.shape.reduce((product, size) => product * size, 1);
  const asked = intsOf(node, target!);
  const known = asked.filter((size) => size !== -1).reduce((product, size) => product * size, 1);
  const shape = asked.map((size) => (size === -1 ? count / known : size));
  if (value.layout === 'nchw' && shape.length === 2 && shape[0] === 1) {
    return [{ ...value, tensor: builder.node('Reshape', [value.tensor, builder.ints(shape)]), shape, layout: 'flat-nchw', pictureShape: value.shape }];
  }
  return [{ ...value, tensor: builder.node('Reshape', [inTfOrder(value, builder), builder.ints(shape)]), shape, layout: 'tf' }];
}

function expandDims(node: TfNode, [input, dim]: readonly TfValue[], builder: GraphBuilder): readonly TfValue[] {
  const value = computed(node, input!);
  const at = intsOf(node, dim!)[0]!;
  const axis = at < 0 ? at + value.shape.length + 1 : at;
  const shape = value.shape.toSpliced(axis, 0, 1);
  return [{ ...value, tensor: builder.node('Unsqueeze', [inTfOrder(value, builder), builder.ints([axis])]), shape, layout: 'tf' }];
}

function stridedSlice(node: TfNode, [input, begin, end, strides]: readonly TfValue[], builder: GraphBuilder): readonly TfValue[] {
  const value = computed(node, input!);
  for (const mask of ['ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask']) if (node.int(mask, 0) !== 0) throw unsupported(node, mask);
  const steps = intsOf(node, strides!);
  if (steps.some((step) => step < 1)) throw unsupported(node, 'negative strides');
  const isMasked = (mask: string, axis: number): boolean => ((node.int(mask, 0) >> axis) & 1) === 1;
  const inside = (at: number, size: number): number => Math.max(0, Math.min(size, at < 0 ? at + size : at));
  const starts = intsOf(node, begin!).map((at, axis) => (isMasked('begin_mask', axis) ? 0 : inside(at, value.shape[axis]!)));
  const ends = intsOf(node, end!).map((at, axis) => (isMasked('end_mask', axis) ? value.shape[axis]! : inside(at, value.shape[axis]!)));
  const shape = value.shape.map((size, axis) => (axis < starts.length ? Math.max(0, Math.ceil((ends[axis]! - starts[axis]!) / steps[axis]!)) : size));
  const ranges = [starts, ends, [...starts.keys()], steps].map((values) => builder.ints(values));
  return [{ ...value, tensor: builder.node('Slice', [inTfOrder(value, builder), ...ranges]), shape, layout: 'tf' }];
}

function gather(node: TfNode, [params, indices, axis]: readonly TfValue[], builder: GraphBuilder): readonly TfValue[] {
  const value = computed(node, params!);
  const at = intsOf(node, axis!)[0]!;
  if (node.int('batch_dims', 0) !== 0 || at < 0) throw unsupported(node, 'batch_dims or a negative axis');
  const tensor = builder.node('Gather', [inTfOrder(value, builder), inTfOrder(indices!, builder)], { axis: { i: at } });
  return [{ ...value, tensor, shape: value.shape.toSpliced(at, 1, ...indices!.shape), layout: 'tf' }];
}

/** The k greatest and where they are. On a flattened picture it works on the values as they lie and translates the few indices. */
function topK(node: TfNode, [input, k]: readonly TfValue[], builder: GraphBuilder): readonly TfValue[] {
  const value = computed(node, input!);
  const count = intsOf(node, k!)[0]!;
  const source = value.layout === 'flat-nchw' ? value.tensor : inTfOrder(value, builder);
  const [values, indices] = builder.nodes('TopK', [source, builder.ints([count])], 2, { axis: { i: -1 }, sorted: { i: node.bool('sorted') ? 1 : 0 } });
  const shape = value.shape.with(-1, count);
  const translated = value.layout === 'flat-nchw' ? flatNhwcIndex(indices!, value.pictureShape!, builder) : indices!;
  return [
    { tensor: values!, shape, dtype: 'float32', layout: 'tf' },
    { tensor: translated, shape, dtype: 'int64', layout: 'tf' },
  ];
}

/** Index c * H * W + pixel of a picture that lies as [C, H, W] to pixel * C + c, which it would have as [H, W, C]. */
function flatNhwcIndex(index: string, [, height, width, channels]: readonly number[], builder: GraphBuilder): string {
  const pixels = builder.ints([height! * width!]);
  const pixel = builder.node('Mod', [index, pixels]);
  const channel = builder.node('Div', [index, pixels]);
  return builder.node('Add', [builder.node('Mul', [pixel, builder.ints([channels!])]), channel]);
}

function cast(node: TfNode, [input]: readonly TfValue[], builder: GraphBuilder): readonly TfValue[] {
  const value = computed(node, input!);
  if (node.type('DstT') !== 'DT_FLOAT') throw unsupported(node, `to ${node.type('DstT')}`);
  return [{ ...value, tensor: builder.node('Cast', [value.tensor], { to: { i: 1 } }), dtype: 'float32' }];
}

function derive(value: TfValue, tensor: string): TfTensor {
  return isConstant(value) ? { tensor, shape: value.shape, dtype: 'float32', layout: 'tf' } : { ...value, tensor };
}

/** A value as it lies: for operations that don't care about the order of elements. */
function tensorOf(value: TfValue, builder: GraphBuilder): string {
  return isConstant(value) ? inTfOrder(value, builder) : value.tensor;
}

function computedType(value: TfValue): TfTensor['dtype'] {
  return value.dtype === 'int32' ? 'int64' : value.dtype;
}

function pictureOf(node: TfNode, value: TfValue): TfTensor {
  const tensor = computed(node, value);
  if (tensor.shape.length !== 4) throw unsupported(node, `of ${tensor.shape.length} dimensions`);
  return tensor;
}

function computed(node: TfNode, value: TfValue): TfTensor {
  if (isConstant(value)) throw unsupported(node, 'of a constant');
  return value;
}

function constantOf(node: TfNode, value: TfValue): TfConstant {
  if (!isConstant(value)) throw unsupported(node, 'with computed weights');
  return value;
}

function intsOf(node: TfNode, value: TfValue): number[] {
  return Array.from(constantOf(node, value).data);
}

function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => Math.max(a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1));
}

/** An operation, or a variant of one, that no importer here knows. */
export function unsupported(node: TfNode, detail: string): AppError {
  return new AppError('ERR_MODEL_UNSUPPORTED_OP', `Cannot import ${node.op} ${detail} (node ${node.name})`, {
    fix: `Known operations: ${Object.keys(TF_OPS).join(', ')}.`,
  });
}
