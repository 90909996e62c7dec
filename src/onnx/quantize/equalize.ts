import type { GraphEditor } from '../graph-editor.js';
import { intOf, type NodeProto } from '../model-proto.js';

/** How far a dense consumer's weights go along with what the activations want, 0 to 1; a depthwise one pays nothing for all of it. */
const DENSE_EXPONENT = 0.5;
/** No channel is raised by more: those that are never active have nothing to gain. */
const LARGEST_RAISE = 64;

/** A tensor between convolutions whose channels can be scaled for nothing. */
interface Link {
  readonly before: NodeProto;
  readonly between: string;
  readonly after: readonly NodeProto[];
}

/**
 * Cross-layer equalization: where only a ReLU, a LeakyReLU or nothing stands between convolutions, a channel can be multiplied by any
 * positive number in the first and divided by it in those after. Weak channels are raised towards the strongest one, so that one
 * byte scale suits all of them. Outputs stay the same but for float rounding.
 *
 * @param peaks largest absolute value per channel, by tensor; a link without them is left alone.
 * @returns how many links were equalized
 */
export function equalize(editor: GraphEditor, peaks: (tensor: string) => ArrayLike<number> | undefined): number {
  const links = editor.nodes.flatMap((node) => linkFrom(editor, node) ?? []);
  return links.filter((link) => equalizeLink(editor, link, peaks(link.between))).length;
}

function linkFrom(editor: GraphEditor, before: NodeProto): Link | undefined {
  if (before.opType !== 'Conv' || !editor.constant(before.input![1])) return undefined;
  const between = afterActivation(editor, before.output![0]!);
  const after = editor.consumersOf(between);
  const isFree = after.length > 0 && !editor.isOutput(between) && after.every((node) => isScalable(editor, node, between));
  return isFree ? { before, between, after } : undefined;
}

/** The tensor behind a function that commutes with positive factors. */
function afterActivation(editor: GraphEditor, tensor: string): string {
  const [reader] = editor.consumersOf(tensor);
  const commutes = reader?.opType === 'Relu' || reader?.opType === 'LeakyRelu';
  return commutes && editor.hasOneReader(tensor) ? reader.output![0]! : tensor;
}

function isScalable(editor: GraphEditor, node: NodeProto, tensor: string): boolean {
  return node.opType === 'Conv' && node.input![0] === tensor && editor.constant(node.input![1]) !== undefined && (intOf(node, 'group', 1) === 1 || isDepthwise(editor, node));
}

function isDepthwise(editor: GraphEditor, node: NodeProto): boolean {
  const { dims } = editor.floats(node, 1);
  return dims[1] === 1 && dims[0] === intOf(node, 'group', 1);
}

function equalizeLink(editor: GraphEditor, { before, after }: Link, peaks: ArrayLike<number> | undefined): boolean {
  if (!peaks) return false;
  const strongest = Math.max(...Array.from(peaks));
  if (!(strongest > 0)) return false;
  const exponent = after.every((node) => isDepthwise(editor, node)) ? 1 : DENSE_EXPONENT;
  const raises = Float64Array.from(Array.from(peaks), (peak) => Math.min(LARGEST_RAISE, (strongest / Math.max(peak, strongest * 1e-6)) ** exponent));
  scaleOutputs(editor, before, raises);
  for (const node of after) scaleInputs(editor, node, raises);
  return true;
}

function scaleOutputs(editor: GraphEditor, node: NodeProto, factors: Float64Array): void {
  const weight = editor.floats(node, 1);
  const perFilter = weight.data.length / factors.length;
  editor.setFloats(node, 1, weight.dims, weight.data.map((value, i) => value * factors[Math.floor(i / perFilter)]!));
  if (!node.input![2]) return;
  const bias = editor.floats(node, 2);
  editor.setFloats(node, 2, bias.dims, bias.data.map((value, channel) => value * factors[channel]!));
}

function scaleInputs(editor: GraphEditor, node: NodeProto, factors: Float64Array): void {
  const weight = editor.floats(node, 1);
  const [, perGroup = 1] = weight.dims;
  const kernel = weight.data.length / weight.dims[0]! / perGroup;
  const channelOf = isDepthwise(editor, node) ? (i: number) => Math.floor(i / kernel) : (i: number) => Math.floor(i / kernel) % perGroup;
  editor.setFloats(node, 1, weight.dims, weight.data.map((value, i) => value / factors[channelOf(i)]!));
}
