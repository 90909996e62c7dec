import { AppError } from '../../core/errors.js';
import type { ModelInput } from '../../core/manifest.js';
import { reorderPlanes } from '../prepare/frame-planes.js';
import { decodeModel, encodeModel, graphOf, type GraphProto } from '../model-proto.js';
import { FRAME_INPUT } from '../prepare/prepare-input.js';

/** Planes of a frame in order. */
const FRAME_PLANES = ['g', 'b', 'r'] as const;
const CHANNELS = { rgb: ['r', 'g', 'b'], bgr: ['b', 'g', 'r'] } as const;

/**
 * Turns a network that takes frames into a model that a manifest can describe: bytes of red, green and blue in the order of its
 * parent, everything else of the input already in the weights.
 *
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP where the planes can't be put in that order.
 */
export function toInstallable(prepared: Uint8Array, parent: ModelInput): { readonly onnx: Uint8Array; readonly input: ModelInput } {
  const model = decodeModel(prepared);
  const graph = graphOf(model);
  const isOrdered = removeGather(graph) || reorderPlanes(graph, FRAME_INPUT, CHANNELS[parent.color].map((channel) => FRAME_PLANES.indexOf(channel)));
  if (!isOrdered) throw new AppError('ERR_MODEL_UNSUPPORTED_OP', `What reads the input ${FRAME_INPUT} has no weights for its colours`);
  const input: ModelInput = { ...parent, name: FRAME_INPUT, layout: 'nchw', dtype: 'uint8', scale: 1, mean: [0, 0, 0] };
  return { onnx: encodeModel(model), input };
}

/** A model whose first steps couldn't be folded has its planes put in order by a Gather: without it, it takes them in that order. */
function removeGather(graph: GraphProto): boolean {
  const [gather] = (graph.node ?? []).filter(({ opType, input }) => opType === 'Gather' && input?.[0] === FRAME_INPUT);
  if (!gather) return false;
  graph.node = graph.node!.filter((node) => node !== gather);
  for (const node of graph.node) node.input = node.input?.map((name) => (name === gather.output![0] ? FRAME_INPUT : name)) ?? [];
  return true;
}
