import type { GraphEditor } from '../graph-editor.js';
import type { NodeProto } from '../model-proto.js';
import type { ByteNodes } from './byte-nodes.js';

/**
 * Tensors that need a byte scale, in groups with one scale in common: what a Concat joins and what a Resize or MaxPool passes on are
 * the same numbers, and stay so without another rounding.
 *
 * @param shareSums whether both sides of a sum and its result share one, too.
 */
export function sharedScales(editor: GraphEditor, { roles, resultOf }: ByteNodes, shareSums: boolean): string[][] {
  const parents = new Map<string, string>();
  const find = (name: string): string => {
    const parent = parents.get(name) ?? name;
    return parent === name ? name : find(parent);
  };
  const join = (names: readonly string[]): void => {
    for (const name of names) if (!parents.has(name)) parents.set(name, name);
    for (const name of names.slice(1)) parents.set(find(name), find(names[0]!));
  };
  for (const [node, role] of roles) {
    if (role === 'clamp') continue;
    const inputs = byteInputs(editor, node);
    const result = resultOf(node);
    const shares = role === 'move' || (shareSums && node.opType === 'Add');
    if (shares) join([result, ...inputs]);
    else for (const name of [result, ...inputs]) join([name]);
  }
  const groups = new Map<string, string[]>();
  for (const name of parents.keys()) groups.set(find(name), [...(groups.get(find(name)) ?? []), name]);
  return [...groups.values()];
}

/** The computed inputs of a byte node: a convolution's first, all of a join. */
function byteInputs(editor: GraphEditor, node: NodeProto): string[] {
  const names = node.opType === 'Conv' ? node.input!.slice(0, 1) : node.input!;
  return names.filter((name) => name && !editor.constant(name));
}
