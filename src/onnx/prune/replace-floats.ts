import type { GraphEditor } from '../graph-editor.js';
import { makeTensor, type NodeProto } from '../model-proto.js';

/** Gives a node other constants: in place where nobody else reads them, so that names stay; else some of its own. */
export function replaceFloats(editor: GraphEditor, node: NodeProto, index: number, dims: readonly number[], data: Float32Array): void {
  const name = node.input![index];
  const tensor = editor.constant(name);
  const isOwn = tensor !== undefined && editor.consumersOf(name!).length === 1 && node.input!.filter((other) => other === name).length === 1;
  if (!isOwn) {
    editor.setFloats(node, index, dims, data);
    return;
  }
  // The data may have been in another field.
  Object.assign(tensor, { floatData: [] }, makeTensor(tensor.name ?? '', 'float32', dims, data));
}
