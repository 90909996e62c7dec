import { constantOf, dimsOf, elementCount, makeTensor, tensorData, type GraphProto, type NodeProto, type TensorData, type TensorProto } from '../model-proto.js';

/** What turns a picture's bytes into the numbers of its first convolutions, value by value. */
const VALUE_STEPS: ReadonlySet<string> = new Set(['Cast', 'DequantizeLinear', 'Sub']);

/**
 * Lets a network that takes bytes read its colour planes in another order, by moving the weights of its first convolutions: nothing is
 * left to do a frame. Works through Cast, DequantizeLinear and Sub, on float and on quantized weights.
 *
 * @param order for each plane as it will come, which plane of the network it is.
 * @returns false, with nothing changed, where something other than ungrouped convolutions reads the picture.
 */
export function reorderPlanes(graph: GraphProto, picture: string, order: readonly number[]): boolean {
  const changes: (() => void)[] = [];
  if (!collect(graph, picture, order, changes)) return false;
  for (const change of changes) change();
  return true;
}

function collect(graph: GraphProto, tensor: string, order: readonly number[], changes: (() => void)[]): boolean {
  const readers = (graph.node ?? []).filter(({ input }) => input?.includes(tensor));
  if (readers.length === 0 || graph.output?.some(({ name }) => name === tensor)) return false;
  return readers.every((node) => (node.opType === 'Conv' ? collectConvolution(graph, node, tensor, order, changes) : collectStep(graph, node, tensor, order, changes)));
}

function collectStep(graph: GraphProto, node: NodeProto, tensor: string, order: readonly number[], changes: (() => void)[]): boolean {
  if (!VALUE_STEPS.has(node.opType ?? '') || node.input![0] !== tensor) return false;
  for (const [index, name] of node.input!.entries()) {
    const constant = index > 0 ? constantOf(graph, name) : undefined;
    if (index > 0 && !constant) return false;
    if (!constant || elementCount(dimsOf(constant)) === 1) continue;
    if (node.opType !== 'Sub' || dimsOf(constant).join() !== '1,3,1,1') return false;
    changes.push(() => (node.input![index] = addReordered(graph, constant, order)));
  }
  return collect(graph, node.output![0]!, order, changes);
}

function collectConvolution(graph: GraphProto, node: NodeProto, tensor: string, order: readonly number[], changes: (() => void)[]): boolean {
  if (node.input![0] !== tensor) return false;
  const reader = graph.node!.find(({ output }) => output?.includes(node.input![1]!));
  // Quantized weights stand behind a DequantizeLinear of their own.
  const [owner, index] = reader?.opType === 'DequantizeLinear' ? [reader, 0] : [node, 1];
  const weight = constantOf(graph, owner.input![index]!);
  if (!weight || dimsOf(weight)[1] !== order.length) return false;
  changes.push(() => (owner.input![index] = addReordered(graph, weight, order)));
  return true;
}

/** A copy with the second axis in the new order. */
function addReordered(graph: GraphProto, tensor: TensorProto, order: readonly number[]): string {
  const dims = dimsOf(tensor);
  const old = tensorData(tensor);
  const data = old.slice() as TensorData;
  const inner = elementCount(dims.slice(2));
  const outer = dims[0]!;
  for (let row = 0; row < outer; row += 1) {
    for (const [plane, from] of order.entries()) {
      const source = (row * order.length + from) * inner;
      (data as Float32Array).set((old as Float32Array).subarray(source, source + inner), (row * order.length + plane) * inner);
    }
  }
  const type = data instanceof Int8Array ? 'int8' : 'float32';
  const reordered = makeTensor(`${tensor.name ?? 'weight'}_planes_${order.join('')}`, type, dims, data);
  graph.initializer = [...(graph.initializer ?? []).filter(({ name }) => name !== reordered.name), reordered];
  return reordered.name!;
}
