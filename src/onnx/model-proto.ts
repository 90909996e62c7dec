import onnxProto from 'onnx-proto';
import { AppError } from '../core/errors.js';

// onnx-proto is CommonJS and assigns its exports at run time: only the default import reaches them from an ES module.
const { onnx } = onnxProto;

export type ModelProto = onnxProto.onnx.ModelProto;
export type NodeProto = onnxProto.onnx.INodeProto;
export type GraphProto = onnxProto.onnx.IGraphProto;
export type TensorProto = onnxProto.onnx.ITensorProto;
export type ValueInfoProto = onnxProto.onnx.IValueInfoProto;
type AttributeProto = onnxProto.onnx.IAttributeProto;

/** Element types that this project reads or writes, with ONNX's own numbers. */
export const DATA_TYPES = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11 } as const;
export type DataType = keyof typeof DATA_TYPES;

/** Data of a tensor, row-major. `int64` comes as BigInt64Array, `float16` as its bits. */
export type TensorData = Float32Array | Float64Array | Uint8Array | Int8Array | Int32Array | BigInt64Array | Uint16Array;

/** An attribute of a node; the key is ONNX's own field, because a number alone doesn't say whether it is an int or a float. */
export type AttributeValue = { i: number } | { f: number } | { s: string } | { ints: readonly number[] } | { floats: readonly number[] };

/** A dimension: a size, or the name of one that is chosen at run time (`?` where it has no name). */
export type Dim = number | string;

export interface ValueFacts {
  readonly name: string;
  readonly dataType: DataType | 'other';
  readonly dims: readonly Dim[];
}

type Elements = new (buffer: ArrayBuffer) => TensorData;
const ELEMENTS: Record<DataType, Elements> = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  float16: Uint16Array,
  float64: Float64Array,
};

/**
 * Reads ONNX bytes.
 *
 * @throws AppError ERR_MODEL_CORRUPT where they are no ONNX model: cut off, another format, or without a graph.
 */
export function decodeModel(bytes: Uint8Array): ModelProto {
  const model = decodeProtobuf(bytes);
  const nodes = model.graph?.node?.length ?? 0;
  if (nodes === 0 || model.opsetImport.length === 0) throw corrupt(`no graph in ${bytes.length} bytes`);
  return model;
}

export function encodeModel(model: ModelProto): Uint8Array {
  // A copy: protobufjs hands out a view of its pool, which a transfer to a worker would detach.
  return new Uint8Array(onnx.ModelProto.encode(model).finish());
}

/** The graph of a decoded model (`decodeModel` made sure that there is one). */
export function graphOf(model: ModelProto): GraphProto {
  if (!model.graph) throw corrupt('no graph');
  return model.graph;
}

/** Version of the standard operators. */
export function opsetOf(model: ModelProto): number {
  const standard = model.opsetImport.find(({ domain }) => !domain || domain === 'ai.onnx');
  return Number(standard?.version ?? 0);
}

/** What exporters leave beside the graph: class names, strides and such. */
export type ModelMetadata = Readonly<Record<string, string | undefined>>;

export function metadataOf(model: ModelProto): ModelMetadata {
  return Object.fromEntries(model.metadataProps.map(({ key, value }) => [key ?? '', value ?? '']));
}

export function valueFacts(value: ValueInfoProto): ValueFacts {
  const tensor = value.type?.tensorType;
  const dims = tensor?.shape?.dim ?? [];
  return { name: value.name ?? '', dataType: dataTypeName(tensor?.elemType), dims: dims.map(dimValue) };
}

/** What the model is fed with: graph inputs that are no initializers (old exports list those as inputs, too). */
export function feedsOf(graph: GraphProto): ValueInfoProto[] {
  const constants = new Set((graph.initializer ?? []).map(({ name }) => name));
  return (graph.input ?? []).filter(({ name }) => !constants.has(name));
}

/** Nodes that read `tensor`, each once. */
export function consumersOf(graph: GraphProto, tensor: string): NodeProto[] {
  return (graph.node ?? []).filter(({ input }) => input?.includes(tensor));
}

/** Gives a tensor another name wherever nodes, outputs or shape notes of the graph (not of subgraphs) speak of it. */
export function renameTensor(graph: GraphProto, from: string, to: string): void {
  const rename = (name: string): string => (name === from ? to : name);
  for (const node of graph.node ?? []) {
    node.input = node.input?.map(rename) ?? [];
    node.output = node.output?.map(rename) ?? [];
  }
  for (const value of [...(graph.input ?? []), ...(graph.output ?? [])]) value.name = rename(value.name ?? '');
  graph.valueInfo = (graph.valueInfo ?? []).filter(({ name }) => name !== from);
}

/** A constant of the graph, be it an initializer or a Constant node; undefined where the tensor is computed. */
export function constantOf(graph: GraphProto, name: string): TensorProto | undefined {
  const initializer = graph.initializer?.find((tensor) => tensor.name === name);
  if (initializer) return initializer;
  const node = graph.node?.find(({ opType, output }) => opType === 'Constant' && output?.[0] === name);
  return (node && attributeOf(node, 'value')?.t) ?? undefined;
}

export function dimsOf(tensor: TensorProto): number[] {
  return (tensor.dims ?? []).map(Number);
}

/**
 * Elements of a tensor, wherever the file keeps them; a copy.
 *
 * @throws AppError ERR_MODEL_CORRUPT where the count doesn't fit the shape, ERR_MODEL_UNSUPPORTED_OP for external data and exotic types.
 */
export function tensorData(tensor: TensorProto): TensorData {
  const type = dataTypeName(tensor.dataType);
  if (type === 'other' || (tensor.externalData?.length ?? 0) > 0) throw unsupportedTensor(tensor);
  const data = (tensor.rawData?.length ?? 0) > 0 ? rawElements(tensor.rawData!, ELEMENTS[type]) : typedElements(tensor, type);
  const expected = elementCount(dimsOf(tensor));
  if (data.length !== expected) throw corrupt(`tensor ${tensor.name ?? ''} has ${data.length} elements, its shape says ${expected}`);
  return data;
}

/** Like `tensorData`, for the weights of a float32 model. */
export function floatData(tensor: TensorProto): Float32Array {
  const data = tensorData(tensor);
  if (!(data instanceof Float32Array)) throw unsupportedTensor(tensor);
  return data;
}

export function makeTensor(name: string, dataType: DataType, dims: readonly number[], data: TensorData): TensorProto {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dataType: DATA_TYPES[dataType], dims: [...dims], rawData };
}

export function makeNode(opType: string, name: string, inputs: readonly string[], outputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}): NodeProto {
  return { opType, name, input: [...inputs], output: [...outputs], attribute: Object.entries(attributes).map(([key, value]) => makeAttribute(key, value)) };
}

export function makeValueInfo(name: string, dataType: DataType, dims: readonly Dim[]): ValueInfoProto {
  const dim = dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: DATA_TYPES[dataType], shape: { dim } } } };
}

export function attributeOf(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute?.find((attribute) => attribute.name === name);
}

/** An `ints` attribute, undefined where absent. */
export function intsOf(node: NodeProto, name: string): number[] | undefined {
  return attributeOf(node, name)?.ints?.map(Number);
}

/** An `i` attribute, or the operator's default. */
export function intOf(node: NodeProto, name: string, otherwise: number): number {
  return Number(attributeOf(node, name)?.i ?? otherwise);
}

/** An `s` attribute, empty where absent. */
export function textOf(node: NodeProto, name: string): string {
  return new TextDecoder().decode(attributeOf(node, name)?.s ?? undefined);
}

export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, size) => product * size, 1);
}

/** Float32 value of 16 half-precision bits, by IEEE 754. */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function decodeProtobuf(bytes: Uint8Array): ModelProto {
  try {
    return onnx.ModelProto.decode(bytes);
  } catch (cause) {
    throw corrupt(`${(cause as Error).message} (${bytes.length} bytes)`, cause);
  }
}

function corrupt(detail: string, cause?: unknown): AppError {
  return new AppError('ERR_MODEL_CORRUPT', `Not a readable ONNX model: ${detail}`, { cause, fix: 'Download or export the file anew.' });
}

function unsupportedTensor(tensor: TensorProto): AppError {
  const why = (tensor.externalData?.length ?? 0) > 0 ? 'keeps its data in another file' : `has element type ${tensor.dataType ?? 0}`;
  return new AppError('ERR_MODEL_UNSUPPORTED_OP', `Tensor ${tensor.name ?? ''} ${why}`, { fix: 'Export the model as one float32 ONNX file.' });
}

function dataTypeName(elemType: number | null | undefined): DataType | 'other' {
  const found = Object.entries(DATA_TYPES).find(([, value]) => value === elemType);
  return found ? (found[0] as DataType) : 'other';
}

function dimValue(dim: onnxProto.onnx.TensorShapeProto.IDimension): Dim {
  if (dim.dimParam) return dim.dimParam;
  const size = Number(dim.dimValue ?? 0);
  return size > 0 ? size : '?';
}

function rawElements(raw: Uint8Array, ElementArray: Elements): TensorData {
  // The slice both aligns the bytes and frees the result from the file's buffer.
  const bytes = new Uint8Array(raw);
  const width = new ElementArray(new ArrayBuffer(0)).BYTES_PER_ELEMENT;
  if (bytes.length % width !== 0) throw corrupt(`${bytes.length} bytes are no whole number of ${width}-byte elements`);
  return new ElementArray(bytes.buffer);
}

function typedElements(tensor: TensorProto, type: DataType): TensorData {
  switch (type) {
    case 'float32':
      return Float32Array.from(tensor.floatData ?? []);
    case 'float64':
      return Float64Array.from(tensor.doubleData ?? []);
    case 'int64':
      return BigInt64Array.from((tensor.int64Data ?? []).map((value) => BigInt(String(value))));
    case 'int32':
      return Int32Array.from(tensor.int32Data ?? []);
    case 'int8':
      return Int8Array.from(tensor.int32Data ?? []);
    case 'float16':
      return Uint16Array.from(tensor.int32Data ?? []);
    case 'uint8':
    case 'bool':
      return Uint8Array.from(tensor.int32Data ?? []);
  }
}

const ATTRIBUTE_TYPE = onnx.AttributeProto.AttributeType;

function makeAttribute(name: string, value: AttributeValue): AttributeProto {
  if ('i' in value) return { name, type: ATTRIBUTE_TYPE.INT, i: value.i };
  if ('f' in value) return { name, type: ATTRIBUTE_TYPE.FLOAT, f: value.f };
  if ('s' in value) return { name, type: ATTRIBUTE_TYPE.STRING, s: new TextEncoder().encode(value.s) };
  if ('ints' in value) return { name, type: ATTRIBUTE_TYPE.INTS, ints: [...value.ints] };
  return { name, type: ATTRIBUTE_TYPE.FLOATS, floats: [...value.floats] };
}

/** A new, empty model for the encoder: `GraphBuilder` fills it. */
export function newModel(graph: GraphProto, opset: number, metadata: Readonly<Record<string, string>>): ModelProto {
  return onnx.ModelProto.create({
    // IR 8 goes with opsets 15 to 18: every onnxruntime since 1.10 reads it.
    irVersion: 8,
    producerName: 'lynceus',
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph,
  });
}
