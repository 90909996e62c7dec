import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { AppError, systemErrorCode } from '../../core/errors.js';
import type { OptimisedPatch } from './optimise-patch.js';

/** All that decides what a search finds; saved with it, so that only the same search is resumed. */
export type SearchIdentity = Readonly<Record<string, unknown>>;

const checkpoint = z.object({
  identity: z.record(z.string(), z.unknown()),
  step: z.number().int().nonnegative(),
  queries: z.number().int().nonnegative(),
  // JSON has no infinity: null is no loss yet.
  loss: z.number().nullable(),
  colours: z.base64(),
  momentum: z.base64(),
  curve: z.array(z.object({ queries: z.number(), loss: z.number() })),
});

/** Written beside and renamed: an interruption leaves the last one whole. @throws AppError ERR_OUTPUT_WRITE */
export async function saveCheckpoint(path: string, identity: SearchIdentity, { colours, momentum, loss, ...state }: OptimisedPatch): Promise<void> {
  const file: z.input<typeof checkpoint> = { identity, ...state, curve: [...state.curve], loss: Number.isFinite(loss) ? loss : null, colours: toBase64(colours), momentum: toBase64(momentum) };
  try {
    await writeFile(`${path}.part`, `${JSON.stringify(file)}\n`);
    await rename(`${path}.part`, path);
  } catch (cause) {
    throw new AppError(systemErrorCode(cause) === 'ENOSPC' ? 'ERR_DISK_FULL' : 'ERR_OUTPUT_WRITE', `${path} cannot be written: ${systemErrorCode(cause) ?? 'no details'}.`, { cause });
  }
}

/**
 * A search that was interrupted, or undefined where none was saved.
 *
 * @throws AppError ERR_CONFIG_INVALID where the file is none of ours; ERR_USAGE where it is of another search.
 */
export async function loadCheckpoint(path: string, identity: SearchIdentity): Promise<OptimisedPatch | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const { identity: saved, colours, momentum, loss, ...state } = parse(text, path);
  const asSaved = JSON.parse(JSON.stringify(identity)) as SearchIdentity;
  const different = [...new Set([...Object.keys(saved), ...Object.keys(asSaved)])].filter((key) => JSON.stringify(saved[key]) !== JSON.stringify(asSaved[key]));
  if (different.length > 0) {
    throw new AppError('ERR_USAGE', `${path} is of another search: it differs in ${different.join(', ')}.`, { fix: 'Name another folder with --out, or remove the file.' });
  }
  return { ...state, loss: loss ?? Number.POSITIVE_INFINITY, colours: fromBase64(colours), momentum: fromBase64(momentum) };
}

function parse(text: string, path: string): z.output<typeof checkpoint> {
  try {
    return checkpoint.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError('ERR_CONFIG_INVALID', `${path} is no saved search.`, { cause, fix: 'Remove the file: the search begins anew.' });
  }
}

function toBase64(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

function fromBase64(text: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return new Float32Array(bytes.buffer, 0, bytes.length >> 2);
}
