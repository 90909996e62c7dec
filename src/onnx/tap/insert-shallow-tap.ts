import { AppError } from '../../core/errors.js';
import { GraphEditor } from '../graph-editor.js';
import { decodeModel, encodeModel, feedsOf, graphOf, makeNode, makeValueInfo, valueFacts, type ModelProto } from '../model-proto.js';
import { findShallowFeatures, type ShallowFeatures } from './shallow-features.js';

/** Part of the key of tapped files: a new number makes every store insert its taps anew. */
export const TAP_VERSION = 1;

/** Name of the output with the features. */
const TAP_OUTPUT = 'guard_tap';
const DEFAULT_STRIDE = 4;

export interface TapOptions {
  /** Pixels of the input for each cell of the wanted features, default 4; the nearest of 2 to 8 is taken. */
  readonly stride?: number;
  /** For messages. */
  readonly modelId?: string;
}

/** Where a tapped model shows its shallow features. */
export interface InsertedTap {
  /** Name of the added output, float32 [1, channels, height, width]. */
  readonly output: string;
  /** Pixels of the model input for each cell. */
  readonly stride: number;
  readonly channels: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Gives a prepared model one more output with its shallow features (`findShallowFeatures` says which), so that they cost no inference of
 * their own. All else stays as it is.
 *
 * @param model one input of fixed size, uint8 [1, 3, height, width].
 * @throws AppError ERR_GUARD_TAP_MISSING where there are no features of stride 2 to 8, ERR_MODEL_CORRUPT where `model` can't be read.
 */
export function insertShallowTap(model: Uint8Array, { stride = DEFAULT_STRIDE, modelId = 'The model' }: TapOptions = {}): { readonly model: Uint8Array; readonly tap: InsertedTap } {
  const proto = decodeModel(model);
  const { name, dims } = valueFacts(feedsOf(graphOf(proto))[0] ?? {});
  const [, , height, width] = dims;
  const isFixed = typeof width === 'number' && typeof height === 'number';
  const features = isFixed ? findShallowFeatures(proto, name, { width, height }, stride) : undefined;
  if (!features) throw noFeatures(modelId);
  return { tap: addOutput(proto, features), model: encodeModel(proto) };
}

function addOutput(proto: ModelProto, features: ShallowFeatures): InsertedTap {
  const editor = new GraphEditor(proto);
  const { stride, channels, width, height } = features;
  const output = editor.freeName(TAP_OUTPUT);
  editor.insert(tapNode(features, output));
  editor.graph.output = [...(editor.graph.output ?? []), makeValueInfo(output, 'float32', [1, channels, height, width])];
  return { output, stride, channels, width, height };
}

/** The runtime takes an Identity away; the tensor itself keeps its name, which a branch of the graph may know. */
function tapNode({ tensor, quantized }: ShallowFeatures, output: string): ReturnType<typeof makeNode> {
  if (!quantized) return makeNode('Identity', output, [tensor], [output]);
  const { scale, zeroPoint } = quantized;
  return makeNode('DequantizeLinear', output, [tensor, scale, ...(zeroPoint ? [zeroPoint] : [])], [output]);
}

function noFeatures(modelId: string): AppError {
  return new AppError('ERR_GUARD_TAP_MISSING', `${modelId} has no features of stride 2 to 8 to search patches in`, {
    fix: 'Use another model, or take guard.patch out of the stream.',
  });
}
