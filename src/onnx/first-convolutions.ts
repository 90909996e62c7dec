import { attributeOf, constantOf, dimsOf, intOf, tensorData, type GraphProto, type NodeProto, DATA_TYPES } from './model-proto.js';

/** Where a picture meets its first weights. */
export interface FirstConvolutions {
  readonly convolutions: readonly NodeProto[];
  /** Tensors that still are nothing but rearranged pixels: the picture, its slices and stacks of them. */
  readonly between: readonly string[];
}

/**
 * Follows a picture of [1, 3, H, W] through nodes that only move pixels (spatial slices, stacking of channels, as in a Focus layer) to
 * the convolutions that read it; undefined where anything else reads it, so that its channels have to stay as they are.
 */
export function findFirstConvolutions(graph: GraphProto, picture: string): FirstConvolutions | undefined {
  // Channels of each tensor that still consists of pixels, always whole triples.
  const pixels = new Map([[picture, 3]]);
  const convolutions: NodeProto[] = [];
  for (const node of graph.node ?? []) {
    if (!node.input?.some((name) => pixels.has(name))) continue;
    if (isFoldable(graph, node, pixels)) {
      convolutions.push(node);
      continue;
    }
    const channels = movedChannels(graph, node, pixels);
    if (channels === undefined) return undefined;
    pixels.set(node.output![0]!, channels);
  }
  const isOutput = graph.output?.some(({ name }) => pixels.has(name ?? ''));
  return isOutput || convolutions.length === 0 ? undefined : { convolutions, between: [...pixels.keys()] };
}

function isFoldable(graph: GraphProto, node: NodeProto, pixels: ReadonlyMap<string, number>): boolean {
  if (node.opType !== 'Conv' || intOf(node, 'group', 1) !== 1) return false;
  const weight = constantOf(graph, node.input![1]!);
  const bias = node.input![2];
  if (weight?.dataType !== DATA_TYPES.float32) return false;
  if (bias && constantOf(graph, bias)?.dataType !== DATA_TYPES.float32) return false;
  const dims = dimsOf(weight);
  return dims.length === 4 && dims[1] === pixels.get(node.input![0]!);
}

/** Channels of the output of a node that only moves pixels; undefined for any other node. */
function movedChannels(graph: GraphProto, node: NodeProto, pixels: ReadonlyMap<string, number>): number | undefined {
  const inputs = node.input!;
  if (node.opType === 'Identity') return pixels.get(inputs[0]!);
  if (node.opType === 'Slice') return isSpatialSlice(graph, node) ? pixels.get(inputs[0]!) : undefined;
  if (node.opType !== 'Concat' || intOf(node, 'axis', 0) !== 1) return undefined;
  const channels = inputs.map((name) => pixels.get(name));
  return channels.every((count) => count !== undefined) ? channels.reduce((sum, count) => sum + count, 0) : undefined;
}

/** True for slices along height and width only. Axes are an input since opset 10 and an attribute before. */
function isSpatialSlice(graph: GraphProto, node: NodeProto): boolean {
  const name = node.input![3];
  const tensor = name ? constantOf(graph, name) : undefined;
  const axes = tensor ? Array.from(tensorData(tensor), Number) : attributeOf(node, 'axes')?.ints?.map(Number);
  return axes !== undefined && axes.length > 0 && axes.every((axis) => axis === 2 || axis === 3 || axis === -1 || axis === -2);
}

