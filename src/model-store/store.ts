import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve as absolute } from 'node:path';
import { checkManifest } from '../config/manifest-schema.js';
import { AppError, toAppError } from '../core/errors.js';
import type { ElasticRatio, LineageStep, ModelHead, ModelInput, ModelManifest } from '../core/manifest.js';
import type { InstalledOccupancyModel, OccupancyManifest } from '../core/occupancy-manifest.js';
import type { Size } from '../core/size.js';
import { type GuardProfile, usesFinder } from '../guard/profile.js';
import { readCatalog, sourceUrl, type CatalogEntry } from './catalog.js';
import { download, publicUrl, type DownloadOptions, type DownloadProgress } from './download.js';
import { idFromFileName, manifestOf, MODEL_FILE, type AddOptions, type ModelDraft } from './draft.js';
import { draftLocal } from './draft-local.js';
import { checkElastic, ensureRatio, ratiosOf, splitRatio, verifiedElastic, withoutElastic } from './elastic.js';
import { exists, isFile, isFolder, sha256Of, sha256OfFile, writeFileAtomic, writeFolderAtomic } from './files.js';
import { asFloat32, ensureFloat32 } from './float32.js';
import { calibrateFix, checkProfileTap, locateProfile, profileMissing, readProfile, writeProfile, type FoundProfile, type ProfileFolders } from './guard-profiles.js';
import { readLocalModel, type LocalModel } from './local-files.js';
import { hasManifest, MANIFEST_FILE, manifestText, readAnyManifest, readManifest, readOccupancyModel, readVerifiedModel, writeModelFolder } from './model-folder.js';
import { checkProfileFinder, type InstalledFinder, locateFinder } from './patch-finder.js';
import { ensurePrepared } from './prepared.js';
import { ensureResized, type Resized } from './resized.js';
import { selfCheck, SELF_CHECK_FILE, SELF_CHECK_STEP, type SelfCheckReport } from './self-check.js';
import { importShipped, isImported } from './shipped-models.js';
import { storePaths, type StorePaths } from './store-paths.js';
import { ensureTapped, type Tapped } from './tapped.js';

export type { AddOptions } from './draft.js';
export type { InstalledFinder } from './patch-finder.js';

/** A model on this machine, verified and ready for a session. */
export interface InstalledModel {
  readonly manifest: ModelManifest;
  /** Where the network is. */
  readonly folder: string;
  /** The network as it was published, in float32. */
  readonly modelPath: string;
  /** The variant that takes a frame's bytes; see `onnx/prepare/prepare-input.ts`. */
  readonly preparedPath: string;
  /** Of an elastic model: masks and statistics of its ratios. */
  readonly elasticPath?: string | undefined;
}

/** A model whose shallow features can be seen. */
export interface TappedModel extends InstalledModel, Tapped {}

/** A model that a guarded stream can run. */
export interface GuardedModel extends TappedModel {
  readonly profile: GuardProfile;
  /** The patch finder, where the profile's search wants it. */
  readonly finder?: InstalledFinder | undefined;
}

/**
 * `included`: comes with the package. `added`: by the user. `download`: in the catalogue, `models add <id>` fetches it.
 * `broken`: its folder is there but not readable, `problem` says why.
 */
export type ModelStatus = 'included' | 'added' | 'download' | 'broken';

export interface ListedModel {
  readonly id: string;
  readonly status: ModelStatus;
  readonly title: string;
  readonly licence?: string;
  /** Of detectors that are here. */
  readonly manifest?: ModelManifest;
  /** Of occupancy networks that are here. */
  readonly occupancy?: OccupancyManifest;
  /** Of elastic models, dense first. */
  readonly ratios?: readonly ElasticRatio[];
  /** Of a `download`. */
  readonly bytes?: number;
  readonly problem?: string;
  /** Where its clean profile is from; absent where there is none. Whether it fits the model is only found out where it is read. */
  readonly guardProfile?: 'calibrated' | 'included';
}

/** Called while files are fetched; counts over all files of a model. */
export type AddProgress = (progress: DownloadProgress) => void;

export interface StoreOptions {
  /** Base address that catalogue files are fetched from instead of their publishers', as `<mirror>/<id>/<file>`. */
  readonly mirror?: string | undefined;
  readonly download?: DownloadOptions | undefined;
}

/** Part of the name of models used by path: a new number makes them be imported anew. */
const IMPORT_VERSION = 2;

/** A model made from another one. */
export interface DerivedModel {
  readonly id: string;
  readonly title: string;
  readonly onnx: Uint8Array;
  /** Where they differ from the parent's. */
  readonly input?: ModelInput;
  readonly head?: ModelHead;
  /** How it was made: its kind, options, data and figures. */
  readonly operation: LineageStep;
  readonly baseline?: ModelManifest['baseline'];
  /** Reports and such, by file name; they go into the model's folder. */
  readonly files?: Readonly<Record<string, Uint8Array | string>>;
}

/** A model that was just added. */
export interface AddedModel extends InstalledModel {
  /** Undefined where none was asked for. */
  readonly selfCheck: SelfCheckReport | undefined;
}

/** A model that is understood but not installed. */
export interface DraftedModel {
  readonly manifest: ModelManifest;
  readonly onnx: Uint8Array;
}

/** Models by id: those that the user added, those that come with the package, and those that are a download away. */
export class ModelStore {
  readonly #paths: StorePaths;
  readonly #options: StoreOptions;

  constructor(paths: StorePaths = storePaths(), options: StoreOptions = { mirror: process.env['LYNCEUS_MIRROR'] }) {
    this.#paths = paths;
    this.#options = options;
  }

  /**
   * A model by its id, or by the path of an ONNX file, of a Darknet pair, or of a folder with a manifest. Models used by path are
   * kept in the cache under what they contain. An elastic model is dense; one of its other widths is asked for as `id@ratio`.
   *
   * @throws AppError ERR_MODEL_NOT_FOUND (of a ratio, too), ERR_MODEL_CHECKSUM, ERR_MODEL_MANIFEST, ERR_MODEL_TASK, or what an import throws.
   */
  async resolve(idOrPath: string): Promise<InstalledModel> {
    const asked = splitRatio(idOrPath);
    if (!asked || (looksLikePath(idOrPath) && (await exists(idOrPath)))) return this.#resolveWhole(idOrPath);
    return ensureRatio(await this.#resolveWhole(asked.model), asked.ratio);
  }

  async #resolveWhole(idOrPath: string): Promise<InstalledModel> {
    if (looksLikePath(idOrPath)) return this.#resolvePath(absolute(idOrPath));
    if (!isId(idOrPath)) throw await this.#notFound(idOrPath);
    const added = join(this.#paths.models, idOrPath);
    if (await hasManifest(added)) return this.#load(added, added);
    const shipped = join(this.#paths.shipped, idOrPath);
    if (await hasManifest(shipped)) return this.#resolveShipped(shipped);
    throw await this.#notFound(idOrPath);
  }

  /**
   * An occupancy network by its id, or by the path of a folder with its manifest.
   *
   * @throws AppError ERR_MODEL_NOT_FOUND, ERR_MODEL_TASK, ERR_MODEL_CHECKSUM, ERR_MODEL_MANIFEST
   */
  async resolveOccupancy(idOrPath: string): Promise<InstalledOccupancyModel> {
    const isPath = looksLikePath(idOrPath);
    const folders = isPath ? [absolute(idOrPath)] : isId(idOrPath) ? [join(this.#paths.models, idOrPath), join(this.#paths.shipped, idOrPath)] : [];
    for (const folder of folders) if (await hasManifest(folder)) return readOccupancyModel(folder);
    if (isPath) throw new AppError('ERR_MODEL_NOT_FOUND', `${idOrPath} is no folder with a manifest`, { fix: 'Give the folder of an occupancy network, or its id.' });
    throw await this.#notFound(idOrPath);
  }

  /**
   * A model with its tap, which is made where it isn't there yet.
   *
   * @throws AppError as `resolve`; ERR_GUARD_TAP_MISSING
   */
  async resolveTapped(idOrPath: string): Promise<TappedModel> {
    return withTap(await this.resolve(idOrPath));
  }

  /**
   * A model with its tap and the clean profile that was made for it.
   *
   * @param profilePath of a profile that counts instead of the model's own.
   * @throws AppError as `resolveTapped` and, where the profile wants it, `resolveFinder`; ERR_GUARD_PROFILE_MISSING, ERR_GUARD_PROFILE_INVALID
   */
  async resolveGuarded(idOrPath: string, profilePath?: string): Promise<GuardedModel> {
    const model = await this.resolve(idOrPath);
    const found = await this.#findProfile(idOrPath, model, profilePath);
    if (!found) throw profileMissing(model.manifest.id);
    const tapped = await withTap(model);
    checkProfileTap(found.profile, tapped.tap, model.manifest);
    if (!usesFinder(found.profile.search)) return { ...tapped, profile: found.profile };
    const finder = await this.resolveFinder();
    checkProfileFinder(found.profile, finder, calibrateFix(model.manifest.id));
    return { ...tapped, profile: found.profile, finder };
  }

  /**
   * The network that finds what was pasted into a picture: the one that comes with the package, or `LYNCEUS_FINDER`.
   *
   * @throws AppError ERR_MODEL_NOT_FOUND where it isn't there, ERR_MODEL_CHECKSUM where it is another one, ERR_MODEL_MANIFEST
   */
  resolveFinder(): Promise<InstalledFinder> {
    return locateFinder(this.#paths);
  }

  /**
   * An installed model for pictures of another size at the same scale. It isn't installed itself.
   *
   * @throws AppError ERR_MODEL_UNSUPPORTED_OP where the network can't work at that size
   */
  resized(model: InstalledModel, size: Size): Promise<Resized> {
    return ensureResized(model, size);
  }

  /**
   * The clean profile that counts for a model: the user's own calibration, else one that came with it; undefined where there is none.
   *
   * @throws AppError as `resolve`; ERR_GUARD_PROFILE_INVALID
   */
  async findProfile(idOrPath: string): Promise<FoundProfile | undefined> {
    return this.#findProfile(idOrPath, await this.resolve(idOrPath));
  }

  /**
   * Keeps a calibration: in the folder of a model that the user added, else beside the user's models.
   *
   * @param files that go with it, by name.
   * @returns path of the profile. @throws AppError as `resolve`; ERR_DISK_FULL, ERR_OUTPUT_WRITE
   */
  async saveProfile(idOrPath: string, profile: GuardProfile, files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<string> {
    return writeProfile(await this.#profileFolders(idOrPath, await this.resolve(idOrPath)), profile, files);
  }

  /**
   * What a model would be if it was added, without adding it.
   *
   * @param path of an ONNX file or a Darknet pair.
   * @throws AppError as `add`.
   */
  async draft(path: string, options: AddOptions = {}): Promise<DraftedModel> {
    const local = await readLocalModel(absolute(path), options.labels);
    const draft = await draftLocal(local, options);
    return { manifest: manifestOf(options.id ?? idFromFileName(local.name), draft), onnx: draft.onnx };
  }

  /** All models by name, those that can be used at once first. */
  async list(): Promise<ListedModel[]> {
    const [added, shipped, catalog] = await Promise.all([listFolders(this.#paths.models, 'added'), listFolders(this.#paths.shipped, 'included'), readCatalog(this.#paths.shipped)]);
    const here = [...shipped, ...added];
    const isHere = (id: string): boolean => here.some((model) => model.id === id);
    const away = catalog.filter(({ id }) => !isHere(id)).map((entry): ListedModel => ({ id: entry.id, status: 'download', title: entry.title, licence: entry.licence, bytes: totalBytes(entry) }));
    return [...(await Promise.all(here.map((model) => this.#withProfile(model)))), ...away];
  }

  /**
   * Adds a model: an ONNX file, a Darknet .cfg or .weights, a folder with either or with a manifest, an http(s) address of such a
   * file, or the id of a model of the catalogue.
   *
   * @param onProgress of downloads.
   * @throws AppError ERR_MODEL_EXISTS, ERR_USAGE, ERR_MODEL_HEAD_UNKNOWN, or what downloads and imports throw; nothing is left behind.
   */
  async add(input: string, options: AddOptions = {}, onProgress?: AddProgress): Promise<AddedModel> {
    if (options.id !== undefined && !isId(options.id)) throw invalidId(options.id);
    if (/^https?:\/\//i.test(input)) return this.#addUrl(input, options, onProgress);
    if (await exists(input)) return this.#addLocal(absolute(input), options);
    const entry = (await readCatalog(this.#paths.shipped)).find(({ id }) => id === input);
    if (entry) return this.#addFromCatalog(entry, options, onProgress);
    if (isId(input) && (await hasManifest(join(this.#paths.shipped, input)))) throw alreadyThere(input);
    throw new AppError('ERR_FILE_NOT_FOUND', `${input} is no file, no folder and no known model`, { fix: 'Check the path; lynceus models list shows what can be added by name.' });
  }

  /** @throws AppError ERR_MODEL_EXISTS, ERR_USAGE: to be asked before long work whose result gets this id */
  async assertFree(id: string): Promise<void> {
    if (!isId(id)) throw invalidId(id);
    await this.#assertFree(id);
  }

  /**
   * Installs a model that was made from another one, which stays as it is. It has one width, also where its parent is elastic.
   *
   * @throws AppError ERR_MODEL_EXISTS, ERR_USAGE, ERR_MODEL_MANIFEST, ERR_DISK_FULL, ERR_OUTPUT_WRITE; nothing is left behind.
   */
  async derive(parent: ModelManifest, { id, title, onnx, input, head, operation, baseline, files }: DerivedModel): Promise<InstalledModel> {
    await this.assertFree(id);
    const manifest: ModelManifest = checkManifest(
      {
        ...withoutElastic(parent),
        id,
        title,
        file: MODEL_FILE,
        sha256: sha256Of(onnx),
        ...(input && { input }),
        ...(head && { head }),
        lineage: { parent: parent.id, origin: parent.lineage.origin, operations: [...parent.lineage.operations, operation] },
        baseline: baseline ?? null,
      },
      `the manifest of ${id}`,
    );
    const folder = join(this.#paths.models, id);
    await writeFolderAtomic(folder, { ...files, [MODEL_FILE]: onnx, [MANIFEST_FILE]: manifestText(manifest) });
    return this.#load(folder, folder);
  }

  /** Deletes a model that the user added. @throws AppError ERR_MODEL_NOT_FOUND, ERR_USAGE for one that comes with the package */
  async remove(id: string): Promise<void> {
    const folder = join(this.#paths.models, id);
    if (isId(id) && (await isFolder(folder))) {
      await rm(folder, { recursive: true, force: true });
      return;
    }
    if (isId(id) && (await hasManifest(join(this.#paths.shipped, id)))) {
      throw new AppError('ERR_USAGE', `${id} comes with the package`, { fix: 'Only models that were added can be removed.' });
    }
    throw await this.#notFound(id);
  }

  async #findProfile(idOrPath: string, { manifest, ...model }: InstalledModel, given?: string): Promise<FoundProfile | undefined> {
    if (given !== undefined) return { profile: await readProfile(given, manifest), path: given, origin: 'given' };
    const located = await locateProfile(await this.#profileFolders(idOrPath, { manifest, ...model }));
    return located && { ...located, profile: await readProfile(located.path, manifest) };
  }

  async #profileFolders(idOrPath: string, { manifest }: Pick<InstalledModel, 'manifest'>): Promise<ProfileFolders> {
    const added = join(this.#paths.models, idOrPath);
    if (!looksLikePath(idOrPath) && (await hasManifest(added))) return { own: added };
    const included = looksLikePath(idOrPath) ? absolute(idOrPath) : join(this.#paths.shipped, idOrPath);
    return { own: this.#ownProfiles(manifest), included };
  }

  /** The sum in the name: a new version of the package brings another network, and its profile with it. */
  #ownProfiles({ id, sha256 }: ModelManifest): string {
    return join(this.#paths.profiles ?? join(dirname(this.#paths.models), 'guard'), `${id}-${sha256.slice(0, 16)}`);
  }

  async #withProfile(model: ListedModel): Promise<ListedModel> {
    const { id, status, manifest } = model;
    if (!manifest) return model;
    const located = await locateProfile(status === 'added' ? { own: join(this.#paths.models, id) } : { own: this.#ownProfiles(manifest), included: join(this.#paths.shipped, id) });
    return located && located.origin !== 'given' ? { ...model, guardProfile: located.origin } : model;
  }

  async #resolvePath(path: string): Promise<InstalledModel> {
    if (await hasManifest(path)) return this.#load(path, this.#preparedFolder(path));
    const local = await readLocalModel(path);
    const id = idFromFileName(local.name);
    const folder = join(this.#paths.cache, 'by-content', `${id}-${contentKey(local)}`);
    if (!(await hasManifest(folder))) await writeModelFolder(folder, id, await draftLocal(local, {}));
    return this.#load(folder, folder);
  }

  async #resolveShipped(shipped: string): Promise<InstalledModel> {
    if (!(await isImported(shipped))) return this.#load(shipped, this.#preparedFolder(shipped));
    const manifest = await readManifest(shipped);
    // The sum in the name: a new version of the package brings a new folder and leaves the one that others may be reading.
    const folder = join(this.#paths.cache, 'shipped', `${manifest.id}-${manifest.sha256.slice(0, 16)}`);
    const isIntact = (await isFile(join(folder, MODEL_FILE))) && (await sha256OfFile(join(folder, MODEL_FILE))) === manifest.sha256;
    if (!isIntact) await writeFileAtomic(join(folder, MODEL_FILE), (await importShipped(shipped)).onnx);
    // The shipped manifest counts: thresholds or labels may have been corrected since the import.
    return this.#load(folder, folder, manifest);
  }

  async #addLocal(path: string, options: AddOptions): Promise<AddedModel> {
    if (await hasManifest(path)) return this.#addFolder(path, options);
    const local = await readLocalModel(path, options.labels);
    const id = options.id ?? idFromFileName(local.name);
    await this.#assertFree(id);
    return this.#install(id, await draftLocal(local, options), options);
  }

  /** A folder with a manifest is copied as it is. */
  async #addFolder(source: string, { id: wantedId, selfCheck: isChecked, testPicture, ...others }: AddOptions): Promise<AddedModel> {
    const options = Object.entries(others).filter(([, value]) => value !== undefined);
    if (options.length > 0) {
      throw new AppError('ERR_USAGE', `The manifest of ${source} says it all: --${options[0]![0]} has no effect`, { fix: 'Edit manifest.json instead.' });
    }
    const manifest = await readManifest(source);
    const id = wantedId ?? manifest.id;
    await this.#assertFree(id);
    const onnx = await readVerifiedModel(source, manifest);
    const elastic = await verifiedElastic(source, manifest);
    const folder = join(this.#paths.models, id);
    const float32 = asFloat32(onnx);
    if (elastic) checkElastic(float32, elastic, manifest);
    const checked = isChecked ? await selfCheck({ manifest, onnx: float32 }, testPicture) : undefined;
    await writeFolderAtomic(folder, { [manifest.file]: onnx, ...(elastic && { [manifest.elastic!.file]: elastic }), [MANIFEST_FILE]: manifestText({ ...manifest, id }), ...(checked && { [SELF_CHECK_FILE]: checked.png }) });
    return { ...(await this.#load(folder, folder)), selfCheck: checked?.report };
  }

  async #addUrl(url: string, options: AddOptions, onProgress?: AddProgress): Promise<AddedModel> {
    const files = filesOfUrl(url);
    const id = options.id ?? idFromFileName(files[0]!.name);
    await this.#assertFree(id);
    const local = await this.#fetch(id, files, options, onProgress);
    const draft = await draftLocal(local, options);
    const installed = await this.#install(id, { ...draft, origin: publicUrl(url) }, options);
    await this.#forgetDownload(id);
    return installed;
  }

  async #addFromCatalog(entry: CatalogEntry, options: AddOptions, onProgress?: AddProgress): Promise<AddedModel> {
    const id = options.id ?? entry.id;
    await this.#assertFree(id);
    const files = entry.files.map((file) => ({ ...file, url: sourceUrl(entry, file, this.#options.mirror) }));
    const local = await this.#fetch(entry.id, files, options, onProgress);
    const draft = await draftLocal(local, options);
    const installed = await this.#install(id, { ...draft, title: entry.title, licence: entry.licence, origin: entry.files[0]!.url }, options);
    await this.#forgetDownload(entry.id);
    return installed;
  }

  /** Downloads the files of a model and reads them. What came stays until the model is installed: a next try goes on from there. */
  async #fetch(id: string, files: readonly RemoteFile[], options: AddOptions, onProgress?: AddProgress): Promise<LocalModel> {
    const folder = this.#downloadFolder(id);
    const total = files.every(({ bytes }) => bytes !== undefined) ? files.reduce((sum, { bytes }) => sum + bytes!, 0) : undefined;
    let earlierBytes = 0;
    for (const { name, url, sha256 } of files) {
      let fileBytes = 0;
      const report = ({ doneBytes, totalBytes: ofFile }: DownloadProgress): void => {
        fileBytes = doneBytes;
        onProgress?.({ doneBytes: earlierBytes + doneBytes, totalBytes: total ?? (files.length === 1 ? ofFile : undefined) });
      };
      await download({ url, path: join(folder, name), sha256, onProgress: report }, this.#options.download);
      earlierBytes += fileBytes;
    }
    return readLocalModel(join(folder, files[0]!.name), options.labels);
  }

  async #install(id: string, draft: ModelDraft, options: AddOptions): Promise<AddedModel> {
    const folder = join(this.#paths.models, id);
    const checked = options.selfCheck ? await selfCheck({ manifest: manifestOf(id, draft), onnx: draft.onnx }, options.testPicture) : undefined;
    const operations = checked ? [...draft.operations, { kind: SELF_CHECK_STEP, ...checked.report }] : draft.operations;
    await writeModelFolder(folder, id, { ...draft, operations }, checked && { [SELF_CHECK_FILE]: checked.png });
    return { ...(await this.#load(folder, folder)), selfCheck: checked?.report };
  }

  async #load(folder: string, preparedFolder: string, known?: ModelManifest): Promise<InstalledModel> {
    const manifest = known ?? (await readManifest(folder));
    const published = { onnx: await readVerifiedModel(folder, manifest), modelPath: join(folder, manifest.file) };
    await verifiedElastic(folder, manifest);
    const { onnx, modelPath } = await ensureFloat32(preparedFolder, published, manifest);
    const elasticPath = manifest.elastic && join(folder, manifest.elastic.file);
    return { manifest, folder, modelPath, preparedPath: await ensurePrepared(preparedFolder, onnx, manifest), ...(elasticPath !== undefined && { elasticPath }) };
  }

  /** Where prepared variants go of a model whose folder isn't ours to write to. */
  #preparedFolder(folder: string): string {
    return join(this.#paths.cache, 'prepared', sha256Of(folder).slice(0, 16));
  }

  #downloadFolder(id: string): string {
    return join(this.#paths.cache, 'downloads', id);
  }

  async #forgetDownload(id: string): Promise<void> {
    await rm(this.#downloadFolder(id), { recursive: true, force: true });
  }

  async #assertFree(id: string): Promise<void> {
    const taken = (await exists(join(this.#paths.models, id))) || (await hasManifest(join(this.#paths.shipped, id)));
    if (taken) throw alreadyThere(id);
  }

  async #notFound(id: string): Promise<AppError> {
    const models = await this.list();
    if (models.some((model) => model.id === id && model.status === 'download')) {
      return new AppError('ERR_MODEL_NOT_FOUND', `The model ${id} has not been downloaded`, { fix: `Fetch it: lynceus models add ${id}` });
    }
    const names = models.filter(({ status }) => status !== 'download' && status !== 'broken').map((model) => model.id);
    return new AppError('ERR_MODEL_NOT_FOUND', `No model named ${id}`, { fix: `There are: ${names.join(', ')}; lynceus models list shows what can be added.` });
  }
}

async function withTap(model: InstalledModel): Promise<TappedModel> {
  return { ...model, ...(await ensureTapped(model.preparedPath, model.manifest)) };
}

interface RemoteFile {
  readonly name: string;
  readonly url: string;
  readonly bytes?: number;
  readonly sha256?: string;
}

/** The file of an address; for either file of a Darknet model both. */
function filesOfUrl(url: string): RemoteFile[] {
  const name = decodeURIComponent(basename(new URL(url).pathname)).replace(/[^\w.-]+/g, '-');
  if (/\.onnx$/i.test(name)) return [{ name, url }];
  if (!/\.(cfg|weights)$/i.test(name)) throw new AppError('ERR_USAGE', `${publicUrl(url)} is no address of an .onnx, a .cfg or a .weights file`, { fix: 'Give the address of the file itself.' });
  return ['.cfg', '.weights'].map((extension) => {
    const other = new URL(url);
    other.pathname = other.pathname.replace(/\.(cfg|weights)$/i, extension);
    return { name: name.replace(/\.(cfg|weights)$/i, extension), url: other.href };
  });
}

async function listFolders(root: string, status: ModelStatus): Promise<ListedModel[]> {
  const names = (await readdir(root).catch(() => [])).filter((name) => !name.startsWith('.')).sort();
  const models = await Promise.all(names.map((name) => listFolder(join(root, name), status)));
  return models.filter((model) => model !== undefined);
}

async function listFolder(folder: string, status: ModelStatus): Promise<ListedModel | undefined> {
  if (!(await hasManifest(folder))) return undefined;
  const id = basename(folder);
  try {
    const manifest = await readAnyManifest(folder);
    const facts = { id, status, title: manifest.title, licence: manifest.licence };
    if (manifest.task !== 'detection') return { ...facts, occupancy: manifest };
    return { ...facts, manifest, ...(manifest.elastic && { ratios: await ratiosOf(folder, manifest) }) };
  } catch (error) {
    return { id, status: 'broken', title: '(not readable)', problem: toAppError(error).message };
  }
}

function totalBytes({ files }: CatalogEntry): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

function looksLikePath(text: string): boolean {
  return /[/\\]/.test(text) || /\.(onnx|cfg|weights)$/i.test(text) || text === '.' || text === '..';
}

/** Ids are names of folders: nothing that could lead out of the store. */
function isId(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,99}$/.test(text);
}

function contentKey(local: LocalModel): string {
  const bytes = local.kind === 'onnx' ? [local.onnx] : [local.cfg, local.weights];
  return sha256Of(JSON.stringify([IMPORT_VERSION, local.kind, local.labels ?? null]), ...bytes).slice(0, 16);
}

function alreadyThere(id: string): AppError {
  return new AppError('ERR_MODEL_EXISTS', `There is a model named ${id} already`, { fix: `Choose another name with --id, or remove it: lynceus models remove ${id}.` });
}

function invalidId(id: string): AppError {
  return new AppError('ERR_USAGE', `${id} is no name for a model`, { fix: 'Use lower-case letters, digits, dots, dashes and underscores.' });
}
