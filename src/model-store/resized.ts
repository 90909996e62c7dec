import { basename, dirname } from 'node:path';
import type { ModelManifest } from '../core/manifest.js';
import type { Size } from '../core/size.js';
import { prepareInput } from '../onnx/prepare/prepare-input.js';
import { resizeInput } from '../onnx/resize/resize-input.js';
import { withoutElastic } from './elastic.js';
import { readInput, sha256Of } from './files.js';
import { ensureVariant, type Variant, variantPath } from './variant.js';

const ONNX = '.onnx';
/** A new number makes the variants of before be made anew. */
const RESIZE_VERSION = 1;

/** A network as it takes pictures of another size. */
export interface Resized {
  readonly manifest: ModelManifest;
  readonly preparedPath: string;
}

/**
 * The same network for pictures of another size at the same scale, made beside the prepared one where it isn't there yet; nothing is installed.
 *
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP where the network can't work at that size
 */
export async function ensureResized({ manifest, modelPath, preparedPath }: Resized & { readonly modelPath: string }, { width, height }: Size): Promise<Resized> {
  // The name of the prepared file holds all else that this one depends on.
  const key = sha256Of(JSON.stringify([RESIZE_VERSION, basename(preparedPath)])).slice(0, 16);
  const variant: Variant = { folder: dirname(preparedPath), prefix: `resized-${width}x${height}-`, key, endings: [ONNX] };
  await ensureVariant(variant, async () => {
    const { onnx, input } = resizeInput(await readInput(modelPath), manifest.input, { width, height });
    return [prepareInput(onnx, input)];
  });
  return { manifest: { ...withoutElastic(manifest), input: { ...manifest.input, width, height } }, preparedPath: variantPath(variant, ONNX) };
}
