import { expect, test } from 'vitest';
import { FRAME_FIELDS, toFrameMessage } from '../../src/protocol/index.js';
import { ALL_FIELDS, FrameWireMessage, toFieldMask, toFields } from '../../src/server/wire-message.js';
import { fakeDelivered, fakeFrame, fakeStream } from './fixture.js';

test.each([
  ['none', []],
  ['one', ['timings' as const]],
  ['all', [...FRAME_FIELDS]],
])('fields to mask and back: %s', (_, fields) => {
  expect(toFields(toFieldMask(fields))).toEqual(fields);
});

test('a frame is encoded once for each encoding and set of fields, however many clients take it', () => {
  const stream = fakeStream('yard');
  const frame = fakeFrame(stream, 1);
  const wire = new FrameWireMessage(toFrameMessage(fakeDelivered(stream, frame)));
  frame.release();
  const variants = (['json', 'msgpack'] as const).flatMap((encoding) => [ALL_FIELDS, 0, toFieldMask(['detections'])].map((mask) => ({ encoding, mask })));
  const first = variants.map(({ encoding, mask }) => wire.bytes(encoding, mask));
  const again = variants.map(({ encoding, mask }) => wire.bytes(encoding, mask));
  again.forEach((bytes, i) => expect(bytes).toBe(first[i]));
  expect(new Set(first.map((bytes) => bytes.toString('latin1'))).size).toBe(variants.length);
  expect(JSON.parse(first[0]!.toString())).toEqual(wire.message);
});
