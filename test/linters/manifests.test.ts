import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parseAnyManifest } from '../../src/config/manifest-schema.js';
import { REPOSITORY } from '../fixtures/repository.js';

const MODELS = `${REPOSITORY}models/`;
// `lab` is where models are made; `patch-finder` is no model that a stream could run, and has no manifest.
const ids = readdirSync(MODELS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !['lab', 'patch-finder'].includes(entry.name))
  .map(({ name }) => name);
const read = (path: string): string => readFileSync(`${MODELS}${path}`, 'utf8');

test('there are shipped models', () => {
  console.log(`${ids.length} models: ${ids.join(', ')}`);
  expect(ids.length).toBeGreaterThan(0);
});

describe.each(ids)('models/%s', (id) => {
  test('has a manifest that parses, under the name of its folder', () => {
    expect(parseAnyManifest(read(`${id}/manifest.json`), `models/${id}/manifest.json`).id).toBe(id);
  });

  test('has a manifest that an editor accepts, with the published schema', () => {
    const manifest = JSON.parse(read(`${id}/manifest.json`)) as { $schema?: string; task: string };
    const schema = manifest.task === 'detection' ? 'manifest.schema.json' : 'occupancy-manifest.schema.json';
    expect(manifest.$schema).toBe(`../${schema}`);
    const isValid = new Ajv2020({ strict: true }).compile(JSON.parse(read(schema)) as object);
    expect(isValid(manifest), JSON.stringify(isValid.errors)).toBe(true);
  });

  test('has its network, or says where it comes from', () => {
    const manifest = parseAnyManifest(read(`${id}/manifest.json`), id);
    const files = manifest.task === 'detection' ? [manifest.file] : Object.values(manifest.files).map(({ file }) => file);
    expect(files.every((file) => existsSync(`${MODELS}${id}/${file}`)) || existsSync(`${MODELS}${id}/origin.json`)).toBe(true);
  });
});
