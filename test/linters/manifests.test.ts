import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parseManifest } from '../../src/config/manifest-schema.js';
import { REPOSITORY } from '../fixtures/repository.js';

const MODELS = `${REPOSITORY}models/`;
// `lab` is where models are made.
const ids = readdirSync(MODELS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'lab')
  .map(({ name }) => name);
const read = (path: string): string => readFileSync(`${MODELS}${path}`, 'utf8');

test('there are shipped models', () => {
  console.log(`${ids.length} models: ${ids.join(', ')}`);
  expect(ids.length).toBeGreaterThan(0);
});

describe.each(ids)('models/%s', (id) => {
  test('has a manifest that parses, under the name of its folder', () => {
    expect(parseManifest(read(`${id}/manifest.json`), `models/${id}/manifest.json`).id).toBe(id);
  });

  test('has a manifest that an editor accepts, with the published schema', () => {
    const manifest = JSON.parse(read(`${id}/manifest.json`)) as { $schema?: string };
    expect(manifest.$schema).toBe('../manifest.schema.json');
    const isValid = new Ajv2020({ strict: true }).compile(JSON.parse(read('manifest.schema.json')) as object);
    expect(isValid(manifest), JSON.stringify(isValid.errors)).toBe(true);
  });

  test('has its network, or says where it comes from', () => {
    const { file } = parseManifest(read(`${id}/manifest.json`), id);
    expect(existsSync(`${MODELS}${id}/${file}`) || existsSync(`${MODELS}${id}/origin.json`)).toBe(true);
  });
});
