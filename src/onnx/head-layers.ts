import { AppError } from '../core/errors.js';
import type { ModelHead } from '../core/manifest.js';
import { GraphEditor, nodeName, unsupported } from './graph-editor.js';
import { decodeModel, dimsOf, elementCount, encodeModel, intOf, intsOf, makeValueInfo, type ModelProto, type NodeProto, type ValueInfoProto } from './model-proto.js';

/** The last convolution of one scale of a raw head: `anchors * (5 + classes)` filters. */
export interface HeadLayer {
  /** Name of the raw output, as the manifest's scale has it. */
  readonly output: string;
  /** The tensor that the convolution reads. */
  readonly features: string;
  readonly filters: number;
  /** Numbers of one filter: channels of its group times its window. */
  readonly filterSize: number;
  /** `filters * filterSize` numbers, a filter after the other. */
  readonly weights: Float32Array;
  /** One a filter; zeros where the file has none. */
  readonly bias: Float32Array;
  /** True for a window of 1x1 over all channels, step 1: a matrix product, cell by cell. */
  readonly isPointwise: boolean;
}

/**
 * The convolutions that a raw head ends with.
 *
 * @param columns numbers of one box: 5 + classes.
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP naming the node where a raw output is no convolution's, ERR_MODEL_OUTPUT_SHAPE where it
 * has other channels than the manifest says.
 */
export function readHeadLayers(model: Uint8Array, head: ModelHead, columns: number): HeadLayer[] {
  const editor = new GraphEditor(decodeModel(model));
  return (head.scales ?? []).map(({ output, anchors }) => readLayer(editor, output ?? head.output ?? '', (anchors?.length ?? 0) * columns));
}

function readLayer(editor: GraphEditor, output: string, channels: number): HeadLayer {
  const node = convolutionOf(editor, output);
  const { dims, data } = editor.floats(node, 1);
  const [filters = 0, ...filterDims] = dims;
  if (filters !== channels) {
    throw new AppError('ERR_MODEL_OUTPUT_SHAPE', `Node ${nodeName(node)}: expected ${channels} filters for the anchors and labels of the manifest, found ${filters}`, { fix: 'Check head.scales and labels of the manifest.' });
  }
  const bias = node.input![2] ? editor.floats(node, 2).data : new Float32Array(filters);
  return { output, features: node.input![0]!, filters, filterSize: elementCount(filterDims), weights: data, bias, isPointwise: isPointwise(node, filterDims) };
}

function isPointwise(node: NodeProto, [, ...window]: readonly number[]): boolean {
  const ones = [window, intsOf(node, 'strides') ?? []].flat().every((size) => size === 1);
  const unpadded = (intsOf(node, 'pads') ?? []).every((pad) => pad === 0);
  return ones && unpadded && intOf(node, 'group', 1) === 1;
}

/** Through nodes that change nothing. */
function convolutionOf(editor: GraphEditor, output: string): NodeProto {
  let node = editor.producerOf(output);
  while (node?.opType === 'Identity') node = editor.producerOf(node.input![0]!);
  if (!node) throw new AppError('ERR_MODEL_OUTPUT_SHAPE', `The model has no tensor named '${output}'`, { fix: 'Check head.scales of the manifest.' });
  if (node.opType !== 'Conv') throw unsupported(node, `the raw output '${output}' comes from it, where a convolution was expected`);
  return node;
}

/** What becomes of one scale of a head. */
export interface ScaleCut {
  readonly output: string;
  /** Filters to keep, in their new order; an empty list takes the scale out. */
  readonly filters: readonly number[];
  /** New numbers of the kept filters, `filters.length * filterSize`; the old ones where absent. */
  readonly weights?: Float32Array | undefined;
  readonly bias?: Float32Array | undefined;
}

/**
 * Cuts filters out of a raw head's convolutions. Outputs keep their names, have fewer channels, and are the only outputs that are left;
 * what computed a scale that is gone, goes too.
 *
 * @param metadata values to write into the file's metadata, by key.
 * @throws AppError as `readHeadLayers`.
 */
export function cutHead(model: Uint8Array, cuts: readonly ScaleCut[], metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const proto = decodeModel(model);
  const editor = new GraphEditor(proto);
  const left = cuts.filter(({ filters }) => filters.length > 0);
  // The convolution's own tensor becomes the output; other readers of it (a decoder within the graph) go with their outputs.
  for (const cut of left) cutConvolution(editor, cut);
  editor.graph.output = left.map((cut) => cutOutput(editor, cut));
  editor.removeUnused();
  setMetadata(proto, metadata);
  return encodeModel(proto);
}

/** Makes tensors inside of a graph its only outputs: the raw head of a model that decodes boxes itself. */
export function exposeRawHead(model: Uint8Array, outputs: readonly { readonly name: string; readonly dims: readonly number[] }[], metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const proto = decodeModel(model);
  const editor = new GraphEditor(proto);
  editor.graph.output = outputs.map(({ name, dims }) => makeValueInfo(name, 'float32', dims));
  editor.removeUnused();
  setMetadata(proto, metadata);
  return encodeModel(proto);
}

/** Adds tensors inside of a graph to its outputs. Their shapes are left open: a run tells them. */
export function addOutputs(model: Uint8Array, names: readonly string[]): Uint8Array {
  const proto = decodeModel(model);
  const graph = new GraphEditor(proto).graph;
  const known = new Set(graph.output?.map(({ name }) => name));
  const wanted = [...new Set(names)].filter((name) => !known.has(name));
  graph.output = [...(graph.output ?? []), ...wanted.map((name): ValueInfoProto => ({ name, type: { tensorType: { elemType: 1 } } }))];
  return encodeModel(proto);
}

/**
 * The convolutions behind an output with no other convolution between: where the last one of a detector's scale is.
 *
 * @returns their output tensors, in the graph's order.
 */
export function lastConvolutions(model: Uint8Array, output: string): { readonly name: string; readonly filters: number }[] {
  const editor = new GraphEditor(decodeModel(model));
  const found = new Set<NodeProto>();
  const seen = new Set<string>();
  const waiting = [output];
  while (waiting.length > 0) {
    const tensor = waiting.pop()!;
    const node = seen.has(tensor) ? undefined : editor.producerOf(tensor);
    seen.add(tensor);
    if (!node) continue;
    if (node.opType === 'Conv') found.add(node);
    else waiting.push(...node.input!);
  }
  const filters = (node: NodeProto): number => dimsOf(editor.constant(node.input![1]) ?? {})[0] ?? 0;
  return editor.nodes.filter((node) => found.has(node)).map((node) => ({ name: node.output![0]!, filters: filters(node) }));
}

function cutConvolution(editor: GraphEditor, { output, filters, weights, bias }: ScaleCut): void {
  const node = convolutionOf(editor, output);
  const old = editor.floats(node, 1);
  const group = intOf(node, 'group', 1);
  const inGroups = regroup(filters, old.dims[0]!, group);
  const { dims, data } = inGroups || group === 1 ? old : denseWeights(old, group);
  const filterSize = elementCount(dims.slice(1));
  editor.setFloats(node, 1, [filters.length, ...dims.slice(1)], weights && filterSize * filters.length === weights.length ? weights : pick(data, filters, filterSize));
  const oldBias = node.input![2] ? editor.floats(node, 2).data : undefined;
  const newBias = bias ?? (oldBias && pick(oldBias, filters, 1));
  if (newBias) editor.setFloats(node, 2, [filters.length], newBias);
  if (!inGroups && group > 1) node.attribute = (node.attribute ?? []).filter(({ name }) => name !== 'group');
  editor.changed();
}

/** True where the filters that are left share out evenly among the groups, in their order: then each goes on reading its own channels. */
function regroup(filters: readonly number[], count: number, group: number): boolean {
  const perGroup = filters.length / group;
  const size = count / group;
  return group > 1 && Number.isInteger(perGroup) && filters.every((filter, i) => Math.floor(filter / size) === Math.floor(i / perGroup));
}

/** The same sums over all channels, with zeros where a filter read none: groups that lose unequally many filters are none any more. */
function denseWeights({ dims, data }: { readonly dims: readonly number[]; readonly data: Float32Array }, group: number): { dims: number[]; data: Float32Array } {
  const [filters = 0, channels = 0, ...window] = dims;
  const windowSize = elementCount(window);
  const dense = new Float32Array(filters * channels * group * windowSize);
  for (let filter = 0; filter < filters; filter += 1) {
    const ofGroup = Math.floor(filter / (filters / group));
    const from = filter * channels * windowSize;
    dense.set(data.subarray(from, from + channels * windowSize), (filter * group + ofGroup) * channels * windowSize);
  }
  return { dims: [filters, channels * group, ...window], data: dense };
}

function pick(data: Float32Array, filters: readonly number[], filterSize: number): Float32Array {
  const picked = new Float32Array(filters.length * filterSize);
  filters.forEach((filter, i) => picked.set(data.subarray(filter * filterSize, (filter + 1) * filterSize), i * filterSize));
  return picked;
}

/** The output as it was declared, with its new number of channels; also wherever a shape was noted on the way to it. */
function cutOutput(editor: GraphEditor, { output, filters }: ScaleCut): ValueInfoProto {
  const declared = editor.graph.output?.find(({ name }) => name === output) ?? editor.graph.valueInfo?.find(({ name }) => name === output);
  const onTheWay = new Set([output, ...namesTo(editor, output)]);
  editor.graph.valueInfo = (editor.graph.valueInfo ?? []).filter(({ name }) => !onTheWay.has(name ?? ''));
  const dims = (declared?.type?.tensorType?.shape?.dim ?? []).map((dim, axis) => (axis === 1 ? filters.length : dim.dimParam ? dim.dimParam : Number(dim.dimValue ?? 0) || '?'));
  return makeValueInfo(output, 'float32', dims.length === 4 ? dims : ['?', filters.length, '?', '?']);
}

function namesTo(editor: GraphEditor, output: string): string[] {
  const node = editor.producerOf(output);
  return node?.opType === 'Identity' ? [node.input![0]!, ...namesTo(editor, node.input![0]!)] : [];
}

function setMetadata(model: ModelProto, metadata: Readonly<Record<string, string>>): void {
  const others = model.metadataProps.filter(({ key }) => !Object.hasOwn(metadata, key ?? ''));
  model.metadataProps = [...others, ...Object.entries(metadata).map(([key, value]) => ({ key, value }))];
}

