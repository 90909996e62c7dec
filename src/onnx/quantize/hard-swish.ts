import type { GraphEditor } from '../graph-editor.js';
import { makeNode, type NodeProto } from '../model-proto.js';

/** Exporters that keep constants as float16 write 1/6 as 0.16663; what they meant is nearer than this. */
const TOLERANCE = 1e-3;
const SIXTH = 1 / 6;

/**
 * Writes `clip(x + 3, 0, 6) / 6` as one HardSigmoid, so that hard-swish is two passes over the tensor in place of four.
 * A product with `x` in between, `(x / 6) * clip(x + 3, 0, 6)`, is put in that order, too. Nodes that become unused stay for `removeUnused`.
 *
 * @returns how many were found
 */
export function fuseHardSigmoids(editor: GraphEditor): number {
  const clips = editor.nodes.filter((node) => isClip(editor, node));
  return clips.filter((clip) => fuse(editor, clip)).length;
}

function fuse(editor: GraphEditor, clip: NodeProto): boolean {
  const add = editor.producerOf(clip.input![0]!);
  const source = add?.opType === 'Add' ? otherOf(editor, add, 3) : undefined;
  if (source === undefined || !editor.hasOneReader(add!.output![0]!) || !editor.hasOneReader(clip.output![0]!)) return false;
  const product = editor.consumersOf(clip.output![0]!)[0]!;
  if (product.opType !== 'Mul' && product.opType !== 'Div') return false;
  if (isSixth(editor, product, clip.output![0]!)) {
    replace(editor, product, makeNode('HardSigmoid', product.name || product.output![0]!, [source], [product.output![0]!], { alpha: { f: SIXTH }, beta: { f: 0.5 } }));
    return true;
  }
  return product.opType === 'Mul' && fuseProduct(editor, clip, product, source);
}

/** `(x / 6) * clip`: the sixth is in the other factor. */
function fuseProduct(editor: GraphEditor, clip: NodeProto, product: NodeProto, source: string): boolean {
  const otherName = product.input!.find((name) => name !== clip.output![0]!);
  const other = otherName === undefined ? undefined : editor.producerOf(otherName);
  if (!other || !isSixth(editor, other, source) || !editor.hasOneReader(otherName!)) return false;
  const gate = editor.freeName(`${product.output![0]!}_gate`);
  product.input = [source, gate];
  replace(editor, clip, makeNode('HardSigmoid', gate, [source], [gate], { alpha: { f: SIXTH }, beta: { f: 0.5 } }));
  return true;
}

function replace(editor: GraphEditor, old: NodeProto, node: NodeProto): void {
  editor.remove(old);
  editor.insert(node);
}

function isClip(editor: GraphEditor, node: NodeProto): boolean {
  return node.opType === 'Clip' && near(scalar(editor, node.input![1]), 0) && near(scalar(editor, node.input![2]), 6);
}

/** The input of a sum or product with a constant near `value`. */
function otherOf(editor: GraphEditor, node: NodeProto, value: number): string | undefined {
  const [a, b] = node.input!;
  if (near(scalar(editor, b), value)) return a;
  return near(scalar(editor, a), value) ? b : undefined;
}

function isSixth(editor: GraphEditor, node: NodeProto, of: string): boolean {
  if (node.opType === 'Div') return node.input![0] === of && near(scalar(editor, node.input![1]), 6);
  return node.opType === 'Mul' && otherOf(editor, node, SIXTH) === of;
}

function scalar(editor: GraphEditor, name: string | undefined): number | undefined {
  const tensor = editor.constant(name);
  return tensor && tensor.dataType === 1 ? singleValue(editor, tensor.name!, name!) : undefined;
}

function singleValue(editor: GraphEditor, _: string, name: string): number | undefined {
  const { data } = editor.floats({ opType: '', input: [name], output: [name] }, 0);
  return data.length === 1 ? data[0] : undefined;
}

function near(value: number | undefined, expected: number): boolean {
  return value !== undefined && Math.abs(value - expected) <= TOLERANCE * Math.max(1e-6, Math.abs(expected));
}
