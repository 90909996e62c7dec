import { graphCost } from './graph-cost.js';
import { decodeModel, dimsOf, elementCount, feedsOf, graphOf, metadataOf, opsetOf, valueFacts, type ModelMetadata, type ValueFacts } from './model-proto.js';

/** What a file says about itself. */
export interface ModelFacts {
  readonly inputs: readonly ValueFacts[];
  readonly outputs: readonly ValueFacts[];
  readonly opset: number;
  readonly producer: string;
  /** Nodes by operator, most frequent first. */
  readonly opCounts: readonly (readonly [opType: string, count: number])[];
  /** Elements of all initializers. */
  readonly parameters: number;
  /** Multiply-accumulates of all convolutions for one picture; undefined where a shape could not be followed. */
  readonly convolutionMacs: number | undefined;
  readonly metadata: ModelMetadata;
}

/** @throws AppError ERR_MODEL_CORRUPT */
export function inspectModel(bytes: Uint8Array): ModelFacts {
  const model = decodeModel(bytes);
  const graph = graphOf(model);
  const counts = new Map<string, number>();
  for (const { opType } of graph.node ?? []) counts.set(opType ?? '', (counts.get(opType ?? '') ?? 0) + 1);
  return {
    inputs: feedsOf(graph).map(valueFacts),
    outputs: (graph.output ?? []).map(valueFacts),
    opset: opsetOf(model),
    producer: model.producerName,
    opCounts: [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])),
    parameters: (graph.initializer ?? []).reduce((sum, tensor) => sum + elementCount(dimsOf(tensor)), 0),
    convolutionMacs: graphCost(graph).macs,
    metadata: metadataOf(model),
  };
}
