import { Parser } from '@asyncapi/parser';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CLOSE_CODES } from '../../src/protocol/index.js';
import { asyncApiDocument, schemas } from '../../src/protocol/schemas.js';

/** The parser's diagnostics number an error 0, warnings and hints above. */
const ERROR_SEVERITY = 0;
const NAMES = ['hello', 'auth_required', 'subscribed', 'frame', 'occupancy', 'event', 'operating_point', 'stats', 'dropped', 'error', 'pong', 'preview', 'auth', 'subscribe', 'unsubscribe', 'ping'];

test('every message has a JSON Schema under its own type', () => {
  expect(Object.keys(schemas())).toEqual(NAMES);
  for (const [name, schema] of Object.entries(schemas())) {
    expect(schema).toMatchObject({ $id: `/schemas/v1/${name}.json`, $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', properties: { type: { const: name } } });
  }
});

test('the AsyncAPI document is valid and has every message', async () => {
  const { document, diagnostics } = await new Parser().parse(JSON.stringify(asyncApiDocument('1.2.3')));
  expect(diagnostics.filter(({ severity }: { severity: number }) => severity === ERROR_SEVERITY).map(({ message, path }) => `${path.join('.')}: ${message}`)).toEqual([]);
  expect(document!.info().version()).toBe('1.2.3');
  const messages = Object.fromEntries(document!.operations().all().map((operation) => [operation.action(), operation.messages().all().map((message) => message.name())]));
  expect(messages).toEqual({ send: NAMES.slice(0, 12), receive: NAMES.slice(12) });
});

test('the page on the protocol explains every message and every close code', () => {
  const page = readFileSync('docs/protocol.md', 'utf8');
  for (const name of NAMES) expect(page, name).toContain(`\`${name}\``);
  for (const code of Object.values(CLOSE_CODES)) expect(page, String(code)).toContain(`| ${code} |`);
});
