import { GraphEditor } from '../graph-editor.js';
import type { ModelProto } from '../model-proto.js';
import { foldBatchNorm } from './fold-batch-norm.js';
import { fuseHardSigmoids } from './hard-swish.js';
import { hoistRelus } from './hoist-relu.js';
import { raiseOpset } from './raise-opset.js';

/** What `simplify` changed. */
export interface Simplified {
  readonly batchNorms: number;
  readonly hardSigmoids: number;
  readonly relus: number;
}

/**
 * Brings a float graph into the shape that quantization starts from, with the same outputs (hard-swish to the precision of its
 * exported constants): opset 13 or newer, batch normalization in the convolutions, hard-sigmoids as one node, ReLUs where they cost nothing.
 *
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP
 */
export function simplify(model: ModelProto): Simplified {
  raiseOpset(model);
  const editor = new GraphEditor(model);
  const batchNorms = foldBatchNorm(editor);
  const hardSigmoids = fuseHardSigmoids(editor);
  const relus = hoistRelus(editor);
  editor.removeUnused();
  return { batchNorms, hardSigmoids, relus };
}
