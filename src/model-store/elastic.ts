import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../core/errors.js';
import type { ElasticRatio, ModelManifest } from '../core/manifest.js';
import { readElasticFile } from '../onnx/elastic/elastic-file.js';
import { ElasticModel, unknownRatio } from '../onnx/elastic/elastic-model.js';
import { readInput, sha256Of } from './files.js';
import { readVerified } from './model-folder.js';
import { ensurePrepared } from './prepared.js';
import { ensureVariant, variantPath, type Variant } from './variant.js';

const ONNX = '.onnx';
/** A new number makes networks of ratios be made anew. */
const RATIO_VERSION = 1;

/** An elastic model on this machine, as far as it matters here; see `InstalledModel`. */
export interface ElasticInstalled {
  readonly manifest: ModelManifest;
  readonly folder: string;
  readonly modelPath: string;
  readonly preparedPath: string;
  readonly elasticPath?: string | undefined;
}

/** What stands between the id of a model and a ratio of it. */
const RATIO_MARK = '@';

/** `street@50` in its parts; undefined where no ratio is asked for. */
export function splitRatio(idOrPath: string): { readonly model: string; readonly ratio: string } | undefined {
  const at = idOrPath.lastIndexOf(RATIO_MARK);
  const ratio = idOrPath.slice(at + 1);
  // A folder in the middle of a path may have such a name.
  return at < 1 || /[/\\]/.test(ratio) ? undefined : { model: idOrPath.slice(0, at), ratio };
}

/** A model without its other widths: what is made of one network of an elastic model is elastic no more. */
export function withoutElastic({ elastic: _, ...manifest }: ModelManifest): ModelManifest {
  return manifest;
}

/** The elastic file of a folder; undefined where its manifest has none. @throws AppError ERR_FILE_NOT_FOUND, ERR_MODEL_CHECKSUM */
export async function verifiedElastic(folder: string, { id, elastic }: ModelManifest): Promise<Uint8Array | undefined> {
  return elastic && readVerified(folder, elastic, `lynceus models remove ${id}, then add it again.`);
}

/** Ratios of a model's folder, dense first; none where it isn't elastic. @throws AppError ERR_FILE_NOT_FOUND, ERR_MODEL_CORRUPT, ERR_MODEL_ELASTIC */
export async function ratiosOf(folder: string, { elastic }: Pick<ModelManifest, 'elastic'>): Promise<readonly ElasticRatio[]> {
  return elastic ? readElasticFile(await readInput(join(folder, elastic.file)), elastic.file).ratios : [];
}

/** Whether the two belong together. @throws AppError ERR_MODEL_CORRUPT, ERR_MODEL_ELASTIC */
export function checkElastic(onnx: Uint8Array, elasticBytes: Uint8Array, { input, elastic }: ModelManifest): void {
  ElasticModel.open(onnx, elasticBytes, { input, fileName: elastic?.file ?? '' });
}

/** An elastic model in memory. @throws AppError as `checkElastic`, ERR_FILE_NOT_FOUND */
export async function openElastic({ modelPath, elasticPath, manifest }: { readonly modelPath: string; readonly elasticPath: string; readonly manifest: ModelManifest }): Promise<ElasticModel> {
  const [onnx, elasticBytes] = await Promise.all([readInput(modelPath), readInput(elasticPath)]);
  return ElasticModel.open(onnx, elasticBytes, { input: manifest.input, fileName: elasticPath });
}

/**
 * One ratio of an elastic model as a model of its own, made beside the prepared one where it isn't there yet; nothing is installed.
 *
 * @throws AppError ERR_MODEL_NOT_FOUND where the model has no such ratio; ERR_MODEL_CORRUPT, ERR_MODEL_ELASTIC
 */
export async function ensureRatio(model: ElasticInstalled, ratioName: string): Promise<ElasticInstalled> {
  const { manifest, elasticPath } = model;
  if (elasticPath === undefined) {
    throw new AppError('ERR_MODEL_NOT_FOUND', `${manifest.id} has no ratio ${ratioName}: it is not elastic`, { fix: `Leave out ${RATIO_MARK}${ratioName}; lynceus models list shows which models have ratios.` });
  }
  const { ratios } = readElasticFile(await readInput(elasticPath), elasticPath);
  const index = ratios.findIndex(({ name }) => name === ratioName);
  if (index < 0) throw unknownRatio(ratioName, ratios);
  const id = `${manifest.id}${RATIO_MARK}${ratioName}`;
  if (index === 0) return { ...model, manifest: { ...withoutElastic(manifest), id }, elasticPath: undefined };
  return sliced({ ...model, elasticPath }, id, ratios[index]!);
}

async function sliced(model: ElasticInstalled & { readonly elasticPath: string }, id: string, ratio: ElasticRatio): Promise<ElasticInstalled> {
  const { manifest } = model;
  // A folder of its own: what is kept of one network doesn't push out what is kept of another.
  const folder = join(dirname(model.preparedPath), `ratio-${ratio.name}`);
  const key = sha256Of(JSON.stringify([RATIO_VERSION, manifest.sha256, manifest.elastic?.sha256])).slice(0, 16);
  const variant: Variant = { folder, prefix: 'model-', key, endings: [ONNX] };
  await ensureVariant(variant, async () => [(await openElastic(model)).slice(ratio.name)]);
  const modelPath = variantPath(variant, ONNX);
  const onnx = await readFile(modelPath);
  const own: ModelManifest = { ...manifestOfRatio(manifest, ratio), id, sha256: sha256Of(onnx) };
  return { manifest: own, folder, modelPath, preparedPath: await ensurePrepared(folder, onnx, own) };
}

/** What a network of a ratio is; its sum and id are its file's. */
export function manifestOfRatio(manifest: ModelManifest, { name, macs }: ElasticRatio): ModelManifest {
  const { lineage } = manifest;
  return {
    ...withoutElastic(manifest),
    id: `${manifest.id}${RATIO_MARK}${name}`,
    title: `${manifest.title}, ratio ${name}`,
    lineage: { parent: manifest.id, origin: lineage.origin, operations: [...lineage.operations, { kind: 'elastic-ratio', ratio: name, macs }] },
    baseline: null,
  };
}
