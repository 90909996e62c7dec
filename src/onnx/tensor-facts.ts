import { constantOf, DATA_TYPES, dimsOf, elementCount, tensorData, float16Value, type DataType, type GraphProto, type TensorProto } from './model-proto.js';

/** What is known of a tensor before anything runs. */
export interface TensorFacts {
  /** Undefined where the size depends on values that only a run has, or where an operator is unknown. */
  readonly dims: readonly number[] | undefined;
  readonly dataType: DataType | 'other';
  /** Elements, row-major, where the file or the shapes determine them and there are few: axes, sizes, indices. */
  readonly value?: readonly number[] | undefined;
}

/** A tensor whose size is known. */
export interface SizedTensor extends TensorFacts {
  readonly dims: readonly number[];
}

/** A tensor whose elements are known. */
export interface KnownTensor extends SizedTensor {
  readonly value: readonly number[];
}

/** Values are for shapes and indices: nothing that has so many elements is one. */
export const MAX_KNOWN_ELEMENTS = 4096;

export const UNKNOWN: TensorFacts = { dims: undefined, dataType: 'other' };

/** Bytes of one element; 4 where the type is none that this project knows. */
export function elementBytes(dataType: DataType | 'other'): number {
  return dataType === 'other' ? 4 : ELEMENT_BYTES[dataType];
}

const ELEMENT_BYTES: Readonly<Record<DataType, number>> = { float32: 4, uint8: 1, int8: 1, int32: 4, int64: 8, bool: 1, float16: 2, float64: 8 };

/** By ONNX's number, as Cast has it. */
export function dataTypeOf(elemType: number | null | undefined): DataType | 'other' {
  return (Object.entries(DATA_TYPES).find(([, number]) => number === elemType)?.[0] as DataType | undefined) ?? 'other';
}

export function isInteger(dataType: DataType | 'other'): boolean {
  return ['uint8', 'int8', 'int32', 'int64', 'bool'].includes(dataType);
}

export function factsOfConstant(tensor: TensorProto): TensorFacts {
  const dims = dimsOf(tensor);
  const dataType = dataTypeOf(tensor.dataType);
  const isSmall = dataType !== 'other' && elementCount(dims) <= MAX_KNOWN_ELEMENTS && (tensor.externalData?.length ?? 0) === 0;
  return isSmall ? { dims, dataType, value: numbersOf(tensor, dataType) } : { dims, dataType };
}

/** Elements of a constant as numbers, whatever their number; undefined where `name` is computed. */
export function constantNumbers(graph: GraphProto, name: string | undefined): number[] | undefined {
  const tensor = name ? constantOf(graph, name) : undefined;
  return tensor && numbersOf(tensor, dataTypeOf(tensor.dataType));
}

function numbersOf(tensor: TensorProto, dataType: DataType | 'other'): number[] {
  const data = tensorData(tensor);
  return dataType === 'float16' ? Array.from(data as Uint16Array, float16Value) : Array.from(data as Float32Array, Number);
}
