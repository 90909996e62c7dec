import { readdir, rm } from 'node:fs/promises';
import { join, resolve as absolute } from 'node:path';
import { AppError } from '../core/errors.js';
import type { ModelManifest } from '../core/manifest.js';
import { idFromFileName, type AddOptions } from './draft.js';
import { draftLocal } from './draft-local.js';
import { exists, isFolder, sha256Of } from './files.js';
import { readLocalModel, type LocalModel } from './local-files.js';
import { hasManifest, readManifest, readVerifiedModel, writeModelFolder } from './model-folder.js';
import { ensurePrepared } from './prepared.js';
import { storePaths, type StorePaths } from './store-paths.js';

/** A model on this machine, verified and ready for a session. */
export interface InstalledModel {
  readonly manifest: ModelManifest;
  /** Where manifest and network are. */
  readonly folder: string;
  /** The network as it was published. */
  readonly modelPath: string;
  /** The variant that takes a frame's bytes; see `onnx/prepare-input.ts`. */
  readonly preparedPath: string;
}

/** Part of the name of models used by path: a new number makes them be imported anew. */
const IMPORT_VERSION = 1;

/** Models by id: those that the user added, and those that come with the package. */
export class ModelStore {
  readonly #paths: StorePaths;

  constructor(paths: StorePaths = storePaths()) {
    this.#paths = paths;
  }

  /**
   * A model by its id, or by the path of an ONNX file, of a Darknet pair, or of a folder with a manifest.
   *
   * @throws AppError ERR_MODEL_NOT_FOUND, ERR_MODEL_CHECKSUM, ERR_MODEL_MANIFEST, or what an import throws.
   */
  async resolve(idOrPath: string): Promise<InstalledModel> {
    if (looksLikePath(idOrPath)) return this.#resolvePath(absolute(idOrPath));
    const folder = join(this.#paths.models, idOrPath);
    if (await hasManifest(folder)) return this.#load(folder, folder);
    throw await this.#notFound(idOrPath);
  }

  /** Adds a model under an id of its own. */
  async add(input: string, options: AddOptions = {}): Promise<InstalledModel> {
    const local = await readLocalModel(absolute(input), options.labels);
    const id = options.id ?? idFromFileName(local.name);
    const folder = join(this.#paths.models, id);
    if (await exists(folder)) throw alreadyThere(id);
    await writeModelFolder(folder, id, await draftLocal(local, options));
    return this.#load(folder, folder);
  }

  /** Deletes a model that the user added. */
  async remove(id: string): Promise<void> {
    const folder = join(this.#paths.models, id);
    if (!(await isFolder(folder))) throw await this.#notFound(id);
    await rm(folder, { recursive: true, force: true });
  }

  async #resolvePath(path: string): Promise<InstalledModel> {
    if (await hasManifest(path)) return this.#load(path, this.#cacheOf(path));
    const local = await readLocalModel(path);
    const id = idFromFileName(local.name);
    const folder = join(this.#paths.cache, 'by-content', `${id}-${contentKey(local)}`);
    if (!(await hasManifest(folder))) await writeModelFolder(folder, id, await draftLocal(local, {}));
    return this.#load(folder, folder);
  }

  async #load(folder: string, preparedFolder: string): Promise<InstalledModel> {
    const manifest = await readManifest(folder);
    const onnx = await readVerifiedModel(folder, manifest);
    return { manifest, folder, modelPath: join(folder, manifest.file), preparedPath: await ensurePrepared(preparedFolder, onnx, manifest) };
  }

  /** Where prepared variants go of a model whose folder isn't ours to write to. */
  #cacheOf(folder: string): string {
    return join(this.#paths.cache, 'prepared', sha256Of(folder).slice(0, 16));
  }

  async #notFound(id: string): Promise<AppError> {
    const known = await readdir(this.#paths.models).catch(() => []);
    return new AppError('ERR_MODEL_NOT_FOUND', `No model named ${id}`, { fix: `Known models: ${known.join(', ') || 'none'}; lynceus models add brings one in.` });
  }
}

function looksLikePath(text: string): boolean {
  return /[/\\]/.test(text) || /\.(onnx|cfg|weights)$/i.test(text) || text === '.' || text === '..';
}

function contentKey(local: LocalModel): string {
  const bytes = local.kind === 'onnx' ? [local.onnx] : [local.cfg, local.weights];
  return sha256Of(JSON.stringify([IMPORT_VERSION, local.kind, local.labels ?? null]), ...bytes).slice(0, 16);
}

function alreadyThere(id: string): AppError {
  return new AppError('ERR_MODEL_EXISTS', `There is a model named ${id} already`, { fix: `Choose another name with --id, or remove it: lynceus models remove ${id}.` });
}
