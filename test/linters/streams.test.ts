import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { describe, expect, test } from 'vitest';
import { streamDefinitionSchema } from '../../src/config/stream-definition.js';
import { parseYaml } from '../../src/config/yaml-file.js';
import { REPOSITORY } from '../fixtures/repository.js';

const STREAMS = `${REPOSITORY}streams/`;
const names = readdirSync(STREAMS).filter((name) => name.endsWith('.yaml'));
const read = (name: string): string => readFileSync(`${STREAMS}${name}`, 'utf8');

/** Every variable is set to an address. */
const ENV = new Proxy<Record<string, string>>({}, { get: () => 'rtsp://127.0.0.1/stream' });

test('there are shipped streams', () => {
  console.log(`${names.length} streams: ${names.join(', ')}`);
  expect(names.length).toBeGreaterThan(0);
});

describe.each(names)('streams/%s', (name) => {
  const definition = () => parseYaml({ text: read(name), fileName: `streams/${name}`, env: ENV }, streamDefinitionSchema);

  test('parses, under the name of its file', () => {
    expect(`${definition().name}.yaml`).toBe(name);
  });

  test('is accepted by an editor, with the published schema that it names', () => {
    expect(read(name)).toContain('# yaml-language-server: $schema=./stream.schema.json');
    const isValid = new Ajv2020({ strict: true }).compile(JSON.parse(read('stream.schema.json')) as object);
    expect(isValid(parse(read(name))), JSON.stringify(isValid.errors)).toBe(true);
  });

  test('names files and models that are there', () => {
    const { source, stages } = definition();
    const files = [('path' in source && source.path) || [], ('calibration' in source && source.calibration) || []].flat();
    for (const file of files) expect(existsSync(resolve(STREAMS, file)), file).toBe(true);
    const models = stages.map(({ options }) => options?.['model']).filter((model) => typeof model === 'string');
    for (const model of models) expect(existsSync(`${REPOSITORY}models/${model}/manifest.json`), model).toBe(true);
  });
});
