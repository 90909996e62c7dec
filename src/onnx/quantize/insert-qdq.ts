import { GraphEditor } from '../graph-editor.js';
import { attributeOf, makeNode, makeTensor, type ModelProto, type NodeProto } from '../model-proto.js';
import { findByteNodes, type ByteNodes } from './byte-nodes.js';
import { byteScale, quantizeBias, quantizeWeights, smallestWeightScales, type ByteScale, type Range } from './integer-params.js';
import { sharedScales } from './shared-scales.js';

/** Which part of a network runs on bytes. */
export interface QuantizationPlan {
  /** Convolutions, by the name of the tensor they compute. */
  readonly convolutions: ReadonlySet<string>;
  /** The range of tensors that share a scale. */
  readonly rangeOf: (tensors: readonly string[]) => Range;
  /** Whether sums use one scale for both sides and the result; false lets each have its own. */
  readonly shareSums?: boolean;
}

/** What became of a plan. */
export interface QuantizedGraph {
  /** Nodes that run on bytes, by the name of what they compute. */
  readonly byteNodes: readonly string[];
  readonly scales: ReadonlyMap<string, ByteScale>;
}

/**
 * Puts QuantizeLinear and DequantizeLinear around the nodes of a plan, in the places where onnxruntime makes integer kernels of them:
 * unsigned bytes with a zero point for activations, signed bytes with a scale per output channel for weights, 32 bits in units of
 * their product for biases. The graph has to have opset 13 or newer.
 *
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP naming a convolution of the plan whose weights are not constant.
 */
export function insertQdq(model: ModelProto, plan: QuantizationPlan): QuantizedGraph {
  const editor = new GraphEditor(model);
  const bytes = findByteNodes(editor, plan.convolutions);
  const writer = new QdqWriter(editor, bytes, plan);
  writer.write();
  editor.removeUnused();
  editor.sort();
  return { byteNodes: [...bytes.roles.keys()].map((node) => node.output![0]!), scales: writer.scales };
}

/** Follows the plan through one graph. */
class QdqWriter {
  readonly scales = new Map<string, ByteScale>();
  readonly #editor: GraphEditor;
  readonly #bytes: ByteNodes;
  readonly #added: NodeProto[] = [];
  readonly #gone: NodeProto[] = [];
  readonly #twinScales = new Map<string, ByteScale>();

  constructor(editor: GraphEditor, bytes: ByteNodes, plan: QuantizationPlan) {
    this.#editor = editor;
    this.#bytes = bytes;
    for (const group of sharedScales(editor, bytes, plan.shareSums ?? false)) {
      const scale = byteScale(plan.rangeOf(group));
      for (const tensor of group) this.scales.set(tensor, scale);
    }
    for (const [node, role] of bytes.roles) if (role === 'gate') this.scales.set(bytes.resultOf(node), byteScale({ low: 0, high: 1 }));
  }

  write(): void {
    const nodes = [...this.#bytes.roles];
    // Results first, under the names they have: then inputs find them whoever computes them.
    const inputs = this.#bytesOfFloats();
    for (const [node, role] of nodes) if (role !== 'clamp') this.#writeResult(node);
    for (const [node, role] of nodes) {
      if (role === 'clamp') continue;
      node.input = node.input!.map((name) => inputs.get(name) ?? name);
      if (role === 'convolution') this.#writeConvolution(node);
      if (role === 'gate') this.#writeGate(node);
    }
    this.#editor.remove(...this.#gone);
    this.#editor.insert(...this.#added);
  }

  /** Floats that byte nodes read: their quantized twins, by name. */
  #bytesOfFloats(): ReadonlyMap<string, string> {
    const twins = new Map<string, string>();
    const results = new Set([...this.#bytes.roles.keys()].map((node) => this.#bytes.resultOf(node)));
    for (const tensor of [...this.scales.keys()].filter((name) => !results.has(name))) {
      if (this.#readsFrame(tensor)) continue;
      const twin = this.#editor.freeName(`${tensor}_dequantized`);
      this.#quantize(this.#beforeClamp(tensor), twin, this.scales.get(tensor)!);
      twins.set(tensor, twin);
      this.#twinScales.set(twin, this.scales.get(tensor)!);
    }
    return twins;
  }

  /** A ReLU that only bytes are made of is left out: their range begins at zero. */
  #beforeClamp(tensor: string): string {
    const producer = this.#editor.producerOf(tensor);
    const isCut = producer?.opType === 'Relu' && this.scales.get(tensor)!.zeroPoint === 0 && this.#editor.consumersOf(tensor).every((reader) => this.#bytes.roles.has(reader));
    return isCut ? producer.input![0]! : tensor;
  }

  /** A picture that comes as bytes is its own quantization: the Cast in front of the network becomes a DequantizeLinear by 1. */
  #readsFrame(tensor: string): boolean {
    const cast = this.#editor.producerOf(tensor);
    if (cast?.opType !== 'Cast' || !this.#isByteInput(cast.input![0]!)) return false;
    this.scales.set(tensor, { scale: 1, zeroPoint: 0 });
    this.#gone.push(cast);
    this.#added.push(this.#dequantizeNode(cast.input![0]!, tensor, { scale: 1, zeroPoint: 0 }));
    return true;
  }

  #isByteInput(name: string): boolean {
    return this.#editor.graph.input?.some((value) => value.name === name && value.type?.tensorType?.elemType === 2) ?? false;
  }

  #writeResult(node: NodeProto): void {
    const result = this.#bytes.resultOf(node);
    const clamp = this.#editor.producerOf(result)!;
    if (clamp !== node) this.#gone.push(clamp);
    const exact = this.#editor.freeName(`${result}_exact`);
    node.output = [exact];
    const scale = this.scales.get(result)!;
    // A gate is computed as 1/alpha of its value, see `#writeGate`: written with a scale as much larger, it is read right.
    const written = this.#bytes.roles.get(node) === 'gate' ? { ...scale, scale: Math.fround(scale.scale / gateOf(node).alpha) } : scale;
    this.#quantize(exact, result, written, scale);
  }

  /** `clamp(a * x + b, 0, 1)` is `a * clamp(x + b / a, 0, 1 / a)`: a sum whose result's range does the clamping. */
  #writeGate(node: NodeProto): void {
    const { alpha, beta } = gateOf(node);
    const shift = beta / alpha;
    const scale = this.#constant(`${node.output![0]!}_shift_scale`, Float32Array.of(Math.abs(shift) / 255));
    const zero = this.#constant(`${node.output![0]!}_shift_zero`, Uint8Array.of(shift < 0 ? 255 : 0));
    const byte = this.#constant(`${node.output![0]!}_shift`, Uint8Array.of(shift < 0 ? 0 : 255));
    const dequantized = this.#editor.freeName(`${node.output![0]!}_shift_dequantized`);
    this.#added.push(makeNode('DequantizeLinear', dequantized, [byte, scale, zero], [dequantized]));
    node.opType = 'Add';
    node.input = [node.input![0]!, dequantized];
    node.attribute = [];
  }

  #writeConvolution(node: NodeProto): void {
    const weight = this.#editor.floats(node, 1);
    const channels = weight.dims[0]!;
    const bias = node.input![2] ? this.#editor.floats(node, 2).data : undefined;
    const inputScale = this.#scaleRead(node.input![0]!);
    const { data, scales } = quantizeWeights(weight.data, channels, bias && smallestWeightScales(bias, inputScale));
    const name = node.output![0]!;
    const weightBytes = this.#editor.addConstant(makeTensor(this.#editor.freeName(`${name}_weight`), 'int8', weight.dims, data));
    const weightScale = this.#constant(`${name}_weight_scale`, scales);
    const zero = this.#editor.addConstant(makeTensor(this.#editor.freeName(`${name}_weight_zero`), 'int8', [channels], new Int8Array(channels)));
    node.input![1] = this.#dequantizeConstant(`${name}_weight_dequantized`, [weightBytes, weightScale, zero]);
    if (!bias) return;
    const words = quantizeBias(bias, inputScale, scales);
    const biasWords = this.#editor.addConstant(makeTensor(this.#editor.freeName(`${name}_bias`), 'int32', [channels], words));
    const biasScale = this.#constant(`${name}_bias_scale`, scales.map((scale) => scale * inputScale));
    node.input![2] = this.#dequantizeConstant(`${name}_bias_dequantized`, [biasWords, biasScale]);
  }

  #scaleRead(tensor: string): number {
    return (this.scales.get(tensor) ?? this.#twinScales.get(tensor))!.scale;
  }

  #dequantizeConstant(base: string, inputs: readonly string[]): string {
    const output = this.#editor.freeName(base);
    this.#added.push(makeNode('DequantizeLinear', output, inputs, [output], { axis: { i: 0 } }));
    return output;
  }

  #quantize(from: string, to: string, written: ByteScale, read = written): void {
    const bytes = this.#editor.freeName(`${to}_bytes`);
    const inputs = [this.#scalar(written.scale), this.#byte(written.zeroPoint)];
    this.#added.push(makeNode('QuantizeLinear', bytes, [from, ...inputs], [bytes]), this.#dequantizeNode(bytes, to, read));
  }

  #dequantizeNode(from: string, to: string, { scale, zeroPoint }: ByteScale): NodeProto {
    return makeNode('DequantizeLinear', `${to}_dequantize`, [from, this.#scalar(scale), this.#byte(zeroPoint)], [to]);
  }

  #scalar(value: number): string {
    return this.#editor.addConstant(makeTensor(this.#editor.freeName('scale'), 'float32', [], Float32Array.of(value)));
  }

  #byte(value: number): string {
    return this.#editor.addConstant(makeTensor(this.#editor.freeName('zero_point'), 'uint8', [], Uint8Array.of(value)));
  }

  #constant(base: string, data: Float32Array | Uint8Array): string {
    const type = data instanceof Float32Array ? 'float32' : 'uint8';
    const dims = data.length === 1 ? [] : [data.length];
    return this.#editor.addConstant(makeTensor(this.#editor.freeName(base), type, dims, data));
  }
}

function gateOf(node: NodeProto): { readonly alpha: number; readonly beta: number } {
  return { alpha: attributeOf(node, 'alpha')?.f ?? 0.2, beta: attributeOf(node, 'beta')?.f ?? 0.5 };
}
