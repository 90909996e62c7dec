import { GraphEditor } from '../graph-editor.js';
import { dimsOf, feedsOf, makeTensor, tensorData, type ModelProto, type ValueInfoProto } from '../model-proto.js';

/** Operators whose second input (`ConstantOfShape`: first) is a shape that an exporter wrote with the batch in it. */
const SHAPE_INPUT: Readonly<Record<string, number>> = { Reshape: 1, Expand: 1, ConstantOfShape: 0 };

/** The batch that a model was exported for; undefined where it is open. */
export function batchOf(model: ModelProto): number | undefined {
  const dim = feedsOf(new GraphEditor(model).graph)[0]?.type?.tensorType?.shape?.dim?.[0];
  const size = Number(dim?.dimValue ?? 0);
  return !dim?.dimParam && size > 0 ? size : undefined;
}

/**
 * Makes a model of a batch of `batch` one of a single picture, in place: its inputs and outputs, and the shapes inside that begin with
 * the batch. What else depends on the batch stays, so the result has to be compared with the original (`verifySingleBatch`).
 *
 * @returns names of the nodes whose shape was changed.
 */
export function reduceToSingleBatch(model: ModelProto, batch: number): string[] {
  const editor = new GraphEditor(model);
  for (const value of [...feedsOf(editor.graph), ...(editor.graph.output ?? [])]) setBatch(value, batch);
  // Notes about inner tensors would contradict.
  editor.graph.valueInfo = [];
  const changed: string[] = [];
  for (const node of editor.nodes) {
    const index = SHAPE_INPUT[node.opType ?? ''];
    const shape = index === undefined ? undefined : editor.constant(node.input?.[index]);
    if (index === undefined || !shape) continue;
    const sizes = tensorData(shape);
    if (!(sizes instanceof BigInt64Array) || sizes[0] !== BigInt(batch)) continue;
    editor.setConstant(node, index, makeTensor(editor.freeName(`${node.output![0]!}_shape`), 'int64', dimsOf(shape), sizes.with(0, 1n)));
    changed.push(node.name || node.output![0]!);
  }
  editor.removeUnused();
  return changed;
}

function setBatch(value: ValueInfoProto, batch: number): void {
  const first = value.type?.tensorType?.shape?.dim?.[0];
  if (first && Number(first.dimValue ?? 0) === batch) first.dimValue = 1;
}
