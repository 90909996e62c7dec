import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isFile, writeFileAtomic } from './files.js';

/** What is made of a model and can be made again: a few files whose names begin alike. */
export interface Variant {
  /** Where variants of this model alone are kept. */
  readonly folder: string;
  /** Kind of the variant: those of another kind are left alone. */
  readonly prefix: string;
  /** Everything that the bytes depend on, shortened. */
  readonly key: string;
  /** Endings of the files; the last one is written last, so where it is there all are. */
  readonly endings: readonly string[];
}

/** Path of the file with an ending. */
export function variantPath({ folder, prefix, key }: Variant, ending: string): string {
  return join(folder, `${prefix}${key}${ending}`);
}

/**
 * Makes a variant where it isn't there yet; those of the same kind with other keys go, because the model, its manifest or the way it is
 * made has changed.
 *
 * @param make gives the files in the order of the endings.
 */
export async function ensureVariant(variant: Variant, make: () => Promise<readonly (Uint8Array | string)[]>): Promise<void> {
  const paths = variant.endings.map((ending) => variantPath(variant, ending));
  if (await isFile(paths.at(-1)!)) return;
  const files = await make();
  for (const [i, bytes] of files.entries()) await writeFileAtomic(paths[i]!, bytes);
  await removeOthers(variant);
}

async function removeOthers({ folder, prefix, key }: Variant): Promise<void> {
  const old = (await readdir(folder)).filter((name) => name.startsWith(prefix) && !name.startsWith(`${prefix}${key}`));
  await Promise.all(old.map((name) => rm(join(folder, name), { force: true })));
}
