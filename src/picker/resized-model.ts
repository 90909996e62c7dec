import { readFile } from 'node:fs/promises';
import { AppError } from '../core/errors.js';
import type { LineageStep } from '../core/manifest.js';
import { sha256Of } from '../model-store/files.js';
import type { InstalledModel, ModelStore } from '../model-store/store.js';
import { resizeInput } from '../onnx/resize/resize-input.js';
import type { VariantResult } from './bench-results.js';

/** Name of a model at another size. */
export function resizedId({ model, width, height, isOwnSize }: Pick<VariantResult, 'model' | 'width' | 'height' | 'isOwnSize'>): string {
  // Of a ratio: an id has no @.
  return isOwnSize ? model : `${model.replace('@', '-')}-${width}x${height}`;
}

/**
 * The installed model of a variant; one at another size is derived from its parent, which stays as it is. One that was derived before
 * is taken as it is.
 *
 * @param details for the lineage: what was measured, on what.
 * @throws AppError ERR_MODEL_NOT_FOUND; ERR_MODEL_CHECKSUM where the parent is another than the one that was measured; ERR_MODEL_EXISTS.
 */
export async function materialise(store: ModelStore, variant: VariantResult, details: Omit<LineageStep, 'kind'>, files: Readonly<Record<string, string>> = {}): Promise<InstalledModel> {
  const parent = await store.resolve(variant.model);
  if (variant.isOwnSize) return checked(parent, variant);
  const id = resizedId(variant);
  const existing = await store.resolve(id).catch(() => undefined);
  if (existing) {
    if (existing.manifest.sha256 === variant.sha256) return existing;
    throw new AppError('ERR_MODEL_EXISTS', `There is another model named ${id} already`, { fix: `Remove it: lynceus models remove ${id}.` });
  }
  const { width, height } = variant;
  const { manifest } = parent;
  const { onnx, input, adapted } = resizeInput(await readFile(parent.modelPath), manifest.input, { width, height });
  if (sha256Of(onnx) !== variant.sha256) throw changed(variant);
  const operation = { kind: 'resize-input', from: { width: manifest.input.width, height: manifest.input.height }, to: { width, height }, adapted, ...details };
  return store.derive(manifest, { id, title: `${manifest.title}, ${width}x${height}`, onnx, input, operation, files });
}

function checked(model: InstalledModel, variant: VariantResult): InstalledModel {
  if (model.manifest.sha256 !== variant.sha256) throw changed(variant);
  return model;
}

function changed({ model }: VariantResult): AppError {
  return new AppError('ERR_MODEL_CHECKSUM', `${model} is another network than the one that was measured`, { fix: `Measure it again: lynceus models bench ${model}.` });
}
