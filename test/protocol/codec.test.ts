import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/core/errors.js';
import { decodeClientMessage, encodeMessage } from '../../src/protocol/codec.js';
import { toFrameMessage } from '../../src/protocol/index.js';
import { fakeDelivered, fakeFrame, fakeStream } from '../server/fixture.js';
import { readMessagePack } from './read-message-pack.js';

describe('MessagePack', () => {
  test('has only what every library reads, and says the same as JSON', () => {
    const stream = fakeStream('yard');
    const frame = fakeFrame(stream, 70_000);
    const message = toFrameMessage(fakeDelivered(stream, frame, { detections: 20, dropped: { 'detect:stage_busy': 300 } }));
    frame.release();
    expect(readMessagePack(encodeMessage(message, 'msgpack'))).toEqual(JSON.parse(encodeMessage(message, 'json').toString()));
  });

  test.each([
    ['a map', Buffer.from('82a474797065a470696e67a26964a161', 'hex'), { type: 'ping', id: 'a' }],
    ['str8 for the type', Buffer.from('81d90474797065d90470696e67', 'hex'), { type: 'ping' }],
  ])('is read: %s', (_, bytes, message) => {
    expect(decodeClientMessage(bytes, true, 'msgpack')).toEqual(message);
  });
});

describe('a client message', () => {
  test('gets its defaults', () => {
    expect(decodeClientMessage(Buffer.from('{"type":"subscribe","streams":["*"]}'), false, 'json')).toEqual({ type: 'subscribe', streams: ['*'], policy: 'latest', preview: false, occupancy: false });
  });

  test.each([
    ['binary where text is due', '{"type":"ping"}', true, 'json' as const, /Expected a text message with JSON, found a binary message/],
    ['text where binary is due', '{"type":"ping"}', false, 'msgpack' as const, /Expected a binary message with MessagePack, found a text message/],
    ['no JSON', '{"type":', false, 'json' as const, /Expected JSON/],
    ['no MessagePack', '\xc1', true, 'msgpack' as const, /Expected MessagePack|Not a message/],
    ['lists within lists that claim 16 million entries each', '\xdd\x00\xff\xff\xff'.repeat(3000), true, 'msgpack' as const, /Expected MessagePack/],
    ['lists nested too deep', '\x91'.repeat(16_000), true, 'msgpack' as const, /Expected MessagePack/],
    ['an extension that makes a regular expression', '\xc7\x05x\x92\xa1(\xa0', true, 'msgpack' as const, /Expected MessagePack|Not a message/],
    ['the place of the fault', '{"type":"subscribe","streams":[""]}', false, 'json' as const, /at streams\.0/],
  ])('is refused with a code: %s', (_, text, isBinary, encoding, message) => {
    expect(() => decodeClientMessage(Buffer.from(text, 'latin1'), isBinary, encoding)).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL_MESSAGE', message: expect.stringMatching(message) as string }));
  });

  test('whatever the bytes, it is a message or an ERR_PROTOCOL_MESSAGE', () => {
    const outcome = (bytes: Uint8Array, encoding: 'json' | 'msgpack'): string => {
      try {
        return decodeClientMessage(Buffer.from(bytes), encoding === 'msgpack', encoding).type;
      } catch (error) {
        return error instanceof AppError ? error.code : String(error);
      }
    };
    const expected = /^(ERR_PROTOCOL_MESSAGE|ping|auth|subscribe|unsubscribe)$/;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(outcome(bytes, 'msgpack')).toMatch(expected);
        expect(outcome(bytes, 'json')).toMatch(expected);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(outcome(Buffer.from(text), 'json')).toMatch(expected);
      }),
      { numRuns: 500 },
    );
  });
});
