import type { GraphEditor } from '../graph-editor.js';
import { intOf, type NodeProto } from '../model-proto.js';
import { quantizeWeights } from './integer-params.js';

/**
 * Makes up for what rounding the weights does to the mean of each output channel: `b' = b - sum((Wq - W) * E[x])`, with the mean of
 * each input channel as it was seen (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019).
 * Borders, where padding takes the place of inputs, are treated as the rest.
 *
 * @param inputMeans mean per channel, by tensor.
 * @returns how many convolutions were corrected
 */
export function correctBiases(editor: GraphEditor, convolutions: ReadonlySet<string>, inputMeans: (tensor: string) => ArrayLike<number> | undefined): number {
  const nodes = editor.nodes.filter((node) => node.opType === 'Conv' && convolutions.has(node.output![0]!));
  return nodes.filter((node) => correct(editor, node, inputMeans(node.input![0]!))).length;
}

function correct(editor: GraphEditor, node: NodeProto, means: ArrayLike<number> | undefined): boolean {
  if (!means) return false;
  const weight = editor.floats(node, 1);
  const [filters = 0, perGroup = 1] = weight.dims;
  const { data, scales } = quantizeWeights(weight.data, filters);
  const filtersPerGroup = filters / intOf(node, 'group', 1);
  const perFilter = weight.data.length / filters;
  const kernel = perFilter / perGroup;
  const bias = node.input![2] ? editor.floats(node, 2).data.slice() : new Float32Array(filters);
  for (let filter = 0; filter < filters; filter += 1) {
    const firstChannel = Math.floor(filter / filtersPerGroup) * perGroup;
    let shift = 0;
    for (let i = 0; i < perFilter; i += 1) {
      const at = filter * perFilter + i;
      shift += (data[at]! * scales[filter]! - weight.data[at]!) * means[firstChannel + Math.floor(i / kernel)]!;
    }
    bias[filter] = bias[filter]! - shift;
  }
  editor.setFloats(node, 2, [filters], bias);
  return true;
}
