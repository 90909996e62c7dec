import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../core/errors.js';
import { readInput } from './files.js';

const fileSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/),
  url: z.url(),
  bytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const entrySchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/),
  title: z.string().min(1),
  licence: z.string().min(1),
  files: z.array(fileSchema).min(1),
});

const catalogSchema = z.strictObject({ models: z.array(entrySchema) });

/** A model that is known but has to be downloaded. */
export type CatalogEntry = z.output<typeof entrySchema>;

/** The catalogue of a `models/` folder. @throws AppError ERR_MODEL_MANIFEST where it is damaged. */
export async function readCatalog(shippedFolder: string): Promise<readonly CatalogEntry[]> {
  const path = join(shippedFolder, 'catalog.json');
  const text = (await readInput(path)).toString();
  try {
    return catalogSchema.parse(JSON.parse(text)).models;
  } catch (cause) {
    throw new AppError('ERR_MODEL_MANIFEST', `${path} is no catalogue: ${(cause as Error).message}`, { cause, fix: 'Install the package anew.' });
  }
}

/** Where a file is fetched: from its publisher, or from `<mirror>/<id>/<name>`. */
export function sourceUrl(entry: CatalogEntry, file: CatalogEntry['files'][number], mirror: string | undefined): string {
  return mirror ? `${mirror.replace(/\/+$/, '')}/${entry.id}/${file.name}` : file.url;
}
