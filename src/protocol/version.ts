/** Version of the wire protocol. Within one version messages only gain fields and types; a reader ignores those it doesn't know. */
export const PROTOCOL_VERSION = 1;

/** Where the WebSocket is. */
export const WEBSOCKET_PATH = '/ws/v1';

/** How messages are written: JSON in text messages, or MessagePack (plain maps, no extensions) in binary ones. */
export type Encoding = 'json' | 'msgpack';

/** `Sec-WebSocket-Protocol` values, the default first. */
export const SUBPROTOCOLS = ['lynceus.v1.json', 'lynceus.v1.msgpack'] as const;
export type Subprotocol = (typeof SUBPROTOCOLS)[number];

export const ENCODING_OF: Readonly<Record<Subprotocol, Encoding>> = { 'lynceus.v1.json': 'json', 'lynceus.v1.msgpack': 'msgpack' };

/** Why the server ends a connection. `docs/protocol.md` explains each. */
export const CLOSE_CODES = {
  goingAway: 1001,
  unauthorized: 1008,
  messageTooBig: 1009,
  overloaded: 1013,
  badMessages: 4400,
  tooSlow: 4408,
} as const;
export type CloseCode = (typeof CLOSE_CODES)[keyof typeof CLOSE_CODES];

/** Reasons of loss between the server and one client; those before it are `stage:reason`. */
export const CLIENT_DROP_REASONS = ['client:replaced_by_newer', 'client:max_rate'] as const;
export type ClientDropReason = (typeof CLIENT_DROP_REASONS)[number];
