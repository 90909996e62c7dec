import type { GraphBuilder } from '../graph-builder.js';
import type { TfConstant } from './tfjs-weights.js';

/**
 * How a tensor lies in memory, whatever its TensorFlow shape says:
 * - `tf`: as TensorFlow has it.
 * - `nchw`: a picture [N, H, W, C] that lies as [N, C, H, W].
 * - `flat-nchw`: such a picture, flattened to [1, H * W * C] in TensorFlow's eyes; nothing was moved, so element i is another one.
 */
export type Layout = 'tf' | 'nchw' | 'flat-nchw';

/** A tensor that is computed. */
export interface TfTensor {
  readonly tensor: string;
  /** TensorFlow's shape; all sizes are known, as the input's is fixed. */
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int64' | 'bool';
  readonly layout: Layout;
  /** Of the picture that a `flat-nchw` tensor was. */
  readonly pictureShape?: readonly number[];
}

export type TfValue = TfTensor | TfConstant;

export function isConstant(value: TfValue): value is TfConstant {
  return 'data' in value;
}

/** [N, H, W, C] to [N, C, H, W]. */
export function toNchw([n, h, w, c]: readonly number[]): [number, number, number, number] {
  return [n!, c!, h!, w!];
}

/** The name of a tensor in TensorFlow's own order; pictures are turned for it. */
export function inTfOrder(value: TfValue, builder: GraphBuilder): string {
  if (isConstant(value)) return constantTensor(value, builder);
  switch (value.layout) {
    case 'tf':
      return value.tensor;
    case 'nchw':
      return builder.node('Transpose', [value.tensor], { perm: { ints: [0, 2, 3, 1] } });
    case 'flat-nchw': {
      const [n, h, w, c] = value.pictureShape!;
      const picture = builder.node('Reshape', [value.tensor, builder.ints([n!, c!, h!, w!])]);
      return builder.node('Reshape', [builder.node('Transpose', [picture], { perm: { ints: [0, 2, 3, 1] } }), builder.ints(value.shape)]);
    }
  }
}

/** The name of a picture that lies as [N, C, H, W]. */
export function inNchwOrder(value: TfTensor, builder: GraphBuilder): string {
  return value.layout === 'nchw' ? value.tensor : builder.node('Transpose', [inTfOrder(value, builder)], { perm: { ints: [0, 3, 1, 2] } });
}

/** A constant operand beside a picture: whatever broadcasts against [N, H, W, C], turned so that it broadcasts against [N, C, H, W]. */
export function operandForNchw(value: TfValue, builder: GraphBuilder): string {
  if (!isConstant(value)) return inNchwOrder(value, builder);
  if (value.shape.length === 0 || value.data.length === 1) return constantTensor({ ...value, shape: [] }, builder);
  const padded = [...Array<number>(4 - value.shape.length).fill(1), ...value.shape];
  return constantTensor({ ...value, shape: toNchw(padded), data: transposeToNchw(value.data, padded) }, builder);
}

function constantTensor({ dtype, shape, data }: TfConstant, builder: GraphBuilder): string {
  if (dtype === 'int32') return builder.int64s(shape, data);
  return shape.length === 0 ? builder.scalar(data[0]!) : builder.floats(`constant_${builder.nextId()}`, shape, Float32Array.from(data));
}

function transposeToNchw(data: ArrayLike<number>, [n, h, w, c]: readonly number[]): Float32Array {
  const turned = new Float32Array(data.length);
  const pixels = h! * w!;
  for (let i = 0; i < n!; i++) {
    for (let channel = 0; channel < c!; channel++) {
      for (let pixel = 0; pixel < pixels; pixel++) turned[(i * c! + channel) * pixels + pixel] = data[(i * pixels + pixel) * c! + channel]!;
    }
  }
  return turned;
}
