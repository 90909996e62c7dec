import { AppError } from '../../core/errors.js';
import { GraphEditor, nodeName, unsupported } from '../../onnx/graph-editor.js';
import { graphCost } from '../../onnx/graph-cost.js';
import { inferShapes } from '../../onnx/infer-shapes.js';
import { decodeModel, encodeModel, type NodeProto } from '../../onnx/model-proto.js';
import { prepareInput } from '../../onnx/prepare/prepare-input.js';
import { simplify, type Simplified } from '../../onnx/quantize/simplify.js';
import type { CandidateModel } from '../score-model.js';
import type { Following } from './choose-range.js';

/** A convolution that may be computed in integers. */
export interface ConvolutionFacts {
  /** The tensor it computes: its name here and in a plan. */
  readonly name: string;
  /** For people. */
  readonly label: string;
  readonly macs: number;
  /** No convolution comes after it: what it computes is the answer. */
  readonly isHead: boolean;
}

/** A float network that takes frames, as quantization starts from it. */
export interface FloatNetwork {
  /** Takes a frame's bytes; simplified. */
  readonly onnx: Uint8Array;
  /** The same as the runtime has it today. */
  readonly prepared: Uint8Array;
  readonly simplified: Simplified;
  readonly convolutions: readonly ConvolutionFacts[];
  /** Computed by the last convolutions. */
  readonly heads: readonly string[];
  /** Pictures inside of the network, whose values are observed. */
  readonly tensors: readonly string[];
  /** What is computed from a tensor right after, where that is one known function. */
  readonly followingOf: (tensor: string) => Following | undefined;
}

/**
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP where the graph can't be brought into shape, or has no convolution with constant weights.
 */
export function floatNetwork({ manifest, onnx }: CandidateModel): FloatNetwork {
  const prepared = prepareInput(onnx, manifest.input);
  const model = decodeModel(prepared);
  const simplified = simplify(model);
  const editor = new GraphEditor(model);
  const quantized = editor.nodes.find(({ opType }) => /^(De)?QuantizeLinear$/i.test(opType ?? ''));
  if (quantized) throw unsupported(quantized, 'the model is quantized already');
  const convolutions = convolutionsOf(editor);
  if (convolutions.length === 0) throw new AppError('ERR_MODEL_UNSUPPORTED_OP', 'The model has no convolution with constant weights to quantize');
  const heads = convolutions.filter(({ isHead }) => isHead).map(({ name }) => name);
  return { onnx: encodeModel(model), prepared, simplified, convolutions, heads, tensors: picturesBefore(editor, heads), followingOf: (tensor) => followingOf(editor, tensor) };
}

/** Names of convolutions as a user gives them: of the node or of the tensor. @throws AppError ERR_USAGE */
export function findConvolutions({ onnx }: FloatNetwork, names: readonly string[]): string[] {
  const nodes = new GraphEditor(decodeModel(onnx)).nodes.filter(({ opType }) => opType === 'Conv');
  return names.map((wanted) => {
    const node = nodes.find(({ name, output }) => name === wanted || output![0] === wanted);
    if (!node) throw new AppError('ERR_USAGE', `The model has no convolution named ${wanted}`, { fix: `It has: ${nodes.slice(0, 6).map(({ output }) => output![0]).join(', ')}, ... as --json lists them.` });
    return node.output![0]!;
  });
}

function convolutionsOf(editor: GraphEditor): ConvolutionFacts[] {
  const { macsByOutput } = graphCost(editor.graph);
  const nodes = editor.nodes.filter((node) => node.opType === 'Conv' && editor.constant(node.input![1]) && editor.constant(node.input![2] || node.input![1]));
  return nodes.map((node) => {
    const name = node.output![0]!;
    return { name, label: nodeName(node), macs: macsByOutput.get(name) ?? 0, isHead: !reachesConvolution(editor, name) };
  });
}

function reachesConvolution(editor: GraphEditor, from: string): boolean {
  const seen = new Set<NodeProto>();
  const open = [from];
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    for (const reader of editor.consumersOf(tensor)) {
      if (reader.opType === 'Conv') return true;
      if (seen.has(reader)) continue;
      seen.add(reader);
      open.push(...reader.output!);
    }
  }
  return false;
}

/** Tensors of four axes that the heads depend on, and the heads themselves. */
function picturesBefore(editor: GraphEditor, heads: readonly string[]): string[] {
  const shapes = inferShapes(editor.graph);
  const seen = new Set<string>();
  const open = [...heads];
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    if (seen.has(tensor)) continue;
    seen.add(tensor);
    open.push(...(editor.producerOf(tensor)?.input ?? []).filter((name) => name && !editor.constant(name)));
  }
  const isPicture = (name: string): boolean => (shapes.get(name)?.length ?? 4) === 4 && editor.producerOf(name) !== undefined && editor.producerOf(name)!.opType !== 'Constant';
  return editor.nodes.flatMap(({ output }) => output!).filter((name) => seen.has(name) && isPicture(name));
}

function followingOf(editor: GraphEditor, tensor: string): Following | undefined {
  const readers = editor.consumersOf(tensor);
  const operators = readers.map(({ opType }) => opType).sort().join();
  if (operators === 'HardSigmoid,Mul') return (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5));
  if (operators === 'Mul,Sigmoid') return (x) => x / (1 + Math.exp(-x));
  if (operators !== 'LeakyRelu') return undefined;
  const slope = readers[0]!.attribute?.find(({ name }) => name === 'alpha')?.f ?? 0.01;
  return (x) => (x < 0 ? x * slope : x);
}
