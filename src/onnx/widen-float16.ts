import { unsupported } from './graph-editor.js';
import { attributeOf, DATA_TYPES, dimsOf, float16Value, graphOf, makeTensor, tensorData, type GraphProto, type ModelProto, type NodeProto, type TensorProto, type ValueInfoProto } from './model-proto.js';

const BFLOAT16 = 16;

/** What was changed. */
export interface Widened {
  readonly weights: number;
  readonly casts: number;
  readonly values: number;
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
  return count;
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
