import { constantOf, dimsOf, elementCount, feedsOf, intOf, intsOf, tensorData, textOf, valueFacts, type GraphProto, type NodeProto } from './model-proto.js';

/** Shapes by tensor; a tensor that is missing could not be followed. */
type Shapes = Map<string, readonly number[]>;
type ShapeRule = (node: NodeProto, shapes: Shapes, graph: GraphProto) => readonly number[] | undefined;

/**
 * Sizes of the tensors of a graph, followed from the input (or as the exporter wrote them down). A tensor that is missing could not be
 * followed: an operator without a rule here, or an input that leaves its size open.
 */
export function inferShapes(graph: GraphProto): ReadonlyMap<string, readonly number[]> {
  const shapes = knownShapes(graph);
  for (const node of graph.node ?? []) {
    const shape = shapes.get(node.output![0]!) ?? RULES[node.opType ?? '']?.(node, shapes, graph);
    if (shape) shapes.set(node.output![0]!, shape);
  }
  return shapes;
}

/** Whatever the file itself states, of inputs and of shapes that an exporter wrote down. */
function knownShapes(graph: GraphProto): Shapes {
  const stated = [...feedsOf(graph), ...(graph.valueInfo ?? []), ...(graph.output ?? [])].map(valueFacts);
  const fixed = stated.filter(({ dims }) => dims.length > 0 && dims.every((dim) => typeof dim === 'number'));
  return new Map(fixed.map(({ name, dims }) => [name, dims as readonly number[]]));
}

const same: ShapeRule = (node, shapes) => shapes.get(node.input![0]!);

/** Enough operators for the convolutional part of detectors; a head's reshapes come after the last convolution. */
const RULES: Readonly<Record<string, ShapeRule>> = {
  Conv: (node, shapes, graph) => {
    const weight = weightDims(node, graph);
    return weight && slidingWindow(node, shapes, weight.slice(2), weight[0]);
  },
  MaxPool: (node, shapes) => slidingWindow(node, shapes, intsOf(node, 'kernel_shape') ?? []),
  AveragePool: (node, shapes) => slidingWindow(node, shapes, intsOf(node, 'kernel_shape') ?? []),
  GlobalAveragePool: (node, shapes) => shapes.get(node.input![0]!)?.map((size, axis) => (axis < 2 ? size : 1)),
  ReduceMean: (node, shapes) => shapes.get(node.input![0]!)?.map((size, axis) => (axis < 2 ? size : 1)),
  Concat: concat,
  Resize: (node, shapes, graph) => resized(node, shapes, graph, node.input![2], node.input![3]),
  Upsample: (node, shapes, graph) => resized(node, shapes, graph, node.input![1], undefined),
  Slice: sliced,
  Transpose: (node, shapes) => {
    const shape = shapes.get(node.input![0]!);
    return shape && intsOf(node, 'perm')?.map((axis) => shape[axis]!);
  },
  Add: broadcast,
  Sub: broadcast,
  Mul: broadcast,
  Div: broadcast,
  ...Object.fromEntries(
    ['Relu', 'LeakyRelu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Clip', 'Tanh', 'Softplus', 'Mish', 'Elu', 'PRelu', 'BatchNormalization', 'Identity', 'Cast', 'Dropout'].map((op) => [op, same]),
  ),
};

function weightDims(node: NodeProto, graph: GraphProto): number[] | undefined {
  const weight = constantOf(graph, node.input![1]!);
  return weight && dimsOf(weight);
}

/** Output of a convolution or pooling, by ONNX's formula. */
function slidingWindow(node: NodeProto, shapes: Shapes, kernel: readonly number[], channels?: number): readonly number[] | undefined {
  const shape = shapes.get(node.input![0]!);
  if (shape?.length !== kernel.length + 2) return undefined;
  const strides = intsOf(node, 'strides');
  const dilations = intsOf(node, 'dilations');
  const pads = intsOf(node, 'pads');
  const round = intOf(node, 'ceil_mode', 0) === 1 ? Math.ceil : Math.floor;
  const autoPad = textOf(node, 'auto_pad');
  const spatial = kernel.map((size, axis) => {
    const input = shape[axis + 2]!;
    const stride = strides?.[axis] ?? 1;
    if (autoPad.startsWith('SAME')) return Math.ceil(input / stride);
    const padding = (pads?.[axis] ?? 0) + (pads?.[axis + kernel.length] ?? 0);
    return round((input + padding - (dilations?.[axis] ?? 1) * (size - 1) - 1) / stride) + 1;
  });
  return [shape[0]!, channels ?? shape[1]!, ...spatial];
}

function concat(node: NodeProto, shapes: Shapes): readonly number[] | undefined {
  const parts = node.input!.map((name) => shapes.get(name));
  const [first] = parts;
  if (!first || parts.some((part) => !part)) return undefined;
  const axis = (intOf(node, 'axis', 0) + first.length) % first.length;
  return first.with(axis, parts.reduce((sum, part) => sum + part![axis]!, 0));
}

function resized(node: NodeProto, shapes: Shapes, graph: GraphProto, scalesName: string | undefined, sizesName: string | undefined): readonly number[] | undefined {
  const shape = shapes.get(node.input![0]!);
  const sizes = numbersOf(graph, sizesName);
  if (sizes && sizes.length === shape?.length) return sizes;
  const scales = numbersOf(graph, scalesName);
  return scales?.length === shape?.length ? shape?.map((size, axis) => Math.floor(size * scales![axis]!)) : undefined;
}

function sliced(node: NodeProto, shapes: Shapes, graph: GraphProto): readonly number[] | undefined {
  const shape = shapes.get(node.input![0]!);
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((input) => numbersOf(graph, node.input![input]));
  if (!shape || !starts || !ends || !axes) return undefined;
  const result = [...shape];
  for (const [i, axis] of axes.entries()) {
    const size = shape.at(axis)!;
    const bound = (value: number): number => Math.max(0, Math.min(size, value < 0 ? value + size : value));
    result[(axis + shape.length) % shape.length] = Math.max(0, Math.ceil((bound(ends[i]!) - bound(starts[i]!)) / (steps?.[i] ?? 1)));
  }
  return result;
}

function broadcast(node: NodeProto, shapes: Shapes, graph: GraphProto): readonly number[] | undefined {
  const [a, b] = node.input!.map((name) => shapes.get(name) ?? constantDims(graph, name));
  if (!a || !b) return undefined;
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  const offset = long.length - short.length;
  return long.map((size, axis) => (axis < offset ? size : Math.max(size, short[axis - offset]!)));
}

function constantDims(graph: GraphProto, name: string): number[] | undefined {
  const tensor = constantOf(graph, name);
  return tensor && dimsOf(tensor);
}

function numbersOf(graph: GraphProto, name: string | undefined): number[] | undefined {
  const tensor = name ? constantOf(graph, name) : undefined;
  return tensor && elementCount(dimsOf(tensor)) > 0 ? Array.from(tensorData(tensor), Number) : undefined;
}
