import { inferShapes } from './infer-shapes.js';
import { constantOf, dimsOf, elementCount, type GraphProto, type NodeProto } from './model-proto.js';

/** What a network asks for, counted from its graph. */
export interface GraphCost {
  /** Multiply-accumulates of all convolutions; undefined where the shape of one could not be followed from the input. */
  readonly macs: number | undefined;
  /** By the name of the convolution's output. */
  readonly macsByOutput: ReadonlyMap<string, number>;
}

export function graphCost(graph: GraphProto): GraphCost {
  const shapes = inferShapes(graph);
  const convolutions = (graph.node ?? []).filter(({ opType }) => opType === 'Conv');
  const counted = convolutions.map((node) => [node.output![0]!, convolutionMacs(node, graph, shapes)] as const);
  const known = counted.filter((entry): entry is readonly [string, number] => entry[1] !== undefined);
  const macs = known.length === counted.length ? known.reduce((sum, [, count]) => sum + count, 0) : undefined;
  return { macs, macsByOutput: new Map(known) };
}

/** Every value of the output is a sum over a filter: of its channels in the group and its window. */
function convolutionMacs(node: NodeProto, graph: GraphProto, shapes: ReadonlyMap<string, readonly number[]>): number | undefined {
  const shape = shapes.get(node.output![0]!);
  const weight = constantOf(graph, node.input![1]!);
  return shape && weight && elementCount(shape) * elementCount(dimsOf(weight).slice(1));
}
