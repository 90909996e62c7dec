import { Decoder, Encoder } from '@msgpack/msgpack';
import { AppError } from '../core/errors.js';
import { clientMessage, type ClientMessage, type OccupancyMessage, type ServerMessage, type PartialFrameMessage } from './messages.js';
import type { Encoding } from './version.js';

const encoder = new Encoder({ ignoreUndefined: true });
// A few bytes can claim billions of elements, and the decoder makes room for what is claimed: no more than a message may have.
const MAX_ELEMENTS = 256;
const MAX_TEXT_BYTES = 16_384;
const decoder = new Decoder({
  maxArrayLength: MAX_ELEMENTS,
  maxMapLength: MAX_ELEMENTS,
  maxStrLength: MAX_TEXT_BYTES,
  maxBinLength: MAX_TEXT_BYTES,
  maxExtLength: MAX_TEXT_BYTES,
});

/** One message as the bytes of a WebSocket message: text for `json`, binary for `msgpack`. */
export function encodeMessage(message: ServerMessage | PartialFrameMessage<never>, encoding: Encoding): Buffer {
  if (encoding === 'msgpack') return bytesOf(encoder.encode(message));
  return Buffer.from(JSON.stringify(message.type === 'occupancy' ? withBase64(message) : message));
}

/**
 * A client's message, checked, with defaults filled in.
 *
 * @throws AppError `ERR_PROTOCOL_MESSAGE`, which says what was expected and what was found.
 */
export function decodeClientMessage(bytes: Buffer, isBinary: boolean, encoding: Encoding): ClientMessage {
  if (isBinary !== (encoding === 'msgpack')) {
    const expected = encoding === 'json' ? 'a text message with JSON' : 'a binary message with MessagePack';
    throw invalid(`Expected ${expected}, found a ${isBinary ? 'binary' : 'text'} message.`);
  }
  const result = clientMessage.safeParse(parse(bytes, encoding));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue !== undefined && issue.path.length > 0 ? ` at ${issue.path.join('.')}` : '';
  throw invalid(`Not a message of this protocol${where}: ${issue?.message ?? 'unknown problem'}.`);
}

function parse(bytes: Buffer, encoding: Encoding): unknown {
  try {
    return encoding === 'json' ? (JSON.parse(bytes.toString('utf8')) as unknown) : decoder.decode(bytes);
  } catch (cause) {
    throw invalid(`Expected ${encoding === 'json' ? 'JSON' : 'MessagePack'}, found bytes that are not.`, cause);
  }
}

/** JSON has no bytes. */
function withBase64({ changed, cleared, subtrees, confidence, ...message }: OccupancyMessage<Uint8Array>): OccupancyMessage {
  return {
    ...message,
    changed: toBase64(changed),
    ...(cleared && { cleared: toBase64(cleared) }),
    subtrees: toBase64(subtrees),
    ...(confidence && { confidence: toBase64(confidence) }),
  };
}

function toBase64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

/** The same memory as a Buffer. */
function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function invalid(message: string, cause?: unknown): AppError {
  return new AppError('ERR_PROTOCOL_MESSAGE', message, { fix: 'See docs/protocol.md or /schemas/v1 for the messages.', cause });
}
