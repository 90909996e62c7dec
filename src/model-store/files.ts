import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError, systemErrorCode } from '../core/errors.js';

/** Lower-case hex. */
export function sha256Of(...parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

export async function sha256OfFile(path: string): Promise<string> {
  return sha256Of(await readInput(path));
}

export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** @throws AppError ERR_FILE_NOT_FOUND */
export async function readInput(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new AppError('ERR_FILE_NOT_FOUND', `${path} can't be read: ${systemErrorCode(cause) ?? String(cause)}`, { cause, fix: 'Check the path and its permissions.' });
  }
}

/** A reader never sees half a file: it is written beside and renamed. */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, bytes);
    await rename(temporary, path);
  } catch (error) {
    await discard(temporary);
    throw writeError(error, path);
  }
}

/**
 * Puts a folder of files in place in one step. One that is there already stays: folders are named after what they hold, so another
 * process was faster and wrote the same. Readers never see a folder go.
 */
export async function writeFolderAtomic(folder: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<void> {
  const temporary = temporaryPath(folder);
  try {
    await mkdir(temporary, { recursive: true });
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(temporary, name), bytes);
    await rename(temporary, folder);
  } catch (error) {
    await discard(temporary);
    if (!['ENOTEMPTY', 'EEXIST'].includes(systemErrorCode(error) ?? '')) throw writeError(error, folder);
  }
}

/** After a failure: what went wrong first is what the user has to hear of. */
async function discard(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}

function temporaryPath(path: string): string {
  return join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
}

/** What a failed write means to the user. */
export function writeError(error: unknown, path: string): AppError {
  if (error instanceof AppError) return error;
  const code = systemErrorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AppError('ERR_DISK_FULL', `No space left to write ${path}`, { cause: error, fix: 'Free some space, or set LYNCEUS_HOME to a folder on another disk.' });
  }
  return new AppError('ERR_OUTPUT_WRITE', `Can't write ${path}: ${code ?? String(error)}`, { cause: error, fix: 'Set LYNCEUS_HOME to a folder that you may write to.' });
}
