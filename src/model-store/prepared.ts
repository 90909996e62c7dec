import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ModelManifest } from '../core/manifest.js';
import { PREPARATION_VERSION, prepareInput } from '../onnx/prepare/prepare-input.js';
import { isFile, sha256Of, writeFileAtomic } from './files.js';

const PREFIX = 'prepared-';

/**
 * Path of the variant that takes frames, made where it isn't there yet. Its name holds everything that it depends on, so that a changed
 * model, manifest or preparation gets a new one; the old ones go.
 *
 * @param folder where prepared variants of this model alone are kept.
 */
export async function ensurePrepared(folder: string, onnx: Uint8Array, manifest: ModelManifest): Promise<string> {
  const key = sha256Of(JSON.stringify([PREPARATION_VERSION, manifest.sha256, manifest.input])).slice(0, 16);
  const path = join(folder, `${PREFIX}${key}.onnx`);
  if (await isFile(path)) return path;
  await writeFileAtomic(path, prepareInput(onnx, manifest.input));
  await removeOthers(path);
  return path;
}

async function removeOthers(path: string): Promise<void> {
  const folder = dirname(path);
  const old = (await readdir(folder)).filter((name) => name.startsWith(PREFIX) && join(folder, name) !== path);
  await Promise.all(old.map((name) => rm(join(folder, name), { force: true })));
}
