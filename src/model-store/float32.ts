import type { ModelManifest } from '../core/manifest.js';
import { decodeModel, encodeModel, graphOf } from '../onnx/model-proto.js';
import { hasFloat16, widenFloat16 } from '../onnx/normalise/widen-float16.js';
import { ensureVariant, variantPath, type Variant } from './variant.js';

const ONNX = '.onnx';
/** A new number makes the variants of before be made anew. */
const WIDEN_VERSION = 1;

/** A network in float32, and where it is. */
export interface Float32Network {
  readonly onnx: Uint8Array;
  readonly modelPath: string;
}

/**
 * A network whose weights are stored in half precision (half the bytes to ship), as all that reads networks wants it: in float32, made beside the prepared one where it
 * isn't there yet. Others are left where they are.
 *
 * @throws AppError ERR_MODEL_CORRUPT, ERR_MODEL_UNSUPPORTED_OP
 */
export async function ensureFloat32(folder: string, network: Float32Network, { sha256 }: ModelManifest): Promise<Float32Network> {
  const onnx = asFloat32(network.onnx);
  if (onnx === network.onnx) return network;
  const variant: Variant = { folder, prefix: 'float32-', key: `${WIDEN_VERSION}-${sha256.slice(0, 16)}`, endings: [ONNX] };
  await ensureVariant(variant, () => Promise.resolve([onnx]));
  return { onnx, modelPath: variantPath(variant, ONNX) };
}

/** The same bytes where nothing is of half precision. @throws AppError ERR_MODEL_CORRUPT, ERR_MODEL_UNSUPPORTED_OP */
export function asFloat32(onnx: Uint8Array): Uint8Array {
  const model = decodeModel(onnx);
  if (!hasFloat16(graphOf(model))) return onnx;
  widenFloat16(model);
  return encodeModel(model);
}
