import type { GraphEditor } from '../graph-editor.js';
import { attributeOf, type NodeProto } from '../model-proto.js';

/** ONNX's default. */
const EPSILON = 1e-5;

/**
 * Moves batch normalization into the convolution before it, where nothing else reads that convolution.
 * `g * (Wx + b - m) / sqrt(v + e) + c` is a convolution with `W' = W * g / sqrt(v + e)` and `b' = (b - m) * g / sqrt(v + e) + c`.
 *
 * @returns how many were folded
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP naming a normalization whose statistics are not constant.
 */
export function foldBatchNorm(editor: GraphEditor): number {
  const foldable = editor.nodes.filter((node) => node.opType === 'BatchNormalization' && isAfterConvolution(editor, node));
  for (const node of foldable) foldInto(editor, editor.producerOf(node.input![0]!)!, node);
  return foldable.length;
}

function isAfterConvolution(editor: GraphEditor, node: NodeProto): boolean {
  const convolution = editor.producerOf(node.input![0]!);
  return convolution?.opType === 'Conv' && editor.hasOneReader(convolution.output![0]!) && editor.constant(convolution.input![1]) !== undefined;
}

function foldInto(editor: GraphEditor, convolution: NodeProto, norm: NodeProto): void {
  const [gain, shift, mean, variance] = [1, 2, 3, 4].map((input) => editor.floats(norm, input).data) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const epsilon = attributeOf(norm, 'epsilon')?.f ?? EPSILON;
  const weight = editor.floats(convolution, 1);
  const bias = convolution.input![2] ? editor.floats(convolution, 2).data : new Float32Array(gain.length);
  const factor = Float64Array.from(gain, (value, channel) => value / Math.sqrt(variance[channel]! + epsilon));
  const perFilter = weight.data.length / factor.length;
  editor.setFloats(convolution, 1, weight.dims, weight.data.map((value, i) => value * factor[Math.floor(i / perFilter)]!));
  editor.setFloats(convolution, 2, [factor.length], bias.map((value, channel) => (value - mean[channel]!) * factor[channel]! + shift[channel]!));
  // The convolution takes the norm's output name: whoever reads it, or expects it as the graph's output, is served.
  convolution.output = [norm.output![0]!];
  editor.remove(norm);
}
