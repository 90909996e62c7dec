import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../core/errors.js';
import { importCenternet } from '../onnx/import/import-centernet.js';
import { importTinyFace } from '../onnx/import/import-tiny-face.js';
import type { ImportedModel } from '../onnx/import/imported-model.js';
import type { ReadShard } from '../onnx/import/tfjs-weights.js';
import { labelsFor, type ModelDraft } from './draft.js';
import { isFile, readInput, sha256Of } from './files.js';

/** Name of the file that tells where the network of a shipped manifest comes from. */
const ORIGIN_FILE = 'origin.json';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A model whose weights are in an npm package that this one depends on. */
const originSchema = z.strictObject({
  title: z.string().min(1),
  licence: z.string().min(1),
  package: z.string().min(1),
  importer: z.enum(['centernet', 'tiny-face']),
  /** The first is the importer's own input, the others are weights; paths inside the package. */
  files: z.array(z.strictObject({ path: z.string().min(1), sha256 })).min(2),
  labels: z.array(z.string().min(1)).optional(),
  defaults: z.strictObject({ confidenceThreshold: z.number(), iouThreshold: z.number() }).optional(),
});

type Origin = z.output<typeof originSchema>;

const IMPORTERS: Readonly<Record<Origin['importer'], (text: string, readShard: ReadShard) => ImportedModel>> = {
  centernet: importCenternet,
  'tiny-face': importTinyFace,
};

/** Whether the network of a shipped model has to be imported from a package. */
export function isImported(shippedFolder: string): Promise<boolean> {
  return isFile(join(shippedFolder, ORIGIN_FILE));
}

/**
 * Imports a shipped model; takes about half a second. The same package gives the same bytes, so that the shipped manifest fits them.
 *
 * @throws AppError ERR_MODEL_IMPORT where the package is missing, ERR_MODEL_CHECKSUM where its files are others.
 */
export async function importShipped(shippedFolder: string): Promise<ModelDraft> {
  const origin = originSchema.parse(JSON.parse((await readInput(join(shippedFolder, ORIGIN_FILE))).toString()));
  const folder = packageFolder(origin.package);
  const files = await Promise.all(origin.files.map(async (file) => ({ path: file.path, bytes: await readVerified(join(folder, file.path), file.sha256) })));
  const readShard: ReadShard = (path) => {
    const shard = files.find((file) => file.path.endsWith(`/${path}`));
    if (!shard) throw new AppError('ERR_MODEL_IMPORT', `${origin.package} names the weights ${path}, which ${ORIGIN_FILE} doesn't`);
    return shard.bytes;
  };
  const { onnx, input, head, classCount } = IMPORTERS[origin.importer](files[0]!.bytes.toString(), readShard);
  return {
    title: origin.title,
    licence: origin.licence,
    onnx,
    input,
    head,
    labels: labelsFor(classCount, origin.labels),
    origin: `npm:${origin.package}`,
    operations: [{ kind: `import-${origin.importer}`, files: origin.files }],
    ...(origin.defaults && { defaults: origin.defaults }),
  };
}

function packageFolder(name: string): string {
  const require = createRequire(import.meta.url);
  // Not every package exports its package.json; the folder is found by the rules of resolution alone.
  const folders = require.resolve.paths(name) ?? [];
  for (const folder of folders) {
    try {
      return dirname(require.resolve(join(folder, name, 'package.json')));
    } catch {
      continue;
    }
  }
  throw new AppError('ERR_MODEL_IMPORT', `The package ${name} is not installed`, { fix: 'Install the dependencies: npm ci.' });
}

async function readVerified(path: string, expected: string): Promise<Buffer> {
  const bytes = await readInput(path);
  const found = sha256Of(bytes);
  if (found !== expected) {
    throw new AppError('ERR_MODEL_CHECKSUM', `${path} has the SHA-256 ${found}, expected ${expected}`, { fix: 'Install the dependencies anew: npm ci.' });
  }
  return bytes;
}
