import { AppError } from '../../core/errors.js';
import { unsupported } from '../graph-editor.js';
import { attributeOf, graphOf, intOf, makeTensor, opsetOf, type GraphProto, type ModelProto, type NodeProto } from '../model-proto.js';

/** The first version with scales per channel, as quantized weights need them. */
export const QUANTIZED_OPSET = 13;
/** Below it, operators changed in more ways than exports of detectors are worth following. */
const OLDEST_OPSET = 11;

/** Attributes that became inputs with opset 13. */
const MOVED_TO_INPUT: Readonly<Record<string, string>> = { Squeeze: 'axes', Unsqueeze: 'axes', ReduceSum: 'axes', Split: 'split' };
/** Their default changed with opset 13 from "all after axis 1" to the last axis. */
const CHANGED_AXIS: ReadonlySet<string> = new Set(['Softmax', 'LogSoftmax', 'Hardmax']);

/**
 * Lifts a model to the opset that quantized graphs need; a newer one stays as it is.
 *
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP where it is older than opset 11, or names the node that opset 13 reads in another way.
 */
export function raiseOpset(model: ModelProto): void {
  const version = opsetOf(model);
  if (version >= QUANTIZED_OPSET) return;
  if (version < OLDEST_OPSET) {
    throw new AppError('ERR_MODEL_UNSUPPORTED_OP', `The model has opset ${version}, quantization reads ${OLDEST_OPSET} and newer`, { fix: 'Export it again with opset 13 or newer.' });
  }
  const graph = graphOf(model);
  for (const node of graph.node ?? []) raiseNode(graph, node);
  for (const entry of model.opsetImport) if (!entry.domain || entry.domain === 'ai.onnx') entry.version = QUANTIZED_OPSET;
}

function raiseNode(graph: GraphProto, node: NodeProto): void {
  if (CHANGED_AXIS.has(node.opType ?? '') && intOf(node, 'axis', 1) !== -1) throw unsupported(node, `opset ${QUANTIZED_OPSET} reads its axis in another way`);
  const name = MOVED_TO_INPUT[node.opType ?? ''];
  const attribute = name === undefined ? undefined : attributeOf(node, name);
  if (!attribute) return;
  const values = BigInt64Array.from((attribute.ints ?? []).map((value) => BigInt(Number(value))));
  const tensor = makeTensor(`${node.output![0]!}_${name!}`, 'int64', [values.length], values);
  graph.initializer = [...(graph.initializer ?? []), tensor];
  node.input = [node.input![0]!, tensor.name!];
  node.attribute = node.attribute!.filter((other) => other !== attribute);
}
