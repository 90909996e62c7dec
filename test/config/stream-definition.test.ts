import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { streamDefinitionSchema, streamJsonSchema } from '../../src/config/stream-definition.js';

const SCHEMA_FILE = new URL('../../streams/stream.schema.json', import.meta.url);
const isValidBySchema = new Ajv2020({ strict: true }).compile(streamJsonSchema());

const source = { kind: 'file', path: 'a.mp4' };
const stage = { id: 'detect', kind: 'detector.yolo' };
const base = { name: 'a', source, stages: [stage] };

test('streams/stream.schema.json is the schema (else: npm run build && node scripts/write-schemas.mjs)', () => {
  expect(JSON.parse(readFileSync(SCHEMA_FILE, 'utf8'))).toEqual(streamJsonSchema());
});

describe('what is accepted, by the parser and by the published schema', () => {
  test.each<[string, object]>([
    ['the least', base],
    ['a file with all options', { ...base, source: { ...source, realtime: true, loop: false } }],
    ['a camera', { ...base, source: { kind: 'rtsp', url: 'rtsp://a/b', transport: 'udp', stallTimeoutMs: 1, frozenTimeoutMs: 60_000 } }],
    ['a web address', { ...base, source: { kind: 'http', url: 'https://a/live.m3u8' } }],
    ['a dataset', { ...base, source: { kind: 'dataset', path: 'coco', frameRateFps: 12.5, realtime: true, loop: true } }],
    ['each policy', { ...base, stages: ['latest', 'drop', 'block', { buffer: 1 }, { buffer: 256 }].map((overflow, i) => ({ ...stage, id: `d${i}`, overflow })) }],
    ['options of a stage are its own', { ...base, stages: [{ ...stage, options: { anything: [1, { goes: null }] } }] }],
    ['a governor of a latency', { ...base, governor: { target: '25ms' } }],
    ['a governor of a rate, with a floor', { ...base, governor: { target: '12.5 fps', floor: { sidePx: 256, every: 3, ap50: 0.4 } } }],
    ['a longest name', { ...base, name: 'a'.repeat(64) }],
  ])('%s', (_, definition) => {
    expect(streamDefinitionSchema.parse(definition)).toEqual(definition);
    expect(isValidBySchema(definition), JSON.stringify(isValidBySchema.errors)).toBe(true);
  });
});

describe('what is refused, by the parser and by the published schema', () => {
  test.each<[string, unknown]>([
    ['no name', { source, stages: [stage] }],
    ['an empty name', { ...base, name: '' }],
    ['a name too long', { ...base, name: 'a'.repeat(65) }],
    ['a name that would leave a folder', { ...base, name: '../a' }],
    ['an unknown key', { ...base, sink: 'ws' }],
    ['a target without a unit', { ...base, governor: { target: '25' } }],
    ['a target of nothing', { ...base, governor: { target: '0ms' } }],
    ['a governor without a target', { ...base, governor: { floor: 320 } }],
    ['no stages', { ...base, stages: [] }],
    ['too many stages', { ...base, stages: Array.from({ length: 33 }, (_, i) => ({ ...stage, id: `d${i}` })) }],
    ['an unknown kind of source', { ...base, source: { kind: 'usb', path: 'a' } }],
    ['a camera without an address', { ...base, source: { kind: 'rtsp' } }],
    ['a camera with an empty address', { ...base, source: { kind: 'rtsp', url: '' } }],
    ['a file with an address', { ...base, source: { ...source, url: 'rtsp://a' } }],
    ['a timeout of 0', { ...base, source: { kind: 'rtsp', url: 'rtsp://a', stallTimeoutMs: 0 } }],
    ['a rate of 0', { ...base, source: { kind: 'dataset', path: 'a', frameRateFps: 0 } }],
    ['a buffer of 0', { ...base, stages: [{ ...stage, overflow: { buffer: 0 } }] }],
    ['a buffer of 257', { ...base, stages: [{ ...stage, overflow: { buffer: 257 } }] }],
    ['half a buffer', { ...base, stages: [{ ...stage, overflow: { buffer: 1.5 } }] }],
    ['no definition', null],
  ])('%s', (_, definition) => {
    expect(streamDefinitionSchema.safeParse(definition).success).toBe(false);
    expect(isValidBySchema(definition)).toBe(false);
  });

  test.each<[string, string[]]>([
    ['an id twice', ['a', 'b', 'a']],
    ['an id that the ledger uses for what is before the stages', ['source']],
    ['an id that the ledger uses for what is after the stages', ['a', 'deliver']],
  ])('%s, by the parser alone', (_, ids) => {
    const { success, error } = streamDefinitionSchema.safeParse({ ...base, stages: ids.map((id) => ({ ...stage, id })) });
    expect(success).toBe(false);
    expect(error?.issues.map(({ path }) => path)).toEqual([['stages', ids.length - 1, 'id']]);
  });
});
