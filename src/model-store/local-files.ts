import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { canonicalLabels } from '../core/coco-labels.js';
import { AppError } from '../core/errors.js';
import { isFile, isFolder, readInput } from './files.js';

/** The files of a model on this machine, read but not yet understood. */
export type LocalModel = LocalOnnx | LocalDarknet;

export interface LocalOnnx {
  readonly kind: 'onnx';
  readonly name: string;
  readonly onnx: Uint8Array;
  readonly labels: readonly string[] | undefined;
}

export interface LocalDarknet {
  readonly kind: 'darknet';
  readonly name: string;
  readonly cfg: string;
  readonly weights: Uint8Array;
  readonly labels: readonly string[] | undefined;
}

/**
 * Reads an ONNX file, or a Darknet pair by either of its files or by their folder, and class names that lie beside it.
 *
 * @param labelsPath file of class names instead of one found beside the model.
 * @throws AppError ERR_FILE_NOT_FOUND, or ERR_USAGE where the file is of no kind that is known.
 */
export async function readLocalModel(path: string, labelsPath?: string): Promise<LocalModel> {
  if (await isFolder(path)) return readFolder(path, labelsPath);
  if (!(await isFile(path))) throw new AppError('ERR_FILE_NOT_FOUND', `${path} does not exist`, { fix: 'Check the path.' });
  switch (extname(path).toLowerCase()) {
    case '.onnx':
      return { kind: 'onnx', name: basename(path), onnx: await readInput(path), labels: await readLabels(labelsPath) };
    case '.cfg':
      return readPair(path, sibling(path, '.weights'), labelsPath);
    case '.weights':
      return readPair(sibling(path, '.cfg'), path, labelsPath);
    default:
      throw new AppError('ERR_USAGE', `${basename(path)} is no model file`, { fix: 'Name an .onnx file, a Darknet .cfg or .weights, or a folder with them.' });
  }
}

async function readFolder(folder: string, labelsPath: string | undefined): Promise<LocalModel> {
  const names = await readdir(folder);
  const found = names.filter((name) => ['.onnx', '.cfg'].includes(extname(name).toLowerCase()));
  const [only] = found;
  if (only === undefined || found.length > 1) {
    throw new AppError('ERR_USAGE', `${folder} holds ${found.length === 0 ? 'no model' : found.join(', ')}`, { fix: 'Name the .onnx or the .cfg file itself.' });
  }
  if (extname(only).toLowerCase() === '.onnx') return readLocalModel(join(folder, only), labelsPath);
  const weights = names.filter((name) => extname(name).toLowerCase() === '.weights');
  return weights.length === 1 ? readPair(join(folder, only), join(folder, weights[0]!), labelsPath) : readLocalModel(join(folder, only), labelsPath);
}

async function readPair(cfgPath: string, weightsPath: string, labelsPath: string | undefined): Promise<LocalDarknet> {
  for (const path of [cfgPath, weightsPath]) {
    if (!(await isFile(path))) throw new AppError('ERR_FILE_NOT_FOUND', `${path} is missing: a Darknet model is a .cfg and a .weights`, { fix: 'Put both files into one folder under the same name.' });
  }
  const [cfg, weights] = await Promise.all([readInput(cfgPath), readInput(weightsPath)]);
  const labels = await readLabels(labelsPath ?? (await namesBeside(cfgPath)));
  return { kind: 'darknet', name: basename(cfgPath), cfg: cfg.toString(), weights, labels };
}

/** `model.names` beside `model.cfg`, else the only `*.names` of the folder. */
async function namesBeside(path: string): Promise<string | undefined> {
  const own = sibling(path, '.names');
  if (await isFile(own)) return own;
  const names = (await readdir(dirname(path))).filter((name) => extname(name).toLowerCase() === '.names');
  return names.length === 1 ? join(dirname(path), names[0]!) : undefined;
}

/** One class a line; blank lines at the end don't count. */
async function readLabels(path: string | undefined): Promise<readonly string[] | undefined> {
  if (path === undefined) return undefined;
  const lines = (await readInput(path)).toString().split(/\r?\n/).map((line) => line.trim());
  return canonicalLabels(lines.filter((line) => line !== ''));
}

function sibling(path: string, extension: string): string {
  return join(dirname(path), basename(path, extname(path)) + extension);
}
