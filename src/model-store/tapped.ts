import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { ModelManifest } from '../core/manifest.js';
import type { ShallowTap } from '../guard/profile.js';
import { insertShallowTap, TAP_VERSION } from '../onnx/tap/insert-shallow-tap.js';
import { readInput, sha256Of } from './files.js';
import { ensureVariant, variantPath, type Variant } from './variant.js';

const ONNX = '.onnx';
const JSON_ENDING = '.json';

/** A prepared model with one more output, and where it is. */
export interface Tapped {
  readonly tappedPath: string;
  readonly tap: ShallowTap;
}

/**
 * The prepared model with its tap, made beside it where it isn't there yet.
 *
 * @throws AppError ERR_GUARD_TAP_MISSING
 */
export async function ensureTapped(preparedPath: string, { id }: ModelManifest): Promise<Tapped> {
  // The name of the prepared file holds all that the file depends on.
  const key = sha256Of(JSON.stringify([TAP_VERSION, basename(preparedPath)])).slice(0, 16);
  const variant: Variant = { folder: dirname(preparedPath), prefix: 'tapped-', key, endings: [ONNX, JSON_ENDING] };
  await ensureVariant(variant, async () => {
    const { model, tap } = insertShallowTap(await readInput(preparedPath), { modelId: id });
    return [model, `${JSON.stringify(tap)}\n`];
  });
  const tap = JSON.parse(await readFile(variantPath(variant, JSON_ENDING), 'utf8')) as ShallowTap;
  return { tappedPath: variantPath(variant, ONNX), tap };
}
