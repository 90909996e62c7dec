import { GraphEditor, unsupported } from '../../onnx/graph-editor.js';
import { decodeModel, encodeModel, intOf, intsOf, textOf, type NodeProto } from '../../onnx/model-proto.js';
import { replaceFloats } from '../../onnx/prune/replace-floats.js';

/** Where a convolution looks: sizes in pixels of its input. */
export interface ConvWindow {
  readonly kernel: readonly [height: number, width: number];
  readonly strides: readonly [y: number, x: number];
  readonly dilations: readonly [y: number, x: number];
  /** Undefined where they follow from the sizes (`auto_pad`). */
  readonly pads: readonly [top: number, left: number] | undefined;
  /** Of `auto_pad`: the odd pixel of padding goes above and to the left. */
  readonly isLower: boolean;
}

/** A convolution whose weights may change. */
export interface ConvLayer {
  /** Of the node, for people; unlike `output` it may be anything. */
  readonly name: string;
  /** Name of its input tensor. */
  readonly input: string;
  /** Name of its output tensor: what it is known by. */
  readonly output: string;
  readonly filters: number;
  readonly groups: number;
  /** Weights of a filter. */
  readonly fanIn: number;
  readonly window: ConvWindow;
}

/** What is learnt by a layer: `fanIn` weights a filter, in the file's order, and a bias (zeros where the file has none). */
export interface LayerWeights {
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/** All convolutions with constant float32 weights over pictures, in order of execution, and what they hold. */
export interface ConvNetwork {
  readonly layers: readonly ConvLayer[];
  /** By the layer's output. */
  readonly weights: ReadonlyMap<string, LayerWeights>;
}

/**
 * Reads the convolutions of a model.
 *
 * @throws AppError ERR_MODEL_CORRUPT; ERR_MODEL_UNSUPPORTED_OP where it has none to work on, or one of an exotic element type.
 */
export function readNetwork(onnx: Uint8Array): ConvNetwork {
  const editor = new GraphEditor(decodeModel(onnx));
  const nodes = editor.nodes.filter((node) => isPictureConvolution(editor, node));
  if (nodes.length === 0) throw unsupported(editor.nodes[0]!, 'the graph has no convolution with constant weights');
  const layers = nodes.map((node) => layerOf(editor, node));
  const weights = nodes.map((node, index): [string, LayerWeights] => [layers[index]!.output, weightsOf(editor, node, layers[index]!.filters)]);
  return { layers, weights: new Map(weights) };
}

/** The model with other weights; layers that `weights` doesn't hold stay as they are. */
export function withWeights(onnx: Uint8Array, weights: ReadonlyMap<string, LayerWeights>): Uint8Array {
  const model = decodeModel(onnx);
  const editor = new GraphEditor(model);
  for (const [output, { weights: kernel, bias }] of weights) {
    const node = editor.producerOf(output)!;
    const { dims } = editor.floats(node, 1);
    replaceFloats(editor, node, 1, dims, kernel);
    // A bias that is nothing but zeros needs no place in the file.
    if (node.input![2] || bias.some((value) => value !== 0)) replaceFloats(editor, node, 2, [bias.length], bias);
  }
  editor.removeUnused();
  return encodeModel(model);
}

function isPictureConvolution(editor: GraphEditor, node: NodeProto): boolean {
  return node.opType === 'Conv' && editor.constant(node.input![1])?.dims?.length === 4 && (!node.input![2] || editor.constant(node.input![2]) !== undefined);
}

function layerOf(editor: GraphEditor, node: NodeProto): ConvLayer {
  const [filters = 0, channels = 0, height = 1, width = 1] = editor.floats(node, 1).dims;
  const pair = (name: string, otherwise: number): readonly [number, number] => {
    const values = intsOf(node, name);
    return [values?.[0] ?? otherwise, values?.[1] ?? otherwise];
  };
  const autoPad = textOf(node, 'auto_pad');
  const window = {
    kernel: [height, width],
    strides: pair('strides', 1),
    dilations: pair('dilations', 1),
    pads: autoPad.startsWith('SAME') ? undefined : pair('pads', 0),
    isLower: autoPad === 'SAME_LOWER',
  } as const;
  return { name: node.name ?? '', input: node.input![0]!, output: node.output![0]!, filters, groups: intOf(node, 'group', 1), fanIn: channels * height * width, window };
}

function weightsOf(editor: GraphEditor, node: NodeProto, filters: number): LayerWeights {
  return { weights: editor.floats(node, 1).data, bias: node.input![2] ? editor.floats(node, 2).data : new Float32Array(filters) };
}
