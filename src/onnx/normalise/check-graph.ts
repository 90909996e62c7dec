import { AppError } from '../../core/errors.js';
import { GraphEditor, nodeName } from '../graph-editor.js';
import type { GraphProto, ModelProto, NodeProto } from '../model-proto.js';

/**
 * Finds what is broken in a graph before a runtime speaks of it in its own words: tensors that nobody makes, that two make, cycles.
 *
 * @throws AppError ERR_MODEL_CORRUPT that names the node.
 */
export function checkGraph(model: ModelProto): void {
  const editor = new GraphEditor(model);
  checkProducers(editor.graph);
  checkReaders(editor.graph, new Set());
  // Sorting only finds out whether there is an order of execution: the file keeps its own.
  const nodes = editor.graph.node!;
  editor.sort();
  editor.graph.node = nodes;
}

function checkProducers(graph: GraphProto): void {
  const made = new Set<string>();
  for (const node of graph.node ?? []) {
    for (const name of node.output ?? []) {
      if (name === '') continue;
      if (made.has(name)) throw broken(node, `makes ${name}, which another node makes, too`);
      made.add(name);
    }
  }
}

/** @param around tensors that a subgraph may read from the graphs around it. */
function checkReaders(graph: GraphProto, around: ReadonlySet<string>): void {
  const known = new Set(around);
  for (const { name } of [...(graph.input ?? []), ...(graph.initializer ?? [])]) known.add(name ?? '');
  for (const { values } of graph.sparseInitializer ?? []) known.add(values?.name ?? '');
  for (const node of graph.node ?? []) for (const name of node.output ?? []) known.add(name);
  for (const node of graph.node ?? []) {
    const missing = (node.input ?? []).find((name) => name !== '' && !known.has(name));
    if (missing !== undefined) throw broken(node, `reads ${missing}, which is neither computed nor stored in the file`);
    for (const { g, graphs } of node.attribute ?? []) for (const inner of [...(g ? [g] : []), ...(graphs ?? [])]) checkReaders(inner, known);
  }
  for (const { name } of graph.output ?? []) {
    if (!known.has(name ?? '')) throw new AppError('ERR_MODEL_CORRUPT', `The output ${name ?? ''} is computed by no node`, { fix: FIX });
  }
}

const FIX = 'Download or export the file anew.';

function broken(node: NodeProto, why: string): AppError {
  return new AppError('ERR_MODEL_CORRUPT', `Node ${nodeName(node)} ${why}`, { fix: FIX });
}
