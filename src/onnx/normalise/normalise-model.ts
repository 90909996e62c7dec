import { AppError } from '../../core/errors.js';
import type { LineageStep } from '../../core/manifest.js';
import type { Size } from '../../core/size.js';
import { checkGraph } from './check-graph.js';
import { decodeModel, encodeModel, graphOf } from '../model-proto.js';
import { bindSideInputs } from './side-inputs.js';
import { batchOf, reduceToSingleBatch } from './single-batch.js';
import { hasFloat16, widenFloat16 } from './widen-float16.js';

/** A model that takes one float32 (or uint8) picture. */
export interface NormalisedModel {
  /** The bytes that were given where nothing had to be changed. */
  readonly onnx: Uint8Array;
  readonly operations: readonly LineageStep[];
  /** The model before it was reduced from several pictures to one: the result has to be compared with it. */
  readonly original: { readonly onnx: Uint8Array; readonly batch: number } | undefined;
}

/** More pictures at once are no detector for streams, and would take too long to compare. */
const LARGEST_BATCH = 64;

/**
 * Brings what exporters do differently to one form: half precision to float32, a batch to a single picture, known inputs beside the
 * picture to constants. Open dimensions stay open: the preparation of the input fixes them.
 *
 * @param size of the picture.
 * @throws AppError ERR_MODEL_CORRUPT, ERR_MODEL_UNSUPPORTED_OP, both naming the node.
 */
export function normaliseModel(bytes: Uint8Array, size: Size): NormalisedModel {
  const model = decodeModel(bytes);
  checkGraph(model);
  const operations: LineageStep[] = [];
  if (hasFloat16(graphOf(model))) operations.push({ kind: 'widen-float16', ...widenFloat16(model) });
  const bound = bindSideInputs(model, size);
  if (bound.length > 0) operations.push({ kind: 'bind-inputs', inputs: bound });
  const batch = batchOf(model) ?? 1;
  if (batch > LARGEST_BATCH) throw new AppError('ERR_MODEL_UNSUPPORTED_OP', `The model takes ${batch} pictures at once`, { fix: 'Export it for a batch of 1.' });
  const original = batch > 1 ? { onnx: encodeModel(model), batch } : undefined;
  if (original) operations.push({ kind: 'single-batch', batch, nodes: reduceToSingleBatch(model, batch) });
  return { onnx: operations.length > 0 ? encodeModel(model) : bytes, operations, original };
}
