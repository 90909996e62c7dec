import type { ModelManifest } from '../core/manifest.js';
import { PREPARATION_VERSION, prepareInput } from '../onnx/prepare/prepare-input.js';
import { sha256Of } from './files.js';
import { ensureVariant, variantPath, type Variant } from './variant.js';

const ONNX = '.onnx';

/**
 * Path of the variant that takes frames, made where it isn't there yet. Its name holds everything that it depends on, so that a changed
 * model, manifest or preparation gets a new one; the old ones go.
 *
 * @param folder where variants of this model alone are kept.
 */
export async function ensurePrepared(folder: string, onnx: Uint8Array, manifest: ModelManifest): Promise<string> {
  const key = sha256Of(JSON.stringify([PREPARATION_VERSION, manifest.sha256, manifest.input])).slice(0, 16);
  const variant: Variant = { folder, prefix: 'prepared-', key, endings: [ONNX] };
  await ensureVariant(variant, () => Promise.resolve([prepareInput(onnx, manifest.input)]));
  return variantPath(variant, ONNX);
}
