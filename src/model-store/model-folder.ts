import { join } from 'node:path';
import { type AnyManifest, asDetector, parseAnyManifest, parseOccupancyManifest } from '../config/manifest-schema.js';
import { AppError } from '../core/errors.js';
import type { ModelManifest } from '../core/manifest.js';
import type { GraphFile, InstalledOccupancyModel } from '../core/occupancy-manifest.js';
import { manifestOf, MODEL_FILE, type ModelDraft } from './draft.js';
import { isFile, readInput, sha256Of, writeFolderAtomic } from './files.js';

/** Name of a manifest in its folder. */
export const MANIFEST_FILE = 'manifest.json';

/** Of a detector. @throws AppError ERR_FILE_NOT_FOUND, ERR_MODEL_MANIFEST, ERR_MODEL_TASK */
export async function readManifest(folder: string): Promise<ModelManifest> {
  return asDetector(await readAnyManifest(folder));
}

/** @throws AppError ERR_FILE_NOT_FOUND, ERR_MODEL_MANIFEST */
export async function readAnyManifest(folder: string): Promise<AnyManifest> {
  const path = join(folder, MANIFEST_FILE);
  return parseAnyManifest((await readInput(path)).toString(), path);
}

/** An occupancy network of a folder. @throws AppError ERR_FILE_NOT_FOUND, ERR_MODEL_MANIFEST, ERR_MODEL_TASK, ERR_MODEL_CHECKSUM */
export async function readOccupancyModel(folder: string): Promise<InstalledOccupancyModel> {
  const path = join(folder, MANIFEST_FILE);
  const manifest = parseOccupancyManifest((await readInput(path)).toString(), path);
  const { coarse, fine } = manifest.files;
  await Promise.all([coarse, fine].map((graph) => readVerified(folder, graph, `copy the folder of ${manifest.id} anew.`)));
  return { manifest, folder, coarsePath: join(folder, coarse.file), finePath: join(folder, fine.file) };
}

export function hasManifest(folder: string): Promise<boolean> {
  return isFile(join(folder, MANIFEST_FILE));
}

/** The network of a folder. @throws AppError ERR_MODEL_CHECKSUM where it isn't the one that the manifest was written for. */
export function readVerifiedModel(folder: string, manifest: ModelManifest): Promise<Uint8Array> {
  return readVerified(folder, manifest, `lynceus models remove ${manifest.id}, then add it again.`);
}

/** A file of a folder. @param mend what to do where it is another, a sentence. @throws AppError ERR_FILE_NOT_FOUND, ERR_MODEL_CHECKSUM */
export async function readVerified(folder: string, { file, sha256 }: GraphFile, mend: string): Promise<Uint8Array> {
  const path = join(folder, file);
  const bytes = await readInput(path);
  const found = sha256Of(bytes);
  if (found !== sha256) throw new AppError('ERR_MODEL_CHECKSUM', `${path} has the SHA-256 ${found}, its manifest says ${sha256}`, { fix: `The file was changed or damaged: ${mend}` });
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
