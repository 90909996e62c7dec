import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readCatalog, sourceUrl } from '../../src/model-store/catalog.js';
import { storePaths } from '../../src/model-store/store-paths.js';
import { hasShared, SHARED, WITHOUT_SHARED } from '../onnx/support.js';

const catalog = await readCatalog(storePaths({}).shipped);

test('ids and files are there once, files are named as at their addresses', () => {
  expect(catalog.length).toBeGreaterThanOrEqual(3);
  expect(new Set(catalog.map(({ id }) => id)).size).toBe(catalog.length);
  for (const { name, url } of catalog.flatMap(({ files }) => files)) {
    expect(basename(new URL(url).pathname)).toBe(name);
    expect(url).toMatch(/^https:/);
  }
});

test('a mirror has a folder a model', () => {
  const [entry] = catalog;
  const [file] = entry!.files;
  expect(sourceUrl(entry!, file!, undefined)).toBe(file!.url);
  expect(sourceUrl(entry!, file!, 'http://10.0.0.1/models//')).toBe(`http://10.0.0.1/models/${entry!.id}/${file!.name}`);
});

describe.skipIf(!hasShared)(`sums and sizes are those of the files that were measured${hasShared ? '' : ` (skipped: ${WITHOUT_SHARED})`}`, () => {
  test.each(catalog.flatMap(({ id, files }) => files.map((file) => ({ id, ...file }))))('$name', ({ id, name, bytes, sha256 }) => {
    const file = readFileSync(`${SHARED}models/${id}/${name}`);
    expect(file.length).toBe(bytes);
    expect(createHash('sha256').update(file).digest('hex')).toBe(sha256);
  });
});

test('a damaged catalogue is named', async () => {
  await expect(readCatalog('/nowhere')).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND', message: expect.stringContaining('catalog.json') as string });
});
