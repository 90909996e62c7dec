import { join } from 'node:path';
import { parseManifest } from '../config/manifest-schema.js';
import { AppError } from '../core/errors.js';
import type { ModelManifest } from '../core/manifest.js';
import { manifestOf, MODEL_FILE, type ModelDraft } from './draft.js';
import { isFile, readInput, sha256Of, writeFolderAtomic } from './files.js';

/** Name of a manifest in its folder. */
export const MANIFEST_FILE = 'manifest.json';

/** @throws AppError ERR_FILE_NOT_FOUND, ERR_MODEL_MANIFEST */
export async function readManifest(folder: string): Promise<ModelManifest> {
  const path = join(folder, MANIFEST_FILE);
  return parseManifest((await readInput(path)).toString(), path);
}

export function hasManifest(folder: string): Promise<boolean> {
  return isFile(join(folder, MANIFEST_FILE));
}

/** The network of a folder. @throws AppError ERR_MODEL_CHECKSUM where it isn't the one that the manifest was written for. */
export async function readVerifiedModel(folder: string, manifest: ModelManifest): Promise<Uint8Array> {
  const path = join(folder, manifest.file);
  const bytes = await readInput(path);
  const found = sha256Of(bytes);
  if (found !== manifest.sha256) {
    throw new AppError('ERR_MODEL_CHECKSUM', `${path} has the SHA-256 ${found}, its manifest says ${manifest.sha256}`, {
      fix: `The file was changed or damaged: lynceus models remove ${manifest.id}, then add it again.`,
    });
  }
  return bytes;
}

/** Writes a draft as a model folder. @param files that go with it, by name */
export async function writeModelFolder(folder: string, id: string, draft: ModelDraft, files: Readonly<Record<string, Uint8Array>> = {}): Promise<ModelManifest> {
  const manifest = manifestOf(id, draft);
  await writeFolderAtomic(folder, { ...files, [MODEL_FILE]: draft.onnx, [MANIFEST_FILE]: manifestText(manifest) });
  return manifest;
}

export function manifestText(manifest: ModelManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}
