import type { GraphEditor } from '../graph-editor.js';
import { inferShapes } from '../infer-shapes.js';
import { elementCount, textOf, type NodeProto } from '../model-proto.js';

/**
 * What a node is to the bytes: `convolution` is computed in integers where the plan says so; `clamp` disappears into the range of the
 * node before it; `function` and `join` have integer kernels; `move` passes bytes on; `pool` makes a tensor small.
 */
export type ByteRole = 'convolution' | 'clamp' | 'function' | 'gate' | 'join' | 'move' | 'pool';

/** A tensor that much smaller than another costs nothing to quantize beside it: the gates of squeeze-and-excite. */
const SMALL_SHARE = 1 / 16;

/** A graph divided into what runs on bytes and what on floats. */
export interface ByteNodes {
  readonly roles: ReadonlyMap<NodeProto, ByteRole>;
  /** The tensor under which a byte node's result is known to others: behind a clamp that it took in. */
  readonly resultOf: (node: NodeProto) => string;
}

/**
 * Follows the bytes from the convolutions of a plan: what lies between two of them runs on bytes where it can, what only feeds floats
 * doesn't.
 *
 * @param convolutions by the name of the tensor they compute.
 */
export function findByteNodes(editor: GraphEditor, convolutions: ReadonlySet<string>): ByteNodes {
  const roles = new Map<NodeProto, ByteRole>();
  const shapes = inferShapes(editor.graph);
  const size = (name: string): number | undefined => (shapes.has(name) ? elementCount(shapes.get(name)!) : undefined);
  const isByte = (name: string): boolean => roles.has(editor.producerOf(name)!);
  for (const node of editor.nodes) {
    const role = roleOf(editor, node);
    if (role && runsOnBytes(node, role)) roles.set(node, role);
  }
  demote(editor, roles);
  return { roles, resultOf: (node) => resultOf(editor, roles, node) };

  function runsOnBytes(node: NodeProto, role: ByteRole): boolean {
    if (role === 'convolution') return convolutions.has(node.output![0]!);
    const inputs = node.input!.filter((name) => name && !editor.constant(name));
    if (role === 'clamp') return canTakeClamp(editor, roles, node);
    if (role === 'join') return inputs.some(isByte) && inputs.every((name) => isByte(name) || isSmall(name, node));
    // Bytes joined with floats: those that are still floats are cheaper to quantize one by one than the bytes to turn back.
    return node.opType === 'Concat' ? inputs.some(isByte) : inputs.every(isByte);
  }

  function isSmall(name: string, node: NodeProto): boolean {
    const [part, whole] = [size(name), size(node.input!.find((other) => other !== name) ?? name)];
    return part !== undefined && whole !== undefined && part <= whole * SMALL_SHARE;
  }
}

function roleOf(editor: GraphEditor, node: NodeProto): ByteRole | undefined {
  switch (node.opType ?? '') {
    case 'Conv':
      return 'convolution';
    case 'Relu':
      return 'clamp';
    case 'Clip':
      return clipBounds(editor, node) ? 'clamp' : undefined;
    case 'Sigmoid':
    case 'LeakyRelu':
      return 'function';
    case 'HardSigmoid':
      return 'gate';
    case 'Add':
    case 'Mul':
      return node.input!.some((name) => editor.constant(name)) ? undefined : 'join';
    case 'Concat':
    case 'MaxPool':
      return 'move';
    case 'Resize':
      return (textOf(node, 'mode') || 'nearest') === 'nearest' ? 'move' : undefined;
    case 'GlobalAveragePool':
      return 'pool';
    default:
      return undefined;
  }
}

/** Bounds of a Clip from zero up, which the range of the bytes can stand for. */
export function clipBounds(editor: GraphEditor, node: NodeProto): { readonly low: number; readonly high: number } | undefined {
  const [low, high] = [1, 2].map((input) => (editor.constant(node.input?.[input]) ? editor.floats(node, input).data[0] : undefined));
  return low === 0 ? { low, high: high ?? Number.POSITIVE_INFINITY } : undefined;
}

function canTakeClamp(editor: GraphEditor, roles: ReadonlyMap<NodeProto, ByteRole>, node: NodeProto): boolean {
  const before = editor.producerOf(node.input![0]!);
  const role = before && roles.get(before);
  return (role === 'convolution' || role === 'join') && editor.hasOneReader(node.input![0]!);
}

function resultOf(editor: GraphEditor, roles: ReadonlyMap<NodeProto, ByteRole>, node: NodeProto): string {
  const [reader] = editor.consumersOf(node.output![0]!);
  return reader && roles.get(reader) === 'clamp' ? reader.output![0]! : node.output![0]!;
}

/** What only floats read is computed in floats: its bytes would be made for nothing. A clamp costs nothing, a pool makes little of much. */
function demote(editor: GraphEditor, roles: Map<NodeProto, ByteRole>): void {
  for (const node of editor.nodes.toReversed()) {
    const role = roles.get(node);
    if (!role || role === 'convolution' || role === 'clamp' || role === 'pool') continue;
    const isRead = editor.consumersOf(resultOf(editor, roles, node)).some((reader) => roles.has(reader));
    if (!isRead) {
      const clamp = editor.producerOf(resultOf(editor, roles, node))!;
      roles.delete(clamp);
      roles.delete(node);
    }
  }
}
