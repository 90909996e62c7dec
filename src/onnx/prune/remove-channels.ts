import { AppError } from '../../core/errors.js';
import { GraphEditor, nodeName } from '../graph-editor.js';
import { attributeOf, decodeModel, dimsOf, encodeModel, intOf, intsOf, makeTensor, tensorData, type ModelProto, type NodeProto } from '../model-proto.js';
import { channelAxis, channelGraph, channelSlice, splitSizes, type ChannelGraph } from './channel-graph.js';
import { replaceFloats } from './replace-floats.js';

/**
 * Cuts channels out of a model: filters, biases, the weights that read them, and whatever stands between. What the channels carried is
 * lost; where they were zero all over, outputs stay the same.
 *
 * @param groups numbers of `channelGraph` of the same model.
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP naming a node that nothing would be left of.
 */
export function removeChannels(onnx: Uint8Array, groups: Iterable<number>): Uint8Array {
  const model = decodeModel(onnx);
  cutChannels(model, channelGraph(model), new Set(groups));
  return encodeModel(model);
}

/**
 * As `removeChannels`, in place.
 *
 * @param channels of this model, or of one that differs in nothing but nodes that were merged into the ones before them.
 */
export function cutChannels(model: ModelProto, channels: ChannelGraph, groups: ReadonlySet<number>): void {
  new ChannelCutter(new GraphEditor(model), channels, groups).cutAll();
}

/** Elements of an array of any dimensions that are kept along one axis. */
export function keepAlong(data: Float32Array, dims: readonly number[], axis: number, kept: readonly number[]): { readonly dims: readonly number[]; readonly data: Float32Array } {
  const inner = dims.slice(axis + 1).reduce((product, size) => product * size, 1);
  const outer = dims.slice(0, axis).reduce((product, size) => product * size, 1);
  const result = new Float32Array(outer * kept.length * inner);
  for (let block = 0; block < outer; block += 1) {
    for (const [place, index] of kept.entries()) {
      const from = (block * dims[axis]! + index) * inner;
      const to = (block * kept.length + place) * inner;
      // Kernels are small: a view of each would take longer than the copy.
      for (let i = 0; i < inner; i += 1) result[to + i] = data[from + i]!;
    }
  }
  return { dims: dims.with(axis, kept.length), data: result };
}

class ChannelCutter {
  readonly #editor: GraphEditor;
  readonly #channels: ChannelGraph;
  readonly #removed: ReadonlySet<number>;
  readonly #keptOf = new Map<string, readonly number[]>();

  constructor(editor: GraphEditor, channels: ChannelGraph, removed: ReadonlySet<number>) {
    this.#editor = editor;
    this.#channels = channels;
    this.#removed = removed;
  }

  cutAll(): void {
    for (const node of this.#editor.nodes) {
      this.#assertSomethingStays(node);
      this.#cut(node);
    }
    const { graph } = this.#editor;
    // What the exporter noted about tensors that are narrower now is wrong.
    graph.valueInfo = (graph.valueInfo ?? []).filter(({ name }) => !this.#isNarrower(name!));
    this.#editor.removeUnused();
  }

  #assertSomethingStays(node: NodeProto): void {
    for (const output of node.output!) {
      const groups = this.#channels.groupsOf(output) ?? [];
      if (groups.length === 0 || this.#kept(output)!.length > 0) continue;
      throw new AppError('ERR_MODEL_UNSUPPORTED_OP', `Node ${nodeName(node)}: all of its ${groups.length} channels would go`, { fix: 'Keep at least one.' });
    }
  }

  #cut(node: NodeProto): void {
    const input = node.input![0] ?? '';
    switch (node.opType ?? '') {
      case 'Conv':
        this.#cutConvolution(node);
        return;
      case 'BatchNormalization':
      case 'InstanceNormalization':
        if (this.#isNarrower(input)) for (let index = 1; index < node.input!.length; index += 1) this.#cutConstant(node, index, 0, this.#kept(input)!);
        return;
      case 'Slice':
        if (this.#isNarrower(input)) this.#cutSlice(node, input);
        return;
      case 'Split':
        if (this.#isNarrower(input)) this.#cutSplit(node, input);
        return;
      case 'Resize':
        if (this.#isNarrower(input)) this.#cutSizes(node, input);
        return;
      default:
        if (this.#isNarrower(node.output![0]!)) this.#cutBroadcast(node);
    }
  }

  #cutConvolution(node: NodeProto): void {
    const [input, output] = [node.input![0]!, node.output![0]!];
    const isDense = intOf(node, 'group', 1) === 1;
    const [readsLess, givesLess] = [this.#isNarrower(input), this.#isNarrower(output)];
    if (givesLess) {
      const kept = this.#kept(output)!;
      this.#cutConstant(node, 1, 0, kept);
      if (node.input![2]) this.#cutConstant(node, 2, 0, kept);
      if (!isDense) attributeOf(node, 'group')!.i = kept.length;
    }
    if (readsLess && isDense) this.#cutConstant(node, 1, 1, this.#kept(input)!);
  }

  /** Constants that are one value a channel: those of a Mul, an Add, a PRelu. */
  #cutBroadcast(node: NodeProto): void {
    const output = node.output![0]!;
    for (const [index, name] of node.input!.entries()) {
      const tensor = this.#editor.constant(name);
      const axis = tensor && channelAxis(dimsOf(tensor));
      if (axis !== undefined && dimsOf(tensor!)[axis]! > 1) this.#cutConstant(node, index, axis, this.#kept(output)!);
    }
  }

  #cutSlice(node: NodeProto, input: string): void {
    const groups = this.#channels.groupsOf(input)!;
    const cut = channelSlice(this.#editor, node, groups.length);
    if (cut?.place === undefined) return;
    const before = (channel: number): number => groups.slice(0, channel).filter((group) => !this.#removed.has(group)).length;
    this.#setInteger(node, 'starts', 1, cut.place, before(cut.start));
    this.#setInteger(node, 'ends', 2, cut.place, before(cut.end));
  }

  #cutSplit(node: NodeProto, input: string): void {
    const groups = this.#channels.groupsOf(input)!;
    const sizes = node.output!.map((name) => this.#kept(name)!.length);
    const equal = splitSizes(this.#editor, node, groups.length)!;
    if (equal.every((size, index) => size === sizes[index])) return;
    if (intsOf(node, 'split')) attributeOf(node, 'split')!.ints = sizes;
    else {
      node.attribute = (node.attribute ?? []).filter(({ name }) => name !== 'num_outputs');
      this.#editor.setConstant(node, 1, makeTensor(this.#editor.freeName(`${node.output![0]!}_split`), 'int64', [sizes.length], BigInt64Array.from(sizes, BigInt)));
    }
  }

  /** Sizes of a Resize name the channels, too. */
  #cutSizes(node: NodeProto, input: string): void {
    if (node.input![3]) this.#setInteger(node, 'sizes', 3, 1, this.#kept(input)!.length);
  }

  /** Element `place` of integers that are an attribute in old operators and an input in new ones. */
  #setInteger(node: NodeProto, name: string, index: number, place: number, value: number): void {
    const attribute = attributeOf(node, name);
    if (attribute) {
      attribute.ints = attribute.ints!.map(Number).with(place, value);
      return;
    }
    const values = Array.from(tensorData(this.#editor.constant(node.input![index])!), Number).with(place, value);
    this.#editor.setConstant(node, index, makeTensor(this.#editor.freeName(`${node.output![0]!}_${name}`), 'int64', [values.length], BigInt64Array.from(values, BigInt)));
  }

  #cutConstant(node: NodeProto, index: number, axis: number, kept: readonly number[]): void {
    const { dims, data } = this.#editor.floats(node, index);
    const cut = keepAlong(data, dims, axis, kept);
    replaceFloats(this.#editor, node, index, cut.dims, cut.data);
  }

  #isNarrower(tensor: string): boolean {
    const kept = this.#kept(tensor);
    return kept !== undefined && kept.length < this.#channels.groupsOf(tensor)!.length;
  }

  /** Places of the channels that stay. */
  #kept(tensor: string): readonly number[] | undefined {
    const groups = this.#channels.groupsOf(tensor);
    let kept = this.#keptOf.get(tensor);
    if (groups && !kept) this.#keptOf.set(tensor, (kept = groups.flatMap((group, channel) => (this.#removed.has(group) ? [] : [channel]))));
    return kept;
  }
}
