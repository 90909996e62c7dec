import {
  encodeModel,
  makeNode,
  makeTensor,
  makeValueInfo,
  newModel,
  type AttributeValue,
  type DataType,
  type Dim,
  type NodeProto,
  type TensorData,
  type TensorProto,
  type ValueInfoProto,
} from './model-proto.js';

/** Operators of this version mean the same in all onnxruntimes that the project runs on. */
const OPSET = 17;

/** Writes a graph in the order of execution; each method gives the name of the tensor that it made. */
export class GraphBuilder {
  readonly #name: string;
  readonly #nodes: NodeProto[] = [];
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #initializers = new Map<string, TensorProto>();
  #count = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** @param dims of any length where they have a name. */
  input(name: string, dataType: DataType, dims: readonly Dim[]): string {
    this.#inputs.push(makeValueInfo(name, dataType, dims));
    return name;
  }

  /** Declares `tensor` as an output of the graph, under a name of its own where `name` is another. */
  output(tensor: string, dataType: DataType, dims: readonly Dim[], name = tensor): void {
    if (name !== tensor) this.#renameOrCopy(tensor, name);
    this.#outputs.push(makeValueInfo(name, dataType, dims));
  }

  floats(name: string, dims: readonly number[], data: Float32Array): string {
    return this.#constant(name, 'float32', dims, data);
  }

  /** A vector of int64, as shapes, axes and starts want it; equal vectors are kept once. */
  ints(values: readonly number[]): string {
    return this.#constant(`ints_${values.join('_')}`, 'int64', [values.length], BigInt64Array.from(values, BigInt));
  }

  /** int64 of any shape. */
  int64s(dims: readonly number[], values: ArrayLike<number>): string {
    return this.#constant(`int64s_${this.nextId()}`, 'int64', dims, BigInt64Array.from(Array.from(values), BigInt));
  }

  /** A float32 scalar; equal scalars are kept once. */
  scalar(value: number): string {
    return this.#constant(`scalar_${value}`, 'float32', [], Float32Array.of(value));
  }

  node(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}): string {
    return this.nodes(opType, inputs, 1, attributes)[0]!;
  }

  /** A node with several outputs. */
  nodes(opType: string, inputs: readonly string[], outputCount: number, attributes: Readonly<Record<string, AttributeValue>> = {}): string[] {
    const name = `${opType.toLowerCase()}_${this.nextId()}`;
    const outputs = Array.from({ length: outputCount }, (_, i) => (i === 0 ? name : `${name}_${i}`));
    this.#nodes.push(makeNode(opType, name, inputs, outputs, attributes));
    return outputs;
  }

  /** A number that no other name of this graph has. */
  nextId(): number {
    return this.#count++;
  }

  build(metadata: Readonly<Record<string, string>> = {}): Uint8Array {
    const graph = { name: this.#name, node: this.#nodes, input: this.#inputs, output: this.#outputs, initializer: [...this.#initializers.values()] };
    return encodeModel(newModel(graph, OPSET, metadata));
  }

  #constant(name: string, dataType: DataType, dims: readonly number[], data: TensorData): string {
    if (!this.#initializers.has(name)) this.#initializers.set(name, makeTensor(name, dataType, dims, data));
    return name;
  }

  /** An output's producer writes it under the final name at once; a copy is needed only where others read the tensor or it is an input. */
  #renameOrCopy(tensor: string, name: string): void {
    const producer = this.#nodes.find((node) => node.output?.includes(tensor));
    const isRead = this.#nodes.some((node) => node.input?.includes(tensor)) || this.#outputs.some((output) => output.name === tensor);
    if (!producer || isRead) {
      this.#nodes.push(makeNode('Identity', name, [tensor], [name]));
      return;
    }
    producer.output = producer.output!.map((output) => (output === tensor ? name : output));
  }
}
