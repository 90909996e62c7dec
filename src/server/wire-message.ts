import { encodeMessage } from '../protocol/codec.js';
import { FRAME_FIELDS, pickFields, type FrameField, type FrameMessage, type ServerMessage } from '../protocol/index.js';
import type { Encoding } from '../protocol/version.js';

/** Which parts of a frame a subscriber wants: one bit each, in the order of `FRAME_FIELDS`. */
export type FieldMask = number;

export const ALL_FIELDS: FieldMask = (1 << FRAME_FIELDS.length) - 1;

export function toFieldMask(fields: readonly FrameField[]): FieldMask {
  return fields.reduce((mask, field) => mask | (1 << FRAME_FIELDS.indexOf(field)), 0);
}

export function toFields(mask: FieldMask): FrameField[] {
  return FRAME_FIELDS.filter((_, bit) => (mask & (1 << bit)) !== 0);
}

/** A message on its way to any number of clients: its bytes are made when the first of them needs them, and shared by all. */
export interface WireMessage {
  bytes(encoding: Encoding, fields: FieldMask): Buffer;
  /** Whether it goes out as a binary WebSocket message. */
  isBinary(encoding: Encoding): boolean;
}

/** A frame, encoded once for each encoding and set of fields in use. */
export class FrameWireMessage implements WireMessage {
  readonly message: FrameMessage;
  readonly #encoded = new Map<number, Buffer>();

  constructor(message: FrameMessage) {
    this.message = message;
  }

  bytes(encoding: Encoding, fields: FieldMask): Buffer {
    const key = encoding === 'json' ? fields : -1 - fields;
    let bytes = this.#encoded.get(key);
    if (bytes === undefined) {
      bytes = encodeMessage(fields === ALL_FIELDS ? this.message : pickFields(this.message, toFields(fields)), encoding);
      this.#encoded.set(key, bytes);
    }
    return bytes;
  }

  isBinary(encoding: Encoding): boolean {
    return encoding === 'msgpack';
  }
}

/** Any other message in the client's encoding. */
export class PlainWireMessage implements WireMessage {
  readonly #message: ServerMessage;
  readonly #encoded: Partial<Record<Encoding, Buffer>> = {};

  constructor(message: ServerMessage) {
    this.#message = message;
  }

  bytes(encoding: Encoding): Buffer {
    return (this.#encoded[encoding] ??= encodeMessage(this.#message, encoding));
  }

  isBinary(encoding: Encoding): boolean {
    return encoding === 'msgpack';
  }
}

/** A preview picture: the same binary message for every encoding. */
export class PreviewWireMessage implements WireMessage {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  bytes(): Buffer {
    return this.#bytes;
  }

  isBinary(): boolean {
    return true;
  }
}
