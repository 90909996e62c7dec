import { GraphEditor, nodeName } from '../graph-editor.js';
import { inferShapes } from '../infer-shapes.js';
import { dimsOf, elementCount, feedsOf, intOf, intsOf, tensorData, type ModelProto, type NodeProto } from '../model-proto.js';
import { CoupledChannels } from './coupled-channels.js';

/** One channel of a convolution, which is known by its output. */
export interface ConvChannel {
  readonly conv: string;
  readonly channel: number;
}

/** Channels that go together or not at all. */
export interface ChannelGroup {
  /** Filters of dense convolutions that compute them. */
  readonly filters: readonly ConvChannel[];
  /** Filters of depthwise convolutions that pass them on. */
  readonly depthwise: readonly ConvChannel[];
  /** Inputs of dense convolutions that read them: none where nothing reads them. */
  readonly readers: readonly ConvChannel[];
}

/** A node that channels can't be followed through: those that it reads have to stay. */
export interface PinningNode {
  readonly node: string;
  readonly why: string;
  /** Channels that it keeps and that might have gone without it. */
  readonly channels: number;
}

/** Which channels of a network can be removed, and with which others. */
export interface ChannelGraph {
  /** Numbered in the order of the graph: the same model gives the same numbers. */
  readonly groups: readonly ChannelGroup[];
  readonly pinnedBy: readonly PinningNode[];
  /** All tensors whose channels are known, in the order of the graph. */
  readonly tensors: readonly string[];
  /** For each channel (axis 1) of a tensor the number of its group, -1 for one that has to stay; undefined where they couldn't be followed. */
  groupsOf(tensor: string): readonly number[] | undefined;
}

/** Channel numbers by tensor. */
type Channels = Map<string, readonly number[]>;

/** Follows channels from the convolutions that compute them to the ones that read them. */
export function channelGraph(model: ModelProto): ChannelGraph {
  return new ChannelTracer(model).trace();
}

/** Operators whose output channel is a function of the same channel of their first input. */
const CHANNELWISE = new Set([
  'Relu', 'LeakyRelu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Clip', 'Tanh', 'Softplus', 'Mish', 'Elu', 'Selu', 'Celu', 'Gelu', 'ThresholdedRelu', 'Erf', 'Exp', 'Abs', 'Neg', 'Sqrt',
  'Identity', 'Cast', 'Dropout', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'Resize', 'Upsample', 'BatchNormalization', 'InstanceNormalization',
]);
const ELEMENTWISE = new Set(['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'PRelu', 'Pow']);

class ChannelTracer {
  readonly #editor: GraphEditor;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  readonly #channels: Channels = new Map();
  readonly #coupled = new CoupledChannels();
  readonly #obstacles: { readonly node: NodeProto; readonly why: string; readonly channels: readonly number[] }[] = [];

  constructor(model: ModelProto) {
    this.#editor = new GraphEditor(model);
    this.#shapes = inferShapes(this.#editor.graph);
  }

  trace(): ChannelGraph {
    for (const { name } of feedsOf(this.#editor.graph)) this.#pinNew(name!, this.#shapes.get(name!)?.[1] ?? 0);
    for (const node of this.#editor.nodes) this.#follow(node);
    const free = this.#obstacles.map(({ channels }) => channels.filter((channel) => !this.#coupled.isPinned(channel)));
    for (const { name } of this.#editor.graph.output ?? []) this.#coupled.pin(this.#channels.get(name!) ?? []);
    const pinnedBy = this.#obstacles.flatMap(({ node, why }, index) => {
      const channels = new Set(free[index]!.filter((channel) => !this.#coupled.isPinned(channel)).map((channel) => this.#coupled.rootOf(channel))).size;
      return channels === 0 ? [] : [{ node: nodeName(node), why, channels }];
    });
    for (const { channels } of this.#obstacles) this.#coupled.pin(channels);
    return this.#result(pinnedBy);
  }

  #follow(node: NodeProto): void {
    const op = node.opType ?? '';
    const why = this.#passOn(node, op);
    if (why === undefined) return;
    const channels = node.input!.flatMap((name) => this.#channels.get(name) ?? []);
    if (channels.length > 0) this.#obstacles.push({ node, why, channels });
    // What comes out of a convolution can be counted even where its inputs have to stay.
    if (op === 'Conv') this.#pinNew(node.output![0]!, dimsOf(this.#editor.constant(node.input![1]) ?? {})[0] ?? 0);
  }

  /** @returns why not, where channels can't be followed through the node. */
  #passOn(node: NodeProto, op: string): string | undefined {
    const output = node.output![0]!;
    const input = this.#channels.get(node.input![0] ?? '');
    if (op === 'Conv') return this.#passConvolution(node, input);
    if (ELEMENTWISE.has(op)) return this.#passElementwise(node);
    if (op === 'Concat') return this.#passConcat(node);
    if (!input) return undefined;
    if (op === 'Resize' || op === 'Upsample') {
      if (!this.#resizesPictureOnly(node)) return 'it may resize channels';
    } else if (op === 'Slice') return this.#passSlice(node, input);
    else if (op === 'Split') return this.#passSplit(node, input);
    else if (op === 'Pad') {
      if (!this.#padsPictureOnly(node)) return 'it may pad channels';
    } else if (op === 'ReduceMean' || op === 'ReduceMax') {
      if (!this.#reducesPictureOnly(node)) return 'it may reduce channels';
    } else if (!CHANNELWISE.has(op)) return `channels can't be followed through ${op}`;
    this.#channels.set(output, input);
    return undefined;
  }

  #passConvolution(node: NodeProto, input: readonly number[] | undefined): string | undefined {
    const weight = this.#editor.constant(node.input![1]);
    const isConstant = weight !== undefined && (!node.input![2] || this.#editor.constant(node.input![2]) !== undefined);
    if (!isConstant) return 'its weights are computed';
    const [filters = 0, perGroup = 0] = dimsOf(weight);
    const groups = intOf(node, 'group', 1);
    const output = node.output![0]!;
    if (groups === 1) {
      this.#channels.set(output, this.#coupled.create(filters));
      return undefined;
    }
    if (perGroup !== 1 || filters !== groups) return `it has ${groups} groups of ${perGroup} channels`;
    if (!input) return 'where its input comes from is unknown';
    this.#channels.set(output, input);
    return undefined;
  }

  #passElementwise(node: NodeProto): string | undefined {
    const output = node.output![0]!;
    const tracked = node.input!.map((name) => this.#channels.get(name));
    const known = tracked.filter((channels) => channels !== undefined);
    const widest = known.reduce<readonly number[]>((longest, channels) => (channels.length > longest.length ? channels : longest), []);
    if (known.length === 0) return undefined;
    for (const [index, channels] of tracked.entries()) {
      const name = node.input![index]!;
      if (channels?.length === widest.length) for (const [i, channel] of channels.entries()) this.#coupled.couple(channel, widest[i]!);
      // One channel that is added to all stays; so does what a tensor of unknown origin is added to.
      else if (channels?.length === 1) this.#obstacles.push({ node, why: 'one channel goes to many', channels });
      else if (channels || !this.#editor.constant(name)) return 'where one of its inputs comes from is unknown';
      else if (!fitsChannels(dimsOf(this.#editor.constant(name)!), widest.length)) return 'its constant is not one value a channel';
    }
    this.#channels.set(output, widest);
    return undefined;
  }

  #passConcat(node: NodeProto): string | undefined {
    const parts = node.input!.map((name) => this.#channels.get(name));
    if (parts.every((part) => part === undefined)) return undefined;
    if (parts.some((part) => part === undefined)) return 'where one of its inputs comes from is unknown';
    const axis = intOf(node, 'axis', 0);
    if (axis === 1 || axis === -3) {
      this.#channels.set(node.output![0]!, parts.flatMap((part) => part!));
      return undefined;
    }
    if (axis === 0 || axis === -4 || parts.some((part) => part!.length !== parts[0]!.length)) return 'it stacks pictures, not channels';
    for (const part of parts) for (const [i, channel] of part!.entries()) this.#coupled.couple(channel, parts[0]![i]!);
    this.#channels.set(node.output![0]!, parts[0]!);
    return undefined;
  }

  #passSlice(node: NodeProto, input: readonly number[]): string | undefined {
    const cut = channelSlice(this.#editor, node, input.length);
    if (!cut) return 'where it cuts is computed';
    this.#channels.set(node.output![0]!, input.slice(cut.start, cut.end));
    return undefined;
  }

  #passSplit(node: NodeProto, input: readonly number[]): string | undefined {
    const axis = intOf(node, 'axis', 0);
    if (axis !== 1 && axis !== -3) return 'it splits pictures, not channels';
    let at = 0;
    const sizes = splitSizes(this.#editor, node, input.length);
    if (!sizes) return 'where it cuts is computed';
    for (const [index, size] of sizes.entries()) {
      this.#channels.set(node.output![index]!, input.slice(at, at + size));
      at += size;
    }
    return undefined;
  }

  #resizesPictureOnly(node: NodeProto): boolean {
    const scales = numbers(this.#editor, node, node.opType === 'Upsample' ? 1 : 2);
    if (scales && scales.length > 0) return scales[1] === 1;
    // Sizes name the channels: they are changed with them, where they are constant.
    return numbers(this.#editor, node, 3)?.length === 4;
  }

  #padsPictureOnly(node: NodeProto): boolean {
    const pads = intsOf(node, 'pads') ?? numbers(this.#editor, node, 1);
    return pads?.length === 8 && pads[1] === 0 && pads[5] === 0;
  }

  #reducesPictureOnly(node: NodeProto): boolean {
    const axes = intsOf(node, 'axes') ?? numbers(this.#editor, node, 1);
    return intOf(node, 'keepdims', 1) === 1 && axes !== undefined && axes.length > 0 && axes.every((axis) => [2, 3, -1, -2].includes(axis));
  }

  #pinNew(tensor: string, count: number): void {
    const channels = this.#coupled.create(count);
    this.#coupled.pin(channels);
    if (count > 0) this.#channels.set(tensor, channels);
  }

  #result(pinnedBy: readonly PinningNode[]): ChannelGraph {
    const groups: { filters: ConvChannel[]; depthwise: ConvChannel[]; readers: ConvChannel[] }[] = [];
    const numberOfRoot = new Map<number, number>();
    const numberOf = (channel: number): number => {
      if (this.#coupled.isPinned(channel)) return -1;
      const root = this.#coupled.rootOf(channel);
      const known = numberOfRoot.get(root) ?? groups.push({ filters: [], depthwise: [], readers: [] }) - 1;
      numberOfRoot.set(root, known);
      return known;
    };
    for (const node of this.#editor.nodes.filter(({ opType }) => opType === 'Conv')) {
      const conv = node.output![0]!;
      const isDense = intOf(node, 'group', 1) === 1;
      for (const [channel, id] of (this.#channels.get(conv) ?? []).entries()) {
        const group = groups[numberOf(id)];
        if (isDense) group?.filters.push({ conv, channel });
        else group?.depthwise.push({ conv, channel });
      }
      if (isDense) for (const [channel, id] of (this.#channels.get(node.input![0]!) ?? []).entries()) groups[numberOf(id)]?.readers.push({ conv, channel });
    }
    const byTensor = new Map([...this.#channels].map(([tensor, channels]) => [tensor, channels.map(numberOf)]));
    return { groups, pinnedBy, tensors: [...byTensor.keys()], groupsOf: (tensor) => byTensor.get(tensor) };
  }
}

/** Which channels a Slice takes; undefined where that isn't constant, or not every one from `start` to `end`. */
export function channelSlice(editor: GraphEditor, node: NodeProto, channels: number): { readonly start: number; readonly end: number; readonly place: number | undefined } | undefined {
  const [starts, ends, axes, steps] = ['starts', 'ends', 'axes', 'steps'].map((name, index) => intsOf(node, name) ?? numbers(editor, node, index + 1));
  if (!starts || !ends) return undefined;
  const place = (axes ?? starts.map((_, index) => index)).findIndex((axis) => axis === 1 || axis === -3);
  if (place < 0) return { start: 0, end: channels, place: undefined };
  if ((steps?.[place] ?? 1) !== 1) return undefined;
  const bound = (value: number): number => Math.max(0, Math.min(channels, value < 0 ? value + channels : value));
  return { start: bound(starts[place]!), end: bound(ends[place]!), place };
}

/** Channels of each output of a Split, undefined where that isn't constant. */
export function splitSizes(editor: GraphEditor, node: NodeProto, channels: number): readonly number[] | undefined {
  const stated = intsOf(node, 'split') ?? (node.input![1] ? numbers(editor, node, 1) : undefined);
  if (stated) return stated;
  if (node.input![1]) return undefined;
  const size = Math.ceil(channels / node.output!.length);
  return node.output!.map((_, index) => Math.max(0, Math.min(size, channels - index * size)));
}

/** A scalar, or one value a channel and the same all over the picture. */
function fitsChannels(dims: readonly number[], channels: number): boolean {
  if (elementCount(dims) === 1) return true;
  const axis = channelAxis(dims);
  return axis !== undefined && dims[axis] === channels && elementCount(dims) === channels;
}

/** Of a constant that is broadcast against `[N, C, H, W]`; undefined where it has none. */
export function channelAxis(dims: readonly number[]): number | undefined {
  return dims.length >= 3 ? dims.length - 3 : undefined;
}

function numbers(editor: GraphEditor, node: NodeProto, index: number): number[] | undefined {
  const tensor = editor.constant(node.input![index]);
  return tensor && elementCount(dimsOf(tensor)) > 0 ? Array.from(tensorData(tensor), Number) : undefined;
}
