import type { GraphEditor } from '../graph-editor.js';
import { makeNode, textOf, type NodeProto } from '../model-proto.js';

/**
 * Moves a ReLU in front of what only moves numbers about (Concat, nearest Resize, MaxPool), up to what computes them: there the
 * runtime makes it part of the convolution, and the range of the bytes cuts it off for nothing. Exact: all of them commute with ReLU.
 *
 * @returns how many were moved
 */
export function hoistRelus(editor: GraphEditor): number {
  let moved = 0;
  for (let relu = findMovable(editor); relu; relu = findMovable(editor)) {
    hoist(editor, relu);
    moved += 1;
  }
  return moved;
}

function findMovable(editor: GraphEditor): NodeProto | undefined {
  return editor.nodes.find((node) => {
    if (node.opType !== 'Relu' || !editor.hasOneReader(node.input![0]!)) return false;
    const mover = editor.producerOf(node.input![0]!);
    return mover !== undefined && movedTensors(mover)?.every((name) => editor.hasOneReader(name) && editor.producerOf(name)) === true;
  });
}

/** The tensors whose numbers a node passes on as they are; undefined for one that computes. */
function movedTensors(node: NodeProto): readonly string[] | undefined {
  if (node.opType === 'Concat') return node.input!;
  const isMove = node.opType === 'MaxPool' ? node.output!.length === 1 : node.opType === 'Resize' && (textOf(node, 'mode') || 'nearest') === 'nearest';
  return isMove ? node.input!.slice(0, 1) : undefined;
}

function hoist(editor: GraphEditor, relu: NodeProto): void {
  const mover = editor.producerOf(relu.input![0]!)!;
  const relus = [...new Set(movedTensors(mover))].map((name) => {
    const output = editor.freeName(`${name}_relu`);
    mover.input = mover.input!.map((input) => (input === name ? output : input));
    return makeNode('Relu', output, [name], [output]);
  });
  mover.output = [relu.output![0]!];
  editor.remove(relu);
  editor.insert(...relus);
}
