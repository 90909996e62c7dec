import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { expect, test } from 'vitest';
import type { OccupancyUpdate } from '../../src/core/occupancy-update.js';
import { encodeMessage } from '../../src/protocol/codec.js';
import { occupancyMessage, toOccupancyMessage } from '../../src/protocol/index.js';
import { schemas } from '../../src/protocol/schemas.js';
import { readMessagePack } from './read-message-pack.js';

const ajv = new Ajv2020.default({ strict: true, allowUnionTypes: true });
addFormats.default(ajv);
const validate = ajv.compile(schemas()['occupancy']!);

const BLOCKS = Uint8Array.from({ length: 64 }, (_, i) => i);
const KEYFRAME: OccupancyUpdate = { kind: 'keyframe', epoch: 3, update: 0, grid: { rangeM: 32, bottomM: 1 }, tree: { level: 64, blocks: BLOCKS, subtrees: Uint8Array.of(1, 2, 250) } };
const DELTA: OccupancyUpdate = { ...KEYFRAME, kind: 'delta', update: 9, tree: { level: 8, blocks: BLOCKS, subtrees: new Uint8Array(), confidence: Uint8Array.of(255, 0) }, cleared: new Uint8Array(64) };
const NEAREST = { fromDeg: -45, toDeg: 45, distanceM: Float32Array.of(1.23456, Infinity, 0) };
const FRAME = { sequence: 7, ptsUs: 280_000.4 };

test.each([
  ['a keyframe', toOccupancyMessage('yard', FRAME, KEYFRAME)],
  ['a delta with all there is', toOccupancyMessage('yard', FRAME, DELTA, NEAREST)],
])('%s is what the schemas say in JSON, and has bytes in MessagePack', (_, message) => {
  const json: unknown = JSON.parse(encodeMessage(message, 'json').toString());
  expect(occupancyMessage.parse(json)).toEqual(json);
  expect(validate(json)).toBe(true);
  const packed = readMessagePack(encodeMessage(message, 'msgpack')) as Record<string, unknown>;
  const unpacked = Object.fromEntries(Object.entries(packed).map(([key, value]) => [key, Buffer.isBuffer(value) ? value.toString('base64') : value]));
  expect(unpacked).toEqual(json);
  expect(packed['changed']).toEqual(Buffer.from(BLOCKS));
});

test('the parts of a message', () => {
  expect(toOccupancyMessage('yard', FRAME, DELTA, NEAREST)).toEqual({
    type: 'occupancy',
    stream: 'yard',
    seq: 7,
    pts_us: 280_000,
    kind: 'delta',
    epoch: 3,
    update: 9,
    since: 8,
    level: 8,
    grid: { range_m: 32, bottom_m: 1 },
    changed: BLOCKS,
    cleared: new Uint8Array(64),
    subtrees: new Uint8Array(),
    confidence: Uint8Array.of(255, 0),
    nearest: { from_deg: -45, to_deg: 45, distance_m: [1.235, null, 0] },
  });
  expect(toOccupancyMessage('yard', FRAME, KEYFRAME)).not.toHaveProperty('confidence');
  expect(toOccupancyMessage('yard', FRAME, KEYFRAME)).not.toHaveProperty('since');
  expect(toOccupancyMessage('yard', FRAME, DELTA, NEAREST, 4)).toMatchObject({ update: 9, since: 4 });
});

test.each([
  ['blocks of another length', { changed: 'AAAA' }],
  ['a level that is none', { level: 12 }],
  ['more masks than there can be', { subtrees: 'A'.repeat(60_000) }],
  ['no base64', { subtrees: '??' }],
  ['an azimuth beyond half a turn', { nearest: { from_deg: -181, to_deg: 0, distance_m: [null] } }],
])('no such message: %s', (_, wrong) => {
  const json = JSON.parse(encodeMessage(toOccupancyMessage('yard', FRAME, KEYFRAME), 'json').toString()) as object;
  expect(occupancyMessage.safeParse({ ...json, ...wrong }).success).toBe(false);
});
