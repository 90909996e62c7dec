import { elementCount, type DataType } from '../model-proto.js';
import { isInteger, type KnownTensor } from '../tensor-facts.js';

/** ONNX's broadcasting; undefined where the shapes don't go together. */
export function broadcastDims(...shapes: readonly (readonly number[])[]): number[] | undefined {
  const rank = Math.max(0, ...shapes.map(({ length }) => length));
  const dims: number[] = [];
  for (let axis = 0; axis < rank; axis += 1) {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1).filter((size) => size !== 1);
    if (sizes.some((size) => size !== sizes[0])) return undefined;
    dims.push(sizes[0] ?? 1);
  }
  return dims;
}

/** Elements picked from `from`: `source(index)` gives for each index of the result the one in `from`. */
export function pick(from: KnownTensor, dims: readonly number[], source: (index: readonly number[]) => readonly number[]): number[] {
  const strides = stridesOf(from.dims);
  return indicesOf(dims).map((index) => from.value[source(index).reduce((offset, i, axis) => offset + i * strides[axis]!, 0)]!);
}

/** `tensor` repeated to `dims`. */
export function broadcastValue(tensor: KnownTensor, dims: readonly number[]): number[] {
  const skip = dims.length - tensor.dims.length;
  return pick(tensor, dims, (index) => tensor.dims.map((size, axis) => (size === 1 ? 0 : index[axis + skip]!)));
}

type Elementwise = (values: readonly number[], dataType: DataType | 'other') => number;

/** Operators on small integers and floats that exporters compute shapes and grids with. */
const ELEMENTWISE: Readonly<Record<string, Elementwise>> = {
  Add: ([a, b]) => a! + b!,
  Sub: ([a, b]) => a! - b!,
  Mul: ([a, b]) => a! * b!,
  // Integers divide towards zero, as in C.
  Div: ([a, b], dataType) => (isInteger(dataType) ? Math.trunc(a! / b!) : a! / b!),
  // Of the divisor's sign where `fmod` is 0, which it is for integers.
  Mod: ([a, b]) => a! - b! * Math.floor(a! / b!),
  Pow: ([a, b]) => a! ** b!,
  Min: (values) => Math.min(...values),
  Max: (values) => Math.max(...values),
  Equal: ([a, b]) => Number(a === b),
  Less: ([a, b]) => Number(a! < b!),
  LessOrEqual: ([a, b]) => Number(a! <= b!),
  Greater: ([a, b]) => Number(a! > b!),
  GreaterOrEqual: ([a, b]) => Number(a! >= b!),
  And: ([a, b]) => Number(a !== 0 && b !== 0),
  Or: ([a, b]) => Number(a !== 0 || b !== 0),
  Not: ([a]) => Number(a === 0),
  Neg: ([a]) => -a!,
  Abs: ([a]) => Math.abs(a!),
  Floor: ([a]) => Math.floor(a!),
  Ceil: ([a]) => Math.ceil(a!),
  Sqrt: ([a]) => Math.sqrt(a!),
  Where: ([condition, a, b]) => (condition !== 0 ? a! : b!),
};

/** The elements of an elementwise operator's output; undefined where it isn't one that shapes are computed with. */
export function elementwiseValue(opType: string, inputs: readonly KnownTensor[], dims: readonly number[], dataType: DataType | 'other'): number[] | undefined {
  const compute = ELEMENTWISE[opType];
  if (!compute) return undefined;
  const operands = inputs.map((input) => broadcastValue(input, dims));
  const round = dataType === 'float32' ? Math.fround : Number;
  return Array.from({ length: elementCount(dims) }, (_, i) => round(compute(operands.map((values) => values[i]!), dataType)));
}

export function castValue(value: readonly number[], to: DataType | 'other'): number[] {
  if (to === 'bool') return value.map((one) => Number(one !== 0));
  if (isInteger(to)) return value.map(Math.trunc);
  return value.map((one) => (to === 'float32' ? Math.fround(one) : one));
}

const REDUCE: Readonly<Record<string, (values: readonly number[]) => number>> = {
  ReduceProd: (values) => values.reduce((product, one) => product * one, 1),
  ReduceSum: (values) => values.reduce((sum, one) => sum + one, 0),
  ReduceMax: (values) => Math.max(...values),
  ReduceMin: (values) => Math.min(...values),
};

/** One number of all elements; undefined where the operator isn't one that shapes are computed with. */
export function reduceAll(opType: string, value: readonly number[]): number[] | undefined {
  const reduce = REDUCE[opType];
  return reduce && [reduce(value)];
}

export function stridesOf(dims: readonly number[]): number[] {
  return dims.map((_, axis) => elementCount(dims.slice(axis + 1)));
}

/** All indices of a shape, row-major. */
export function indicesOf(dims: readonly number[]): number[][] {
  const strides = stridesOf(dims);
  return Array.from({ length: elementCount(dims) }, (_, i) => dims.map((size, axis) => Math.floor(i / strides[axis]!) % size));
}
