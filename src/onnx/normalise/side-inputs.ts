import type { Size } from '../../core/size.js';
import { feedsOf, graphOf, makeTensor, valueFacts, type GraphProto, type ModelProto, type TensorProto, type ValueFacts } from '../model-proto.js';

/** Names of inputs beside the picture that exporters use, and what they hold for a picture that fills the model's input. */
const SIDE_INPUTS: readonly { readonly names: RegExp; readonly values: (size: Size) => readonly number[]; readonly meaning: string }[] = [
  { names: /^scale_?factor$/i, values: () => [1, 1], meaning: 'boxes in pixels of the input' },
  { names: /^(im|img|image|ori|origin)_?(shape|size)(:\d+)?$/i, values: ({ width, height }) => [height, width], meaning: 'height and width of the input' },
];

/** An input that became a constant. */
export interface BoundInput {
  readonly name: string;
  readonly values: readonly number[];
  readonly meaning: string;
}

/**
 * Inputs that are pictures, by their four dimensions; one where the model is a detector of single pictures. An input without a stated
 * shape may be one.
 */
export function pictureInputs(graph: GraphProto): readonly ValueFacts[] {
  const feeds = feedsOf(graph).map(valueFacts);
  return feeds.length === 1 ? feeds : feeds.filter(({ dims }) => dims.length === 4);
}

/** Turns known inputs beside the picture (scale factor, picture size) into constants, in place; others stay. */
export function bindSideInputs(model: ModelProto, size: Size): BoundInput[] {
  const graph = graphOf(model);
  const bound: BoundInput[] = [];
  for (const feed of feedsOf(graph)) {
    const facts = valueFacts(feed);
    const known = facts.dims.length < 4 ? SIDE_INPUTS.find(({ names }) => names.test(facts.name)) : undefined;
    const tensor = known && constantFor(facts, known.values(size));
    if (!known || !tensor) continue;
    graph.initializer = [...(graph.initializer ?? []), tensor];
    graph.input = (graph.input ?? []).filter((value) => value !== feed);
    bound.push({ name: facts.name, values: known.values(size), meaning: known.meaning });
  }
  return bound;
}

/** A vector of two, or one a picture. */
function constantFor({ name, dataType, dims }: ValueFacts, values: readonly number[]): TensorProto | undefined {
  const shape = dims.length === 2 ? [1, values.length] : [values.length];
  if (dataType === 'float32') return makeTensor(name, dataType, shape, Float32Array.from(values));
  if (dataType === 'int64') return makeTensor(name, dataType, shape, BigInt64Array.from(values, BigInt));
  return dataType === 'int32' ? makeTensor(name, dataType, shape, Int32Array.from(values)) : undefined;
}
