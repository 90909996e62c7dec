import { GraphEditor, unsupported } from '../graph-editor.js';
import { inferTensors } from '../infer-shapes.js';
import { attributeOf, DATA_TYPES, dimsOf, float16Value, graphOf, makeTensor, tensorData, type GraphProto, type ModelProto, type NodeProto, type TensorProto, type ValueInfoProto } from '../model-proto.js';

const BFLOAT16 = 16;

/** What was changed. */
export interface Widened {
  readonly weights: number;
  readonly casts: number;
  readonly values: number;
  /** Casts that had nothing left to do. */
  readonly removed: number;
}

/** Attributes that hold an element type as ONNX numbers them. */
const TYPE_ATTRIBUTES = ['to', 'dtype', 'output_dtype'];

/**
 * Makes a half-precision model a float32 one, in place: weights, constants, casts, inputs and outputs. onnxruntime's CPU kernels compute
 * float32 anyway and would convert back and forth around every node. The values stay those that were stored.
 *
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP for bfloat16, which names the tensor or node.
 */
export function widenFloat16(model: ModelProto): Widened {
  const count = { weights: 0, casts: 0, values: 0 };
  widenGraph(graphOf(model), count);
  return { ...count, removed: removeIdleCasts(model) };
}

/**
 * Casts from float32 to float32: weights that were stored in half become constants of their convolutions again, and the picture
 * reaches the first one directly.
 *
 * @returns how many there were.
 */
function removeIdleCasts(model: ModelProto): number {
  const editor = new GraphEditor(model);
  // What the branches of an If read from around them would have to be renamed, too.
  if (editor.nodes.some(({ attribute }) => attribute?.some(({ g }) => g))) return 0;
  const tensors = inferTensors(editor.graph);
  const idle = editor.nodes.filter(
    (node) => node.opType === 'Cast' && Number(attributeOf(node, 'to')?.i) === DATA_TYPES.float32 && tensors.get(node.input![0]!)?.dataType === 'float32' && !editor.isOutput(node.output![0]!),
  );
  // In the order of execution, so that a chain of casts ends at its beginning.
  for (const node of idle) editor.redirect(node.output![0]!, node.input![0]!);
  editor.remove(...idle);
  return idle.length;
}

/** Whether anything in the graph itself is of half precision. */
export function hasFloat16(graph: GraphProto): boolean {
  return (
    (graph.initializer ?? []).some(isHalf) ||
    [...(graph.input ?? []), ...(graph.output ?? [])].some((value) => value.type?.tensorType?.elemType === DATA_TYPES.float16) ||
    (graph.node ?? []).some((node) => isHalf(attributeOf(node, 'value')?.t) || TYPE_ATTRIBUTES.some((name) => Number(attributeOf(node, name)?.i) === DATA_TYPES.float16))
  );
}

function isHalf(tensor: TensorProto | null | undefined): boolean {
  return tensor?.dataType === DATA_TYPES.float16;
}

function widenGraph(graph: GraphProto, count: { weights: number; casts: number; values: number }): void {
  graph.initializer = (graph.initializer ?? []).map((tensor) => {
    if (!isHalf(tensor)) return tensor;
    count.weights += 1;
    return widenTensor(tensor);
  });
  for (const value of [...(graph.input ?? []), ...(graph.output ?? []), ...(graph.valueInfo ?? [])]) count.values += widenValue(value);
  for (const node of graph.node ?? []) {
    count.casts += widenTypes(node);
    for (const attribute of node.attribute ?? []) {
      if (isHalf(attribute.t)) {
        attribute.t = widenTensor(attribute.t!);
        count.weights += 1;
      }
      for (const inner of [...(attribute.g ? [attribute.g] : []), ...(attribute.graphs ?? [])]) widenGraph(inner, count);
    }
  }
}

function widenTensor(tensor: TensorProto): TensorProto {
  const bits = tensorData(tensor) as Uint16Array;
  return makeTensor(tensor.name ?? '', 'float32', dimsOf(tensor), Float32Array.from(bits, float16Value));
}

function widenValue(value: ValueInfoProto): number {
  const type = value.type?.tensorType;
  if (type?.elemType !== DATA_TYPES.float16) return 0;
  type.elemType = DATA_TYPES.float32;
  return 1;
}

function widenTypes(node: NodeProto): number {
  let changed = 0;
  for (const name of TYPE_ATTRIBUTES) {
    const attribute = attributeOf(node, name);
    const type = Number(attribute?.i ?? 0);
    if (type === BFLOAT16) throw unsupported(node, 'casts to bfloat16');
    if (!attribute || type !== DATA_TYPES.float16) continue;
    attribute.i = DATA_TYPES.float32;
    changed += 1;
  }
  return changed;
}
