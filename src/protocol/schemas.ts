import { z } from 'zod';
import {
  authMessage,
  authRequiredMessage,
  droppedMessage,
  errorMessage,
  eventMessage,
  helloMessage,
  occupancyMessage,
  operatingPointMessage,
  partialFrameMessage,
  pingMessage,
  pongMessage,
  previewHeader,
  statsMessage,
  subscribedMessage,
  subscribeMessage,
  unsubscribeMessage,
} from './messages.js';
import { SUBPROTOCOLS, WEBSOCKET_PATH } from './version.js';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Messages in the client's encoding, by who sends them. */
const SENT_BY_SERVER = {
  hello: helloMessage,
  auth_required: authRequiredMessage,
  subscribed: subscribedMessage,
  frame: partialFrameMessage,
  occupancy: occupancyMessage,
  event: eventMessage,
  operating_point: operatingPointMessage,
  stats: statsMessage,
  dropped: droppedMessage,
  error: errorMessage,
  pong: pongMessage,
} as const;
const SENT_BY_CLIENT = { auth: authMessage, subscribe: subscribeMessage, unsubscribe: unsubscribeMessage, ping: pingMessage } as const;

let published: Readonly<Record<string, JsonSchema>> | undefined;

/** JSON Schema (2020-12) of every message, by its `type`. Messages of the server may gain fields within a version: extra ones are allowed. */
export function schemas(): Readonly<Record<string, JsonSchema>> {
  published ??= Object.fromEntries(
    Object.entries({ ...SENT_BY_SERVER, preview: previewHeader, ...SENT_BY_CLIENT }).map(([name, schema]) => [name, { $id: `/schemas/v1/${name}.json`, ...toJsonSchema(schema, 'draft-2020-12') }]),
  );
  return published;
}

/** The WebSocket as an AsyncAPI 3 document. */
export function asyncApiDocument(version: string): JsonSchema {
  const server = Object.keys(SENT_BY_SERVER);
  const client = Object.keys(SENT_BY_CLIENT);
  const reference = (name: string) => ({ $ref: `#/channels/results/messages/${name}` });
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'lynceus results',
      version,
      description: `Detections with a timing ledger over WebSocket. Subprotocols: ${SUBPROTOCOLS.join(', ')} (the first is the default). Binary messages with a preview header carry pictures.`,
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: { local: { host: '127.0.0.1', protocol: 'ws', description: 'Where the server listens unless told otherwise.' } },
    channels: {
      results: {
        address: WEBSOCKET_PATH,
        messages: Object.fromEntries([...server, 'preview', ...client].map((name) => [name, { $ref: `#/components/messages/${name}` }])),
      },
    },
    operations: {
      send: { action: 'send', channel: { $ref: '#/channels/results' }, summary: 'The server sends', messages: [...server, 'preview'].map(reference) },
      receive: { action: 'receive', channel: { $ref: '#/channels/results' }, summary: 'The server takes', messages: client.map(reference) },
    },
    components: {
      messages: Object.fromEntries(Object.entries({ ...SENT_BY_SERVER, preview: previewHeader, ...SENT_BY_CLIENT }).map(([name, schema]) => [name, toAsyncApiMessage(name, schema)])),
    },
  };
}

function toAsyncApiMessage(name: string, schema: z.ZodType): JsonSchema {
  const { description } = schema.meta() ?? {};
  return { name, title: name, summary: description, contentType: name === 'preview' ? 'application/octet-stream' : 'application/json', payload: toJsonSchema(schema, 'draft-7') };
}

function toJsonSchema(schema: z.ZodType, target: 'draft-2020-12' | 'draft-7'): JsonSchema {
  return z.toJSONSchema(schema, { target, io: 'input' });
}
