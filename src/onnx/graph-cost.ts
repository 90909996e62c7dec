import { inferTensors, type InferOptions } from './infer-shapes.js';
import { elementCount, intOf, type GraphProto, type NodeProto } from './model-proto.js';
import { elementBytes, type TensorFacts } from './tensor-facts.js';

/** What a network asks for, counted from its graph. */
export interface GraphCost {
  /**
   * Multiply-accumulates of convolutions (transposed ones too) and matrix products for one run; undefined where the shape of one could
   * not be followed from the input. Publications that count operations (FLOPs) say twice as much.
   */
  readonly macs: number | undefined;
  /** By the name of the node's output. */
  readonly macsByOutput: ReadonlyMap<string, number>;
  /** Weights and biases of convolutions and matrix products, slopes, scales and shifts of normalizations. Grids, shapes and the quantization's scales are none. */
  readonly parameters: number;
  /**
   * Most bytes of inputs and intermediate tensors that are needed at the same time, node after node in the order of the file, nothing
   * computed in place; undefined where a shape could not be followed. A runtime that fuses nodes needs less, one that doesn't reuse
   * memory more.
   */
  readonly peakActivationBytes: number | undefined;
}

type Tensors = ReadonlyMap<string, TensorFacts>;

export function graphCost(graph: GraphProto, options: InferOptions = {}): GraphCost {
  const tensors = inferTensors(graph, options);
  const counted = (graph.node ?? []).flatMap((node) => {
    const products = MACS[node.opType ?? ''];
    return products ? [[node.output![0]!, products(node, tensors)] as const] : [];
  });
  const known = counted.filter((entry): entry is readonly [string, number] => entry[1] !== undefined);
  const macs = known.length === counted.length ? known.reduce((sum, [, count]) => sum + count, 0) : undefined;
  return { macs, macsByOutput: new Map(known), parameters: countParameters(graph, tensors), peakActivationBytes: peakActivationBytes(graph, tensors) };
}

/** Multiply-accumulates of one node. */
type CountMacs = (node: NodeProto, tensors: Tensors) => number | undefined;

const MACS: Readonly<Record<string, CountMacs>> = {
  Conv: (node, tensors) => perOutput(node, tensors, filterSize(node, tensors, 1)),
  ConvInteger: (node, tensors) => perOutput(node, tensors, filterSize(node, tensors, 1)),
  QLinearConv: (node, tensors) => perOutput(node, tensors, filterSize(node, tensors, 3)),
  ConvTranspose: transposedMacs,
  Gemm: (node, tensors) => perOutput(node, tensors, dimsAt(node, tensors, 0)?.at(intOf(node, 'transA', 0) === 1 ? 0 : 1)),
  MatMul: (node, tensors) => perOutput(node, tensors, dimsAt(node, tensors, 0)?.at(-1)),
  MatMulInteger: (node, tensors) => perOutput(node, tensors, dimsAt(node, tensors, 0)?.at(-1)),
  QLinearMatMul: (node, tensors) => perOutput(node, tensors, dimsAt(node, tensors, 0)?.at(-1)),
};

function dimsAt(node: NodeProto, tensors: Tensors, input: number): readonly number[] | undefined {
  return tensors.get(node.input?.[input] ?? '')?.dims;
}

/** Every value of the output is a sum of so many products. */
function perOutput(node: NodeProto, tensors: Tensors, products: number | undefined): number | undefined {
  const dims = tensors.get(node.output![0]!)?.dims;
  return dims && products !== undefined ? elementCount(dims) * products : undefined;
}

/** Channels of the group times the window. */
function filterSize(node: NodeProto, tensors: Tensors, weightIndex: number): number | undefined {
  const weight = dimsAt(node, tensors, weightIndex);
  return weight && elementCount(weight.slice(1));
}

/** Every value of the input goes into a window of each filter of its group. */
function transposedMacs(node: NodeProto, tensors: Tensors): number | undefined {
  const [input, weight] = [dimsAt(node, tensors, 0), dimsAt(node, tensors, 1)];
  return input && weight && elementCount(input) * elementCount(weight.slice(1));
}

/** Inputs of an operator that hold what training found. */
const PARAMETER_INPUTS: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvInteger: [1],
  QLinearConv: [3, 8],
  ConvTranspose: [1, 2],
  Gemm: [1, 2],
  MatMul: [0, 1],
  MatMulInteger: [0, 1],
  QLinearMatMul: [0, 3],
  BatchNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  PRelu: [1],
};

/** What stands between a stored weight and the node that uses it. */
const UNPACKING = new Set(['DequantizeLinear', 'Identity', 'Cast', 'QuantizeLinear']);

function countParameters(graph: GraphProto, tensors: Tensors): number {
  const constants = new Set([...(graph.initializer ?? []).map(({ name }) => name!), ...(graph.node ?? []).filter(({ opType }) => opType === 'Constant').map(({ output }) => output![0]!)]);
  const packed = new Map((graph.node ?? []).filter(({ opType }) => UNPACKING.has(opType ?? '')).map(({ input, output }) => [output![0]!, input![0]!]));
  const stored = (name: string): string => (packed.has(name) ? stored(packed.get(name)!) : name);
  const used = (graph.node ?? []).flatMap((node) => (PARAMETER_INPUTS[node.opType ?? ''] ?? []).map((index) => stored(node.input?.[index] ?? '')));
  // A weight that two nodes share is one.
  return [...new Set(used)].filter((name) => constants.has(name)).reduce((sum, name) => sum + elementCount(tensors.get(name)?.dims ?? [0]), 0);
}

function peakActivationBytes(graph: GraphProto, tensors: Tensors): number | undefined {
  const nodes = graph.node ?? [];
  const lastUse = new Map<string, number>();
  for (const [place, { input = [] }] of nodes.entries()) for (const name of input!) lastUse.set(name, place);
  for (const { name } of graph.output ?? []) lastUse.set(name!, nodes.length);
  const constants = constantTensors(graph);
  const bytesOf = (name: string): number => {
    if (!name || constants.has(name)) return 0;
    const { dims, dataType } = tensors.get(name) ?? { dims: undefined, dataType: 'other' };
    return dims ? elementCount(dims) * elementBytes(dataType) : Number.NaN;
  };
  const computed = new Set(nodes.flatMap(({ output }) => output!));
  let live = (graph.input ?? []).filter(({ name }) => !computed.has(name!)).reduce((sum, { name }) => sum + bytesOf(name!), 0);
  let peak = live;
  for (const [place, { input = [], output = [] }] of nodes.entries()) {
    live += output!.reduce((sum, name) => sum + bytesOf(name), 0);
    peak = Math.max(peak, live);
    const done = [...new Set([...input!, ...output!])].filter((name) => (lastUse.get(name) ?? -1) <= place);
    live -= done.reduce((sum, name) => sum + bytesOf(name), 0);
  }
  return Number.isNaN(peak) ? undefined : peak;
}

/** Initializers, Constant nodes, and what is computed from these alone: a runtime does that once, when it loads the model. */
function constantTensors(graph: GraphProto): ReadonlySet<string> {
  const constants = new Set((graph.initializer ?? []).map(({ name }) => name!));
  for (const { input = [], output = [], attribute } of graph.node ?? []) {
    const hasSubgraph = attribute?.some(({ g }) => g) ?? false;
    if (!hasSubgraph && input!.every((name) => !name || constants.has(name))) for (const name of output!) constants.add(name);
  }
  return constants;
}
