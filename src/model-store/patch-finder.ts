import { dirname, join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../core/errors.js';
import { usesFinder, type GuardProfile } from '../guard/profile.js';
import { isFile, readInput, sha256Of } from './files.js';
import { readVerified } from './model-folder.js';
import type { StorePaths } from './store-paths.js';

/** Folder of the shipped finder in `models/`. It has no manifest, since it is no model that a stream could run. */
const FOLDER = 'patch-finder';
/** What tells which network it is. */
const FACTS_FILE = 'finder.json';

/** Further keys are for people. */
const factsSchema = z.looseObject({ file: z.string().regex(/^[\w.-]+\.onnx$/, 'must be the name of an .onnx file beside it'), sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits') });

/** The network that the guard's search may use to find what was pasted into a picture. */
export interface InstalledFinder {
  readonly path: string;
  readonly sha256: string;
}

/**
 * The finder that comes with the package, or the one that the user named instead.
 *
 * @throws AppError ERR_MODEL_NOT_FOUND, ERR_MODEL_CHECKSUM, ERR_MODEL_MANIFEST
 */
export async function locateFinder({ shipped, finder }: Pick<StorePaths, 'shipped' | 'finder'>): Promise<InstalledFinder> {
  if (finder !== undefined) return { path: finder, sha256: sha256Of(await readFinder(finder)) };
  const factsPath = join(shipped, FOLDER, FACTS_FILE);
  const { file, sha256 } = parseFacts((await readFinder(factsPath)).toString(), factsPath);
  const path = join(dirname(factsPath), file);
  if (!(await isFile(path))) throw missing(path);
  await readVerified(dirname(factsPath), { file, sha256 }, 'install lynceus anew.');
  return { path, sha256 };
}

/** @throws AppError ERR_GUARD_PROFILE_INVALID where the profile was learnt with another finder. @param fix what to do */
export function checkProfileFinder({ search, finder: known }: GuardProfile, { path, sha256 }: InstalledFinder, fix: string): void {
  if (!usesFinder(search) || known?.sha256 === sha256) return;
  throw new AppError('ERR_GUARD_PROFILE_INVALID', `The profile was learnt with another patch finder (SHA-256 ${known?.sha256.slice(0, 16) ?? 'unknown'}...) than ${path} (${sha256.slice(0, 16)}...)`, { fix });
}

async function readFinder(path: string): Promise<Buffer> {
  if (!(await isFile(path))) throw missing(path);
  return readInput(path);
}

function parseFacts(text: string, path: string): z.output<typeof factsSchema> {
  try {
    return factsSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError('ERR_MODEL_MANIFEST', `${path} doesn't name a patch finder and its SHA-256`, { cause, fix: 'Install lynceus anew.' });
  }
}

function missing(path: string): AppError {
  return new AppError('ERR_MODEL_NOT_FOUND', `The patch finder is not there: ${path}`, { fix: 'Install lynceus anew, or calibrate without it: lynceus guard calibrate --search evidence.' });
}
