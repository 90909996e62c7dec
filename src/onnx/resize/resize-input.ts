import { AppError } from '../../core/errors.js';
import type { ModelInput } from '../../core/manifest.js';
import type { Size } from '../../core/size.js';
import { inheritLayout, isChanged, joinAxes, plainLayout, regroup, sizeOf, type Factor, type Layout } from './axis-layout.js';
import { GraphEditor, nodeName } from '../graph-editor.js';
import { inferNode, inferTensors } from '../infer-shapes.js';
import { decodeModel, dimsOf, elementCount, encodeModel, feedsOf, intOf, intsOf, makeNode, makeTensor, makeValueInfo, tensorData, valueFacts, type ModelProto, type NodeProto } from '../model-proto.js';
import { dividePlace, joinPlaces, modPlace, placeOnAxis, rangeOf, subtractPlace, subtractRaised, type Place } from './place-arithmetic.js';
import { axesOfConstant, regridConstant } from './regrid-constant.js';
import { factsOfConstant, isInteger, type TensorFacts } from '../tensor-facts.js';

export interface ResizedModel {
  readonly onnx: Uint8Array;
  readonly input: ModelInput;
  /** Nodes whose constants held the old size, in order. */
  readonly adapted: readonly string[];
}

/**
 * The same network for pictures of another size. Weights stay; reshapes, sizes and grids that the exporter wrote down for the old size
 * are written anew: a Reshape by following each axis from the picture on, a grid by continuing the straight lines that it follows.
 *
 * @param input as the manifest says it.
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP naming the node that can't work at another size, or where nobody can tell how it would.
 */
export function resizeInput(model: Uint8Array, input: ModelInput, size: Size): ResizedModel {
  const proto = decodeModel(model);
  const resizer = new Resizer(proto, input, size);
  resizer.run();
  const metadata = proto.metadataProps.find(({ key }) => key === 'imgsz');
  if (metadata) metadata.value = `[${size.height}, ${size.width}]`;
  return { onnx: encodeModel(proto), input: { ...input, ...size }, adapted: resizer.adapted };
}

interface RaisedPlace {
  readonly node: NodeProto;
  readonly place: Place;
  readonly factor: number;
  isSettled: boolean;
}

/** Walks through a graph in the order of execution and keeps what is known under both sizes side by side. */
class Resizer {
  readonly adapted: string[] = [];
  readonly #editor: GraphEditor;
  readonly #old: ReadonlyMap<string, TensorFacts>;
  readonly #new = new Map<string, TensorFacts>();
  readonly #layouts = new Map<string, Layout>();
  /** What integers that were computed from places say. */
  readonly places = new Map<string, Place>();
  /** Places times a constant that says what it is once something is added. */
  readonly raised = new Map<string, RaisedPlace>();
  /** Sizes of axes that change, with products of two neighbours: a number among them is no coincidence in index arithmetic. */
  readonly #oldSizes = new Set<number>();
  readonly #input: ModelInput;
  readonly #size: Size;

  constructor(proto: ModelProto, input: ModelInput, size: Size) {
    this.#editor = new GraphEditor(proto);
    this.#input = input;
    this.#size = size;
    const { graph } = this.#editor;
    const feed = feedsOf(graph)[0]!;
    const dimsAt = ({ height, width }: Size): number[] => (input.layout === 'nchw' ? [1, 3, height, width] : [1, height, width, 3]);
    this.#old = inferTensors(graph, { inputs: new Map([[feed.name!, dimsAt(input)]]) });
    for (const tensor of graph.initializer ?? []) this.#new.set(tensor.name!, factsOfConstant(tensor));
    this.#learn(feed.name!, { dims: dimsAt(size), dataType: this.#old.get(feed.name!)!.dataType });
    graph.input = (graph.input ?? []).map((value) => (value === feed ? makeValueInfo(feed.name!, input.dtype, dimsAt(size)) : value));
    graph.valueInfo = [];
  }

  run(): void {
    for (const node of this.#editor.nodes) this.#visit(node);
    const open = [...this.raised.values()].find(({ factor, isSettled }) => !isSettled && this.isOldSize(factor));
    if (open) throw this.#refuse(open.node, `nobody can tell which places it puts together with ${open.factor}`);
    const { graph } = this.#editor;
    graph.output = (graph.output ?? []).map((output) => {
      const { dataType } = valueFacts(output);
      const facts = this.#new.get(output.name!);
      return facts?.dims && dataType !== 'other' ? makeValueInfo(output.name!, dataType, facts.dims) : output;
    });
  }

  #visit(node: NodeProto): void {
    if (['Loop', 'Scan', 'If'].includes(node.opType ?? '')) throw this.#refuse(node, 'a branch or loop may depend on the size');
    if (ADAPT[node.opType ?? '']?.(node, this) === true) this.adapted.push(nodeName(node));
    this.#checkOperands(node);
    const facts = inferNode(node, this.#new);
    for (const [i, name] of node.output!.entries()) {
      if (!name) continue;
      const found = facts[i];
      if (this.oldDims(name) && !found?.dims) throw this.#refuse(node, 'its inputs no longer fit each other');
      this.#learn(name, found ?? { dims: undefined, dataType: 'other' }, node);
    }
    followPlaces(node, this);
  }

  #learn(name: string, facts: TensorFacts, node?: NodeProto): void {
    this.#new.set(name, facts);
    const old = this.oldDims(name);
    if (!old || facts.dims?.length !== old.length) return;
    const layout = this.#layoutOf(node, old, facts.dims);
    this.#layouts.set(name, layout);
    const changed = layout.filter(isChanged).map((axis) => sizeOf(axis).old);
    for (const size of [...changed, elementCount(changed)]) this.#oldSizes.add(size);
  }

  #layoutOf(node: NodeProto | undefined, oldDims: readonly number[], newDims: readonly number[]): Layout {
    const from = (node?.input ?? []).map((name) => this.#layouts.get(name)).filter((layout) => layout !== undefined);
    const [first] = from;
    if (!node || !first) return plainLayout(oldDims, newDims);
    switch (node.opType ?? '') {
      case 'Transpose': {
        const permutation = intsOf(node, 'perm') ?? first.map((_, axis) => first.length - 1 - axis);
        return permutation.map((axis) => first[axis]!);
      }
      case 'Reshape':
      case 'Flatten':
      case 'Squeeze':
      case 'Unsqueeze': {
        const layout = regroup(first, oldDims);
        return layout?.every((axis, i) => sizeOf(axis).new === newDims[i]) ? layout : plainLayout(oldDims, newDims);
      }
      case 'Concat': {
        const axis = (intOf(node, 'axis', 0) + oldDims.length) % oldDims.length;
        const inherited = inheritLayout(from, oldDims, newDims);
        return from.length === node.input!.length ? inherited.with(axis, joinAxes(from.map((layout) => layout[axis]!))) : inherited;
      }
      default:
        return inheritLayout(from, oldDims, newDims);
    }
  }

  oldDims(name: string | undefined): readonly number[] | undefined {
    return this.#old.get(name ?? '')?.dims;
  }

  newDims(name: string | undefined): readonly number[] | undefined {
    return this.#new.get(name ?? '')?.dims;
  }

  dataType(name: string): TensorFacts['dataType'] {
    return this.#new.get(name)?.dataType ?? 'other';
  }

  layout(name: string | undefined): Layout | undefined {
    return this.#layouts.get(name ?? '');
  }

  /** Sizes that change have changed here. */
  hasChanged(name: string | undefined): boolean {
    return this.layout(name)?.some(isChanged) ?? false;
  }

  constant(name: string | undefined): TensorFacts | undefined {
    const tensor = this.#editor.constant(name);
    return tensor && factsOfConstant(tensor);
  }

  isOldSize(value: number): boolean {
    return value > 1 && this.#oldSizes.has(value);
  }

  /** Width or height of the old picture, or its last pixel. */
  isOldPictureSide(value: number): boolean {
    const { width, height } = this.#input;
    const changed = [...(width === this.#size.width ? [] : [width]), ...(height === this.#size.height ? [] : [height])];
    return changed.some((side) => value === side || value === side - 1);
  }

  setInts(node: NodeProto, index: number, values: readonly number[], dims: readonly number[] = [values.length]): void {
    const name = this.#editor.freeName(`${node.output![0]!}_${index}`);
    this.#set(node, index, makeTensor(name, 'int64', dims, BigInt64Array.from(values, BigInt)));
  }

  /** What is added or taken away says what a factor counts. */
  settle(raised: RaisedPlace, constant: Factor): void {
    // Settled before, perhaps by another reader: that one has to have said the same.
    if (raised.isSettled && this.constant(raised.node.input![1])?.value?.[0] !== constant.new) throw this.#refuse(raised.node, 'what reads it takes it for different places');
    if (!raised.isSettled) this.setNumber(raised.node, 1, constant);
    raised.isSettled = true;
  }

  /** A number in index arithmetic. */
  setNumber(node: NodeProto, index: number, { old, new: now }: Factor): void {
    const { dims, dataType } = this.constant(node.input![index])!;
    if (old === now) return;
    if (dataType !== 'int64') throw this.#refuse(node, `it computes places in ${dataType}`);
    this.setInts(node, index, [now], dims);
    if (!this.adapted.includes(nodeName(node))) this.adapted.push(nodeName(node));
  }

  /** @throws where the constant can't be continued */
  regrid(node: NodeProto, index: number, over: Layout): void {
    const tensor = this.#editor.constant(node.input![index])!;
    const axes = axesOfConstant(dimsOf(tensor), over)!;
    const { dataType } = factsOfConstant(tensor);
    const isFloat = dataType === 'float32';
    if (!isFloat && dataType !== 'int64') throw this.#refuse(node, `its constant over the picture is of type ${dataType}`);
    const values = regridConstant(Array.from(tensorData(tensor) as Float32Array, Number), axes);
    if (!values) throw this.#refuse(node, `its constant of ${dimsOf(tensor).join('x')} lies over the picture and is no grid that could be continued`);
    const dims = axes.map((axis) => sizeOf(axis).new);
    const name = this.#editor.freeName(`${node.output![0]!}_${index}`);
    this.#set(node, index, isFloat ? makeTensor(name, 'float32', dims, Float32Array.from(values)) : makeTensor(name, 'int64', dims, BigInt64Array.from(values, (value) => BigInt(value))));
  }

  #set(node: NodeProto, index: number, tensor: ReturnType<typeof makeTensor>): void {
    this.#editor.setConstant(node, index, tensor);
    this.#new.set(tensor.name!, factsOfConstant(tensor));
  }

  refuse(node: NodeProto, why: string): AppError {
    return this.#refuse(node, why);
  }

  #refuse(node: NodeProto, why: string): AppError {
    const { width, height } = this.#size;
    return new AppError('ERR_MODEL_UNSUPPORTED_OP', `The model can't take pictures of ${width}x${height}: node ${nodeName(node)}: ${why}`, {
      fix: `Choose multiples of 32, or export the model anew for ${width}x${height} or with dynamic axes.`,
    });
  }

  /** Shapes that a rule of inference takes for granted. */
  #checkOperands(node: NodeProto): void {
    const dims = (index: number): readonly number[] | undefined => this.newDims(node.input?.[index]);
    const [a, b] = [dims(0), dims(1)];
    if (!a || !b) return;
    switch (node.opType ?? '') {
      case 'Conv':
        if (a[1] !== b[1]! * intOf(node, 'group', 1)) throw this.#refuse(node, `it wants ${b[1]! * intOf(node, 'group', 1)} channels and would get ${a[1]!}`);
        return;
      case 'MatMul':
        if (a.at(-1) !== (b.length > 1 ? b.at(-2) : b[0])) throw this.#refuse(node, `it multiplies rows of ${this.oldDims(node.input![0])!.at(-1)!} values, which would be ${a.at(-1)!}`);
        return;
      case 'Gemm': {
        const [rows, columns] = [a[intOf(node, 'transA', 0) === 1 ? 0 : 1], b[intOf(node, 'transB', 0) === 1 ? 1 : 0]];
        if (rows !== columns) throw this.#refuse(node, `it multiplies rows of ${columns!} values, which would be ${rows!}`);
        return;
      }
      case 'Concat': {
        const axis = (intOf(node, 'axis', 0) + a.length) % a.length;
        const shapes = node.input!.map((name) => this.newDims(name));
        const odd = shapes.find((shape) => shape && String(shape.with(axis, 0)) !== String(a.with(axis, 0)));
        if (odd) throw this.#refuse(node, `${a.join('x')} and ${odd.join('x')} can't be joined`);
        return;
      }
      default:
    }
  }
}

/** Writes what a node knows of the old size anew. True where something was. */
type Adapt = (node: NodeProto, resizer: Resizer) => boolean;

const ADAPT: Readonly<Record<string, Adapt | undefined>> = {
  Reshape: adaptReshape,
  Resize: adaptResize,
  Slice: checkSlice,
  Split: checkSplit,
  Expand: checkTarget,
  MaxPool: adaptPool,
  AveragePool: adaptPool,
  ...Object.fromEntries(['Add', 'Sub', 'Mul', 'Div', 'Mod', 'Pow', 'Min', 'Max', 'Clip', 'Where', 'Greater', 'Less', 'Equal'].map((op) => [op, adaptElementwise])),
};

function adaptReshape(node: NodeProto, resizer: Resizer): boolean {
  const wanted = resizer.constant(node.input![1])?.value;
  const from = resizer.layout(node.input![0]);
  const old = resizer.oldDims(node.output![0]);
  if (!wanted || !from || !old || !resizer.hasChanged(node.input![0])) return false;
  const layout = regroup(from, old);
  if (!layout) throw resizer.refuse(node, `nobody can tell what ${wanted.join('x')} becomes`);
  const target = wanted.map((size, axis) => (size > 0 ? sizeOf(layout[axis]!).new : size));
  if (String(target) === String(wanted)) return false;
  resizer.setInts(node, 1, target);
  return true;
}

/** Sizes that a Resize has to reach grow with its input. */
function adaptResize(node: NodeProto, resizer: Resizer): boolean {
  const sizes = resizer.constant(node.input![3])?.value;
  const [old, now] = [resizer.oldDims(node.input![0]), resizer.newDims(node.input![0])];
  if (!sizes || sizes.length === 0 || !old || !now || String(old) === String(now)) return false;
  const target = sizes.map((size, axis) => (size / old[axis]!) * now[axis]!);
  if (!target.every(Number.isInteger)) throw resizer.refuse(node, `it enlarges to ${sizes.join('x')}, no whole multiple of its input`);
  resizer.setInts(node, 3, target);
  return true;
}

/** A window over the whole plane is a mean of the plane. */
function adaptPool(node: NodeProto, resizer: Resizer): boolean {
  const kernel = intsOf(node, 'kernel_shape') ?? [];
  const [old, now] = [resizer.oldDims(node.input![0])?.slice(2), resizer.newDims(node.input![0])?.slice(2)];
  if (!old || !now || String(kernel) !== String(old) || String(old) === String(now)) return false;
  if ((intsOf(node, 'pads') ?? []).some((pad) => pad !== 0)) return false;
  const rest = node.attribute!.filter(({ name }) => name !== 'kernel_shape');
  node.attribute = [...rest, ...makeNode('', '', [], [], { kernel_shape: { ints: now } }).attribute!];
  return true;
}

/** Every second value, or all but a border, is the same of any size; up to a written row it isn't. */
function checkSlice(node: NodeProto, resizer: Resizer): boolean {
  const [starts, ends, axes] = ['starts', 'ends', 'axes'].map((name, i) => intsOf(node, name) ?? resizer.constant(node.input![i + 1])?.value);
  const layout = resizer.layout(node.input![0]);
  if (!starts || !ends || !layout) return false;
  for (const [i, end] of ends.entries()) {
    const at = axes?.[i] ?? i;
    const axis = layout.at(at)!;
    if (!isChanged(axis)) continue;
    const { old } = sizeOf(axis);
    const isRelative = end < 0 || end > old * 4 || (end === old && starts[i] === 0);
    if (!isRelative || starts[i]! > 1) throw resizer.refuse(node, `it cuts at ${starts[i]!} and ${end} of ${old}`);
    if (end === old) throw resizer.refuse(node, `it cuts at ${end}, the old size`);
  }
  return false;
}

function checkSplit(node: NodeProto, resizer: Resizer): boolean {
  const layout = resizer.layout(node.input![0]);
  if (layout && isChanged(layout.at(intOf(node, 'axis', 0))!)) throw resizer.refuse(node, 'it splits an axis of the picture');
  return false;
}

/** An Expand to a written size. */
function checkTarget(node: NodeProto, resizer: Resizer): boolean {
  const target = resizer.constant(node.input![1])?.value;
  if (target?.some((size) => resizer.isOldSize(size))) throw resizer.refuse(node, `it expands to ${target.join('x')}`);
  return false;
}

function adaptElementwise(node: NodeProto, resizer: Resizer): boolean {
  if (resizer.places.has(node.input![0]!) && ['Div', 'Mod', 'Mul'].includes(node.opType!)) return false;
  const over = node.input!.map((name) => (resizer.constant(name) ? undefined : resizer.layout(name))).filter((layout) => layout !== undefined);
  let isAdapted = false;
  for (const [index, name] of node.input!.entries()) {
    const constant = resizer.constant(name);
    if (!constant?.dims) continue;
    const [value] = constant.value ?? [];
    if (constant.value?.length === 1) checkScalar(node, resizer, value!, constant.dataType);
    const layout = over.find((one) => axesOfConstant(constant.dims!, one));
    if (!layout) continue;
    resizer.regrid(node, index, layout);
    isAdapted = true;
  }
  return isAdapted;
}

/** A number that the old size went into, as far as one can tell. */
function checkScalar(node: NodeProto, resizer: Resizer, value: number, dataType: TensorFacts['dataType']): void {
  const isIndex = isInteger(dataType) && ['Div', 'Mod', 'Mul'].includes(node.opType!) && resizer.isOldSize(value);
  if (isIndex) throw resizer.refuse(node, `it computes places with ${value}, a size that changes`);
  if (resizer.isOldPictureSide(value)) throw resizer.refuse(node, `its constant ${value} looks like the picture's old size`);
}

/** Operators that move integers about without changing them. */
const CARRIERS = new Set(['Identity', 'Cast', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Slice', 'Transpose', 'Gather', 'Expand']);

/** Follows where something is, from TopK on, through the arithmetic that takes it apart, and writes the divisors anew. */
function followPlaces(node: NodeProto, resizer: Resizer): void {
  const [first = ''] = node.input!;
  const output = node.output![0]!;
  const opType = node.opType ?? '';
  if (opType === 'TopK' || opType === 'ArgMax') {
    const axis = resizer.layout(first)?.at(intOf(node, 'axis', opType === 'TopK' ? -1 : 0));
    const place = axis && placeOnAxis(output, axis);
    if (place) resizer.places.set(opType === 'TopK' ? node.output![1]! : output, place);
    return;
  }
  if (opType === 'Gather') checkGather(node, resizer);
  const place = resizer.places.get(first);
  const isFloat = opType === 'Cast' && !isInteger(resizer.dataType(output));
  if (place && CARRIERS.has(opType) && !isFloat) resizer.places.set(output, place);
  else if (place && ['Div', 'Mod', 'Mul'].includes(opType)) takeApart(node, place, resizer);
  else if (opType === 'Add') putTogether(node, resizer);
  else if (place && opType === 'Sub') takeAway(node, place, resizer);
}

function takeApart(node: NodeProto, place: Place, resizer: Resizer): void {
  const value = resizer.constant(node.input![1])?.value?.[0];
  if (value === undefined) return;
  if (node.opType === 'Mul') {
    resizer.raised.set(node.output![0]!, { node, place, factor: value, isSettled: false });
    return;
  }
  const step = node.opType === 'Div' ? dividePlace(place, value) : modPlace(place, value);
  if (!step) throw resizer.refuse(node, `nobody can tell which places it tells apart with ${value}`);
  resizer.setNumber(node, 1, step.constant);
  resizer.places.set(node.output![0]!, step.place);
}

function takeAway(node: NodeProto, place: Place, resizer: Resizer): void {
  const [, second = ''] = node.input!;
  const raised = resizer.raised.get(second);
  if (!raised) {
    const rest = subtractPlace(place, resizer.places.get(second) ?? []);
    if (rest) resizer.places.set(node.output![0]!, rest);
    return;
  }
  const step = subtractRaised(place, raised.place, raised.factor);
  if (step) resizer.settle(raised, step.constant);
  if (step) resizer.places.set(node.output![0]!, step.place);
}

function putTogether(node: NodeProto, resizer: Resizer): void {
  const [first = '', second = ''] = node.input!;
  const [raised, low] = resizer.raised.has(first) ? [resizer.raised.get(first), resizer.places.get(second)] : [resizer.raised.get(second), resizer.places.get(first)];
  if (!raised) return;
  const step = low && joinPlaces(raised.place, raised.factor, low);
  if (!step) return;
  resizer.settle(raised, step.constant);
  resizer.places.set(node.output![0]!, step.place);
}

/** Places that were put together have to lie within what is gathered from. */
function checkGather(node: NodeProto, resizer: Resizer): void {
  const place = resizer.places.get(node.input![1]!);
  const rows = resizer.newDims(node.input![0])?.at(intOf(node, 'axis', 0));
  if (place && rows !== undefined && rangeOf(place).new !== rows) throw resizer.refuse(node, `it would pick among ${rows} rows by places up to ${rangeOf(place).new}`);
}
