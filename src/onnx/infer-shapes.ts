import { broadcastDims, broadcastValue, castValue, elementwiseValue, indicesOf, pick, reduceAll } from './normalise/fold-values.js';
import { attributeOf, elementCount, feedsOf, intOf, intsOf, textOf, valueFacts, type GraphProto, type NodeProto } from './model-proto.js';
import { dataTypeOf, factsOfConstant, MAX_KNOWN_ELEMENTS, UNKNOWN, type KnownTensor, type SizedTensor, type TensorFacts } from './tensor-facts.js';

export interface InferOptions {
  /** Sizes to assume for inputs, by name: for graphs that leave theirs open, or to ask what another size would give. */
  readonly inputs?: ReadonlyMap<string, readonly number[]>;
}

/**
 * Sizes of the tensors of a graph, followed from the input. A tensor that is missing could not be followed: its size depends on values
 * that only a run has (what NonMaxSuppression keeps), an operator has no rule here, or an input leaves its size open.
 */
export function inferShapes(graph: GraphProto, options: InferOptions = {}): ReadonlyMap<string, readonly number[]> {
  const sized = [...inferTensors(graph, options)].filter((entry): entry is [string, SizedTensor] => entry[1].dims !== undefined);
  return new Map(sized.map(([name, { dims }]) => [name, dims]));
}

/** What can be known of every tensor of a graph, constants included, in the order of execution. */
export function inferTensors(graph: GraphProto, { inputs }: InferOptions = {}): ReadonlyMap<string, TensorFacts> {
  const tensors = new Map<string, TensorFacts>((graph.initializer ?? []).map((tensor) => [tensor.name!, factsOfConstant(tensor)]));
  for (const feed of feedsOf(graph)) tensors.set(feed.name!, factsOfFeed(feed, inputs));
  // What exporters wrote down counts where no rule knows better, and not where another size is asked about.
  const stated = inputs ? new Map<string, TensorFacts>() : statedFacts(graph);
  inferNodes(graph.node ?? [], tensors, stated);
  return tensors;
}

type Tensors = Map<string, TensorFacts>;

function inferNodes(nodes: readonly NodeProto[], tensors: Tensors, stated: ReadonlyMap<string, TensorFacts>): void {
  for (const node of nodes) {
    const inferred = inferNode(node, tensors);
    for (const [i, name] of (node.output ?? []).entries()) {
      const facts = inferred[i] ?? UNKNOWN;
      const note = stated.get(name);
      if (name) tensors.set(name, note && !facts.dims ? note : facts);
    }
  }
}

/** Facts of the outputs of one node, from those of its inputs. */
export function inferNode(node: NodeProto, tensors: ReadonlyMap<string, TensorFacts>): readonly TensorFacts[] {
  return RULES[node.opType ?? '']?.(new Operands(node, tensors)) ?? [];
}

function factsOfFeed(feed: Parameters<typeof valueFacts>[0], inputs: InferOptions['inputs']): TensorFacts {
  const { name, dims, dataType } = valueFacts(feed);
  return { dataType, dims: inputs?.get(name) ?? (dims.length > 0 && isFixed(dims) ? dims : undefined) };
}

function statedFacts(graph: GraphProto): ReadonlyMap<string, TensorFacts> {
  const facts = [...(graph.valueInfo ?? []), ...(graph.output ?? [])].map(valueFacts);
  return new Map(facts.flatMap(({ name, dims, dataType }) => (dims.length > 0 && isFixed(dims) ? [[name, { dims, dataType }]] : [])));
}

function isFixed(dims: readonly (number | string)[]): dims is readonly number[] {
  return dims.every((dim) => typeof dim === 'number');
}

/** The inputs of a node as a rule sees them. */
class Operands {
  readonly node: NodeProto;
  readonly #tensors: ReadonlyMap<string, TensorFacts>;

  constructor(node: NodeProto, tensors: ReadonlyMap<string, TensorFacts>) {
    this.node = node;
    this.#tensors = tensors;
  }

  get tensors(): ReadonlyMap<string, TensorFacts> {
    return this.#tensors;
  }

  get count(): number {
    return this.node.input?.length ?? 0;
  }

  has(index: number): boolean {
    return Boolean(this.node.input?.[index]);
  }

  at(index: number): TensorFacts {
    return this.#tensors.get(this.node.input?.[index] ?? '') ?? UNKNOWN;
  }

  all(): TensorFacts[] {
    return (this.node.input ?? []).map((_, index) => this.at(index));
  }

  sized(index: number): SizedTensor | undefined {
    const facts = this.at(index);
    return facts.dims && (facts as SizedTensor);
  }

  known(index: number): KnownTensor | undefined {
    const facts = this.at(index);
    return facts.dims && facts.value && (facts as KnownTensor);
  }

  /** Numbers that are an attribute in old opsets and an input in new ones. */
  numbers(attribute: string, index: number): readonly number[] | undefined {
    return intsOf(this.node, attribute) ?? this.known(index)?.value;
  }
}

/** Facts of each output; an undefined result or element is a tensor that could not be followed. */
type Rule = (operands: Operands) => readonly TensorFacts[] | undefined;

const same: Rule = (operands) => [{ dims: operands.at(0).dims, dataType: operands.at(0).dataType }];

const RULES: Readonly<Record<string, Rule>> = {
  ...rules(['Relu', 'LeakyRelu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Clip', 'Tanh', 'Softplus', 'Softsign', 'Mish', 'Elu', 'Selu', 'Celu', 'Gelu', 'ThresholdedRelu'], same),
  ...rules(['Exp', 'Log', 'Erf', 'Reciprocal', 'Round', 'Sign', 'Sin', 'Cos', 'Softmax', 'LogSoftmax', 'InstanceNormalization', 'LayerNormalization', 'GroupNormalization', 'CumSum', 'Trilu', 'LRN'], same),
  ...rules(['PRelu', 'BatchNormalization', 'Dropout', 'ScatterND', 'ScatterElements', 'QLinearSigmoid', 'QLinearLeakyRelu'], same),
  ...rules(['Add', 'Sub', 'Mul', 'Div', 'Mod', 'Pow', 'Min', 'Max', 'Neg', 'Abs', 'Floor', 'Ceil', 'Sqrt'], (operands) => elementwise(operands, operands.at(0).dataType)),
  ...rules(['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual', 'And', 'Or', 'Not', 'Xor', 'IsNaN', 'IsInf'], (operands) => elementwise(operands, 'bool')),
  ...rules(['Sum', 'Mean'], (operands) => elementwise(operands, operands.at(0).dataType)),
  Where: (operands) => elementwise(operands, operands.at(1).dataType),
  Identity: (operands) => [operands.at(0)],
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Cast: cast,
  CastLike: (operands) => [{ dims: operands.at(0).dims, dataType: operands.at(1).dataType }],

  Conv: (operands) => convolution(operands, 1, operands.at(0).dataType),
  ConvInteger: (operands) => convolution(operands, 1, 'int32'),
  QLinearConv: (operands) => convolution(operands, 3, operands.at(7).dataType),
  ConvTranspose: transposedConvolution,
  MaxPool: (operands) => pooled(operands),
  AveragePool: (operands) => pooled(operands),
  QLinearAveragePool: (operands) => pooled(operands),
  LpPool: (operands) => pooled(operands),
  ...rules(['GlobalAveragePool', 'GlobalMaxPool', 'QLinearGlobalAveragePool'], (operands) => sizedAs(operands, ({ dims }) => dims.map((size, axis) => (axis < 2 ? size : 1)))),
  Gemm: gemm,
  MatMul: (operands) => matMul(operands, 0, 1, operands.at(0).dataType),
  MatMulInteger: (operands) => matMul(operands, 0, 1, 'int32'),
  QLinearMatMul: (operands) => matMul(operands, 0, 3, operands.at(7).dataType),
  ...rules(['QLinearAdd', 'QLinearMul'], (operands) => {
    const [a, b] = [operands.at(0).dims, operands.at(3).dims];
    return [{ dims: a && b && broadcastDims(a, b), dataType: operands.at(0).dataType }];
  }),
  QLinearConcat: qlinearConcat,
  QuantizeLinear: (operands) => [{ dims: operands.at(0).dims, dataType: operands.has(2) ? operands.at(2).dataType : 'uint8' }],
  DequantizeLinear: (operands) => [{ dims: operands.at(0).dims, dataType: operands.at(1).dataType }],
  DynamicQuantizeLinear: (operands) => [{ dims: operands.at(0).dims, dataType: 'uint8' }, { dims: [], dataType: 'float32' }, { dims: [], dataType: 'uint8' }],

  Shape: shape,
  Size: (operands) => sizedTo(operands, ({ dims }) => ({ dims: [], dataType: 'int64', value: [elementCount(dims)] })),
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Expand: expand,
  Tile: tile,
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
  GatherElements: (operands) => [{ dims: operands.at(1).dims, dataType: operands.at(0).dataType }],
  GatherND: gatherNd,
  Pad: pad,
  Range: range,
  Resize: (operands) => resize(operands, operands.count > 2 ? 2 : 1),
  Upsample: (operands) => resize(operands, 1),
  SpaceToDepth: (operands) => blocks(operands, (size) => 1 / size),
  DepthToSpace: (operands) => blocks(operands, (size) => size),
  ...rules(['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceSum', 'ReduceProd', 'ReduceL1', 'ReduceL2', 'ReduceLogSumExp', 'ReduceSumSquare'], reduce),
  ...rules(['ArgMax', 'ArgMin'], argMax),
  TopK: topK,
  NonZero: nonZero,
  // How many are kept is known after a run only.
  NonMaxSuppression: () => [{ dims: undefined, dataType: 'int64' }],
  If: branches,
};

function rules(operators: readonly string[], rule: Rule): Record<string, Rule> {
  return Object.fromEntries(operators.map((operator) => [operator, rule]));
}

function sizedTo(operands: Operands, facts: (first: SizedTensor) => TensorFacts): readonly TensorFacts[] | undefined {
  const first = operands.sized(0);
  return first && [facts(first)];
}

/** An output of the first input's type. */
function sizedAs(operands: Operands, dims: (first: SizedTensor) => readonly number[] | undefined): readonly TensorFacts[] | undefined {
  return sizedTo(operands, (first) => ({ dims: dims(first), dataType: first.dataType }));
}

function elementwise(operands: Operands, dataType: TensorFacts['dataType']): readonly TensorFacts[] {
  const inputs = operands.all();
  const shapes = inputs.map(({ dims }) => dims);
  const dims = shapes.every((one) => one !== undefined) ? broadcastDims(...shapes) : undefined;
  const isKnown = dims !== undefined && elementCount(dims) <= MAX_KNOWN_ELEMENTS && inputs.every(({ value }) => value);
  return [{ dims, dataType, value: isKnown ? elementwiseValue(operands.node.opType!, inputs as KnownTensor[], dims, dataType) : undefined }];
}

function constant({ node }: Operands): readonly TensorFacts[] | undefined {
  const tensor = attributeOf(node, 'value')?.t;
  if (tensor) return [factsOfConstant(tensor)];
  const ints = intsOf(node, 'value_ints');
  if (ints && ints.length > 0) return [{ dims: [ints.length], dataType: 'int64', value: ints }];
  if (attributeOf(node, 'value_int')) return [{ dims: [], dataType: 'int64', value: [intOf(node, 'value_int', 0)] }];
  const float = attributeOf(node, 'value_float')?.f;
  return float === undefined || float === null ? undefined : [{ dims: [], dataType: 'float32', value: [float] }];
}

function constantOfShape(operands: Operands): readonly TensorFacts[] {
  const tensor = attributeOf(operands.node, 'value')?.t;
  const { dataType, value: [fill = 0] = [] } = tensor ? factsOfConstant(tensor) : { dataType: 'float32' as const };
  const dims = operands.known(0)?.value;
  const isSmall = dims !== undefined && elementCount(dims) <= MAX_KNOWN_ELEMENTS;
  return [{ dims, dataType, value: isSmall ? Array<number>(elementCount(dims)).fill(fill) : undefined }];
}

function cast(operands: Operands): readonly TensorFacts[] {
  const dataType = dataTypeOf(intOf(operands.node, 'to', 0));
  const { dims, value } = operands.at(0);
  return [{ dims, dataType, value: value && castValue(value, dataType) }];
}

function convolution(operands: Operands, weightIndex: number, dataType: TensorFacts['dataType']): readonly TensorFacts[] {
  const weight = operands.sized(weightIndex)?.dims;
  return [{ dims: weight && slidingWindow(operands, weight.slice(2), weight[0]), dataType }];
}

function pooled(operands: Operands): readonly TensorFacts[] {
  const dims = slidingWindow(operands, intsOf(operands.node, 'kernel_shape') ?? []);
  return [{ dims, dataType: operands.at(0).dataType }, { dims, dataType: 'int64' }];
}

/** Output of a convolution or pooling, by ONNX's formula. */
function slidingWindow(operands: Operands, kernel: readonly number[], channels?: number): readonly number[] | undefined {
  const { node } = operands;
  const dims = operands.at(0).dims;
  if (dims?.length !== kernel.length + 2) return undefined;
  const strides = intsOf(node, 'strides');
  const dilations = intsOf(node, 'dilations');
  const pads = intsOf(node, 'pads');
  const isCeil = intOf(node, 'ceil_mode', 0) === 1;
  const autoPad = textOf(node, 'auto_pad');
  const spatial = kernel.map((size, axis) => {
    const input = dims[axis + 2]!;
    const stride = strides?.[axis] ?? 1;
    if (autoPad.startsWith('SAME')) return Math.ceil(input / stride);
    const before = pads?.[axis] ?? 0;
    const padded = input + before + (pads?.[axis + kernel.length] ?? 0);
    const steps = (padded - (dilations?.[axis] ?? 1) * (size - 1) - 1) / stride;
    if (!isCeil) return Math.floor(steps) + 1;
    // A window that would start behind the picture and its left padding is none.
    const rounded = Math.ceil(steps) + 1;
    return (rounded - 1) * stride >= input + before ? rounded - 1 : rounded;
  });
  return [dims[0]!, channels ?? dims[1]!, ...spatial];
}

function transposedConvolution(operands: Operands): readonly TensorFacts[] | undefined {
  const weight = operands.sized(1)?.dims;
  if (!weight) return undefined;
  const { node } = operands;
  const kernel = weight.slice(2);
  const ints = (name: string, otherwise: number): number[] => intsOf(node, name) ?? Array<number>(kernel.length * 2).fill(otherwise);
  const [strides, dilations, pads, outputPadding] = [ints('strides', 1), ints('dilations', 1), ints('pads', 0), ints('output_padding', 0)];
  const isSame = textOf(node, 'auto_pad').startsWith('SAME');
  const spatial = (dims: readonly number[]): number[] =>
    intsOf(node, 'output_shape') ??
    kernel.map((size, axis) => {
      const input = dims[axis + 2]!;
      if (isSame) return input * strides[axis]!;
      return strides[axis]! * (input - 1) + outputPadding[axis]! + (size - 1) * dilations[axis]! + 1 - pads[axis]! - pads[axis + kernel.length]!;
    });
  return sizedAs(operands, ({ dims }) => [dims[0]!, weight[1]! * intOf(node, 'group', 1), ...spatial(dims)]);
}

function gemm(operands: Operands): readonly TensorFacts[] | undefined {
  const [a, b] = [operands.sized(0)?.dims, operands.sized(1)?.dims];
  if (!a || !b) return undefined;
  const { node } = operands;
  return [{ dims: [a[intOf(node, 'transA', 0) === 1 ? 1 : 0]!, b[intOf(node, 'transB', 0) === 1 ? 0 : 1]!], dataType: operands.at(0).dataType }];
}

function matMul(operands: Operands, first: number, second: number, dataType: TensorFacts['dataType']): readonly TensorFacts[] | undefined {
  const [a, b] = [operands.sized(first)?.dims, operands.sized(second)?.dims];
  if (!a || !b || a.length === 0 || b.length === 0) return undefined;
  const batch = broadcastDims(a.slice(0, -2), b.slice(0, -2));
  const rows = a.length > 1 ? [a.at(-2)!] : [];
  const columns = b.length > 1 ? [b.at(-1)!] : [];
  return [{ dims: batch && [...batch, ...rows, ...columns], dataType }];
}

/** Inputs after scale and zero point of the output: a tensor, its scale, its zero point, and so on. */
function qlinearConcat(operands: Operands): readonly TensorFacts[] | undefined {
  const parts = operands.all().filter((_, index) => index >= 2 && index % 3 === 2);
  return [{ dims: joinedDims(parts, intOf(operands.node, 'axis', 0)), dataType: operands.at(1).dataType }];
}

function shape(operands: Operands): readonly TensorFacts[] | undefined {
  return sizedTo(operands, ({ dims }) => {
    const end = attributeOf(operands.node, 'end') ? intOf(operands.node, 'end', 0) : dims.length;
    const value = dims.slice(intOf(operands.node, 'start', 0), end);
    return { dims: [value.length], dataType: 'int64', value };
  });
}

function reshape(operands: Operands): readonly TensorFacts[] | undefined {
  const wanted = operands.numbers('shape', 1);
  if (!wanted) return undefined;
  const keepsZero = intOf(operands.node, 'allowzero', 0) === 1;
  return sizedTo(operands, ({ dims, dataType, value }) => ({ dims: reshapedDims(dims, wanted, keepsZero), dataType, value }));
}

/** What a Reshape to `wanted` makes of `dims`; undefined where the elements don't fit. */
export function reshapedDims(dims: readonly number[], wanted: readonly number[], keepsZero = false): number[] | undefined {
  const copied = wanted.map((size, axis) => (size === 0 && !keepsZero ? dims[axis]! : size));
  const rest = elementCount(copied.filter((size) => size !== -1));
  const result = copied.map((size) => (size === -1 ? elementCount(dims) / rest : size));
  return elementCount(result) === elementCount(dims) && result.every(Number.isInteger) ? result : undefined;
}

function flatten(operands: Operands): readonly TensorFacts[] | undefined {
  return sizedAs(operands, ({ dims }) => {
    const axis = intOf(operands.node, 'axis', 1);
    const at = axis < 0 ? axis + dims.length : axis;
    return [elementCount(dims.slice(0, at)), elementCount(dims.slice(at))];
  });
}

function squeeze(operands: Operands): readonly TensorFacts[] | undefined {
  const axes = operands.numbers('axes', 1);
  if (!axes && operands.has(1)) return undefined;
  return sizedTo(operands, ({ dims, dataType, value }) => {
    const gone = axes?.map((axis) => (axis + dims.length) % dims.length);
    return { dims: dims.filter((size, axis) => (gone ? !gone.includes(axis) : size !== 1)), dataType, value };
  });
}

function unsqueeze(operands: Operands): readonly TensorFacts[] | undefined {
  const axes = operands.numbers('axes', 1);
  if (!axes) return undefined;
  return sizedTo(operands, ({ dims, dataType, value }) => {
    const rank = dims.length + axes.length;
    const added = new Set(axes.map((axis) => (axis + rank) % rank));
    const old = dims.values();
    return { dims: Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : old.next().value!)), dataType, value };
  });
}

function transpose(operands: Operands): readonly TensorFacts[] | undefined {
  return sizedTo(operands, (input) => {
    const permutation = intsOf(operands.node, 'perm') ?? input.dims.map((_, axis) => input.dims.length - 1 - axis);
    const dims = permutation.map((axis) => input.dims[axis]!);
    const value = input.value && pick(input as KnownTensor, dims, (index) => input.dims.map((_, axis) => index[permutation.indexOf(axis)]!));
    return { dims, dataType: input.dataType, value };
  });
}

function expand(operands: Operands): readonly TensorFacts[] | undefined {
  const wanted = operands.known(1)?.value;
  if (!wanted) return undefined;
  return sizedTo(operands, (input) => {
    const dims = broadcastDims(input.dims, wanted);
    const isKnown = dims && input.value && elementCount(dims) <= MAX_KNOWN_ELEMENTS;
    return { dims, dataType: input.dataType, value: isKnown ? broadcastValue(input as KnownTensor, dims) : undefined };
  });
}

function tile(operands: Operands): readonly TensorFacts[] | undefined {
  const repeats = operands.known(1)?.value;
  if (!repeats) return undefined;
  return sizedTo(operands, (input) => {
    const dims = input.dims.map((size, axis) => size * repeats[axis]!);
    const isKnown = input.value && elementCount(dims) <= MAX_KNOWN_ELEMENTS;
    return { dims, dataType: input.dataType, value: isKnown ? pick(input as KnownTensor, dims, (index) => index.map((i, axis) => i % input.dims[axis]!)) : undefined };
  });
}

function joinedDims(parts: readonly TensorFacts[], axis: number): number[] | undefined {
  const shapes = parts.map(({ dims }) => dims);
  const [first] = shapes;
  if (!first || shapes.some((one) => !one)) return undefined;
  const at = (axis + first.length) % first.length;
  return first.with(at, shapes.reduce((sum, one) => sum + one![at]!, 0));
}

function concat(operands: Operands): readonly TensorFacts[] {
  const parts = operands.all();
  const dims = joinedDims(parts, intOf(operands.node, 'axis', 0));
  const isVector = dims?.length === 1 && parts.every(({ value }) => value);
  return [{ dims, dataType: operands.at(0).dataType, value: isVector ? parts.flatMap(({ value }) => value!) : undefined }];
}

function split(operands: Operands): readonly TensorFacts[] | undefined {
  const input = operands.sized(0);
  const { node } = operands;
  const parts = node.output!.length;
  const sizes = operands.numbers('split', 1);
  if (!input || (!sizes && operands.has(1))) return undefined;
  const axis = (intOf(node, 'axis', 0) + input.dims.length) % input.dims.length;
  // Without sizes all parts are equal, the last one smaller where that doesn't work out.
  const even = Math.ceil(input.dims[axis]! / parts);
  const starts = Array.from({ length: parts }, (_, i) => (sizes ? elementSum(sizes.slice(0, i)) : even * i));
  return starts.map((start, i) => {
    const size = sizes?.[i] ?? Math.min(even, input.dims[axis]! - start);
    const dims = input.dims.with(axis, size);
    return { dims, dataType: input.dataType, value: input.value && pick(input as KnownTensor, dims, (index) => index.with(axis, index[axis]! + start)) };
  });
}

function elementSum(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function slice(operands: Operands): readonly TensorFacts[] | undefined {
  const [starts, ends] = [operands.numbers('starts', 1), operands.numbers('ends', 2)];
  if (!starts || !ends || (operands.has(3) && !operands.known(3))) return undefined;
  const axes = operands.numbers('axes', 3) ?? starts.map((_, i) => i);
  const steps = operands.known(4)?.value ?? starts.map(() => 1);
  return sizedTo(operands, (input) => {
    const ranges = input.dims.map((size) => ({ start: 0, step: 1, count: size }));
    for (const [i, axis] of axes.entries()) {
      const at = (axis + input.dims.length) % input.dims.length;
      ranges[at] = sliceRange(input.dims[at]!, starts[i]!, ends[i]!, steps[i]!);
    }
    const dims = ranges.map(({ count }) => count);
    const value = input.value && pick(input as KnownTensor, dims, (index) => index.map((i, axis) => ranges[axis]!.start + i * ranges[axis]!.step));
    return { dims, dataType: input.dataType, value };
  });
}

function sliceRange(size: number, start: number, end: number, step: number): { start: number; step: number; count: number } {
  const fromEnd = (value: number): number => (value < 0 ? value + size : value);
  const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
  const first = step > 0 ? clamp(fromEnd(start), 0, size) : clamp(fromEnd(start), 0, size - 1);
  const last = step > 0 ? clamp(fromEnd(end), 0, size) : clamp(fromEnd(end), -1, size - 1);
  return { start: first, step, count: Math.max(0, Math.ceil((last - first) / step)) };
}

function gather(operands: Operands): readonly TensorFacts[] | undefined {
  const indices = operands.sized(1);
  if (!indices) return undefined;
  return sizedTo(operands, (input) => {
    const axis = (intOf(operands.node, 'axis', 0) + input.dims.length) % input.dims.length;
    const dims = [...input.dims.slice(0, axis), ...indices.dims, ...input.dims.slice(axis + 1)];
    const isKnown = input.value && indices.value && input.dims.length === 1;
    return { dims, dataType: input.dataType, value: isKnown ? indices.value.map((i) => input.value!.at(i)!) : undefined };
  });
}

function gatherNd(operands: Operands): readonly TensorFacts[] | undefined {
  const indices = operands.sized(1)?.dims;
  const batch = intOf(operands.node, 'batch_dims', 0);
  return indices && sizedAs(operands, ({ dims }) => [...indices.slice(0, -1), ...dims.slice(batch + indices.at(-1)!)]);
}

function pad(operands: Operands): readonly TensorFacts[] | undefined {
  const pads = operands.numbers('pads', 1);
  if (!pads || operands.has(3)) return undefined;
  return sizedAs(operands, ({ dims }) => dims.map((size, axis) => size + pads[axis]! + pads[axis + dims.length]!));
}

function range(operands: Operands): readonly TensorFacts[] | undefined {
  const [start, limit, delta] = [0, 1, 2].map((index) => operands.known(index)?.value[0]);
  if (start === undefined || limit === undefined || delta === undefined) return [{ dims: undefined, dataType: operands.at(0).dataType }];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  const value = count <= MAX_KNOWN_ELEMENTS ? Array.from({ length: count }, (_, i) => start + i * delta) : undefined;
  return [{ dims: [count], dataType: operands.at(0).dataType, value }];
}

function resize(operands: Operands, scalesIndex: number): readonly TensorFacts[] | undefined {
  const input = operands.sized(0);
  if (!input) return undefined;
  const sizes = operands.known(3)?.value;
  const scales = operands.known(scalesIndex)?.value ?? attributeOf(operands.node, 'scales')?.floats ?? undefined;
  if (sizes?.length === input.dims.length) return [{ dims: sizes, dataType: input.dataType }];
  // In single precision, as the runtime does it: 13 * 1.5384615 is 20 there.
  return scales?.length === input.dims.length ? [{ dims: input.dims.map((size, axis) => Math.floor(Math.fround(size * Math.fround(scales[axis]!)))), dataType: input.dataType }] : undefined;
}

function blocks(operands: Operands, factor: (blockSize: number) => number): readonly TensorFacts[] | undefined {
  const by = factor(intOf(operands.node, 'blocksize', 1));
  return sizedAs(operands, ({ dims: [batch = 1, channels = 1, height = 1, width = 1] }) => [batch, channels / by ** 2, height * by, width * by]);
}

function reduce(operands: Operands): readonly TensorFacts[] | undefined {
  const { node } = operands;
  const axes = operands.numbers('axes', 1);
  if (!axes && operands.has(1)) return undefined;
  const keeps = intOf(node, 'keepdims', 1) === 1;
  return sizedTo(operands, (input) => {
    const isNone = axes === undefined || axes.length === 0;
    if (isNone && intOf(node, 'noop_with_empty_axes', 0) === 1) return input;
    const gone = new Set((isNone ? [...input.dims.keys()] : axes).map((axis) => (axis + input.dims.length) % input.dims.length));
    const dims = input.dims.map((size, axis) => (gone.has(axis) ? 1 : size)).filter((_, axis) => keeps || !gone.has(axis));
    const value = input.value && gone.size === input.dims.length ? reduceAll(node.opType!, input.value) : undefined;
    return { dims, dataType: input.dataType, value };
  });
}

function argMax(operands: Operands): readonly TensorFacts[] | undefined {
  const keeps = intOf(operands.node, 'keepdims', 1) === 1;
  return sizedTo(operands, ({ dims }) => {
    const axis = (intOf(operands.node, 'axis', 0) + dims.length) % dims.length;
    return { dims: keeps ? dims.with(axis, 1) : dims.toSpliced(axis, 1), dataType: 'int64' };
  });
}

function topK(operands: Operands): readonly TensorFacts[] | undefined {
  const input = operands.sized(0);
  const k = attributeOf(operands.node, 'k') ? intOf(operands.node, 'k', 0) : operands.known(1)?.value[0];
  if (!input || k === undefined) return undefined;
  const axis = (intOf(operands.node, 'axis', -1) + input.dims.length) % input.dims.length;
  const dims = input.dims.with(axis, k);
  return [{ dims, dataType: input.dataType }, { dims, dataType: 'int64' }];
}

function nonZero(operands: Operands): readonly TensorFacts[] {
  const input = operands.known(0);
  if (!input) return [{ dims: undefined, dataType: 'int64' }];
  const found = indicesOf(input.dims).filter((_, i) => input.value[i] !== 0);
  return [{ dims: [input.dims.length, found.length], dataType: 'int64', value: input.dims.flatMap((_, axis) => found.map((index) => index[axis]!)) }];
}

/** The branch that is taken where the condition is known, else what both branches agree on. */
function branches(operands: Operands): readonly TensorFacts[] | undefined {
  const condition = operands.known(0)?.value[0];
  const [then, otherwise] = ['then_branch', 'else_branch'].map((name) => inferBranch(attributeOf(operands.node, name)?.g ?? undefined, operands.tensors));
  if (condition !== undefined) return condition !== 0 ? then : otherwise;
  return then?.map((facts, i) => (facts.dims && String(facts.dims) === String(otherwise?.[i]?.dims) ? { dims: facts.dims, dataType: facts.dataType } : UNKNOWN));
}

function inferBranch(graph: GraphProto | undefined, around: ReadonlyMap<string, TensorFacts>): readonly TensorFacts[] | undefined {
  if (!graph) return undefined;
  const tensors: Tensors = new Map(around);
  for (const tensor of graph.initializer ?? []) tensors.set(tensor.name!, factsOfConstant(tensor));
  inferNodes(graph.node ?? [], tensors, new Map());
  return (graph.output ?? []).map(({ name }) => tensors.get(name!) ?? UNKNOWN);
}
