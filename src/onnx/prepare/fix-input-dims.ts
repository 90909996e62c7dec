import { AppError } from '../../core/errors.js';
import type { ModelInput } from '../../core/manifest.js';
import { feedsOf, valueFacts, type GraphProto, type ValueInfoProto } from '../model-proto.js';

/**
 * Writes the batch of one and the picture size of the manifest into a graph whose input leaves them open, and into every shape that
 * names the same symbols.
 *
 * @throws AppError ERR_MODEL_MANIFEST where the graph's input is another than the manifest's.
 */
export function fixInputDims(graph: GraphProto, input: ModelInput): void {
  const feeds = feedsOf(graph);
  const [feed] = feeds;
  if (!feed || feeds.length > 1) throw mismatch(`one input named ${input.name}`, feeds.map(({ name }) => name).join(', ') || 'none');
  const { name, dataType, dims } = valueFacts(feed);
  if (name !== input.name) throw mismatch(`an input named ${input.name}`, name);
  if (dataType !== input.dtype) throw mismatch(`an input of ${input.dtype}`, dataType);
  const wanted = input.layout === 'nchw' ? [1, 3, input.height, input.width] : [1, input.height, input.width, 3];
  const fits = dims.length === wanted.length && dims.every((dim, axis) => typeof dim === 'string' || dim === wanted[axis]);
  // A graph may keep its input's shape to itself altogether.
  if (!fits && dims.length > 0) throw mismatch(`an input of ${wanted.join('x')}`, dims.join('x'));
  const sizes = new Map(dims.flatMap((dim, axis) => (typeof dim === 'string' && dim !== '?' ? [[dim, wanted[axis]!] as const] : [])));
  for (const value of [...(graph.output ?? []), ...(graph.valueInfo ?? [])]) fixDims(value, sizes);
}

function fixDims(value: ValueInfoProto, sizes: ReadonlyMap<string, number>): void {
  for (const dim of value.type?.tensorType?.shape?.dim ?? []) {
    const size = sizes.get(dim.dimParam ?? '');
    if (size === undefined) continue;
    delete dim.dimParam;
    dim.dimValue = size;
  }
}

function mismatch(expected: string, found: string): AppError {
  return new AppError('ERR_MODEL_MANIFEST', `Expected ${expected} in the model but found ${found}`, { fix: 'Correct `input` of the manifest, or add the model anew.' });
}
