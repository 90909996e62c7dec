import fc from 'fast-check';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { packr } from './pack.js';
import { eventMessage, FRAME_FIELDS, frameMessage, helloMessage, statsMessage, subscribedMessage } from '../../src/protocol/index.js';
import type { LynceusServer, ServerOptions } from '../../src/server/server.js';
import { deliver, fakeStream, startTestServer, type FakeStream } from './fixture.js';
import { refusedHandshake, TestClient, type Received } from './ws-test-client.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function start(streams: FakeStream[], options: Partial<ServerOptions> = {}): Promise<LynceusServer> {
  const server = await startTestServer(streams, options);
  open.push(server);
  return server;
}

async function connect(server: LynceusServer, protocols: string[] = []): Promise<TestClient> {
  const client = await TestClient.open(server.wsUrl, protocols);
  open.push(client);
  return client;
}

/** A connection that takes the handshake and subscribes, and never reads a byte after. */
async function stall(server: LynceusServer, policy: 'latest' | 'all'): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const socket = createConnection({ host: hostname, port: Number(port) });
  open.push({ close: () => socket.destroy() });
  socket.on('error', () => undefined);
  socket.write(`GET /ws/v1 HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  expect(head.toString()).toContain('101 Switching Protocols');
  socket.pause();
  socket.write(maskedText(JSON.stringify({ type: 'subscribe', streams: ['*'], policy })));
  return socket;
}

/** A client's text message below 126 bytes, masked with zeros. */
function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

async function metric(server: LynceusServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`^${name.replace(/[{}"]/g, '\\$&')} (.*)$`, 'm').exec(text)?.[1]);
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const seqs = (messages: Received[]): number[] => messages.map(({ seq }) => Number(seq));
const sum = (counts: object): number => Object.values(counts).reduce((total: number, count) => total + Number(count), 0);

/** Delivers until `isEnough`, giving the sockets their turn between the frames. */
async function deliverUntil(server: LynceusServer, stream: FakeStream, isEnough: () => boolean | Promise<boolean>, detections: number, most: number): Promise<number> {
  for (let seq = 0; seq < most; seq++) {
    deliver(server, stream, seq, { detections });
    await nextTurn();
    if (seq % 100 === 99 && (await isEnough())) return seq + 1;
  }
  throw new Error(`not enough after ${most} frames`);
}

describe('a client', () => {
  test('is greeted, subscribes, learns the state and gets frames', async () => {
    const stream = fakeStream('front-door');
    const server = await start([stream]);
    const client = await connect(server);
    const hello = helloMessage.parse(client.of('hello')[0]);
    expect(hello).toMatchObject({ protocol: 1, server: { name: 'lynceus', version: '0.0.0-test' }, streams: [{ name: 'front-door', state: 'running', labels: ['person', 'bicycle', 'car', 'dog'] }] });
    expect(subscribedMessage.parse(await client.subscribe({ id: 'a', streams: ['front-door'] }))).toEqual({
      type: 'subscribed',
      id: 'a',
      subscriptions: [{ stream: 'front-door', fields: [...FRAME_FIELDS], policy: 'latest', max_rate: null, preview: false, occupancy: false }],
    });
    expect(eventMessage.parse(await client.next('event'))).toMatchObject({ stream: 'front-door', state: 'running' });
    expect(statsMessage.parse(await client.next('stats'))).toMatchObject({ stream: 'front-door', fps: 24.988, reconnects: 2 });
    deliver(server, stream, 7, { dropped: { 'detect:replaced_by_newer': 3 } });
    expect(frameMessage.parse(await client.next('frame'))).toEqual({
      type: 'frame',
      stream: 'front-door',
      seq: 7,
      image: { width: 768, height: 576 },
      time: { capture: '2026-01-02T03:04:05.880Z', capture_clock: 'rtcp_sr', uncertainty_ms: 4.568, pts_us: 280_000, emitted: '2026-01-02T03:04:05.980Z' },
      detections: [
        { id: 0, category_id: 0, label: 'person', score: 0.9, bbox: [1.23, 1.23, 100, 100] },
        { id: 1, category_id: 1, label: 'bicycle', score: 0.89, bbox: [11.23, 11.23, 100, 100] },
      ],
      timings: [
        { stage: 'source', queue_ms: 0, service_ms: 1, event_loop_delay_ms: 0.123, gc_ms: 0 },
        { stage: 'detect', queue_ms: 0.5, service_ms: 9, worker: 'yolo-0', boxes_before_nms: 37, event_loop_delay_ms: 0.123, gc_ms: 0 },
      ],
      end_to_end_ms: 10.5,
      dropped_since_last: { 'detect:replaced_by_newer': 3 },
    });
    expect(stream.buffers.inUse).toBe(0);
  });

  test('gets what it subscribed to, as it asked for it, until it unsubscribes', async () => {
    const [yard, gate] = [fakeStream('yard'), fakeStream('gate')];
    const server = await start([yard, gate]);
    const client = await connect(server);
    await client.subscribe({ streams: ['*'], fields: ['end_to_end_ms'] });
    await client.subscribe({ streams: ['gate'], fields: [], policy: 'all' });
    deliver(server, yard, 1);
    deliver(server, gate, 2);
    expect(await client.next('frame')).toEqual({ type: 'frame', stream: 'yard', seq: 1, end_to_end_ms: 10.5 });
    expect(await client.next('frame')).toEqual({ type: 'frame', stream: 'gate', seq: 2 });
    client.send({ type: 'unsubscribe', id: 'u', streams: ['*'] });
    expect(await client.next('subscribed')).toEqual({ type: 'subscribed', id: 'u', subscriptions: [] });
    deliver(server, yard, 3);
    client.send({ type: 'ping', id: 'p' });
    expect(await client.next('pong')).toMatchObject({ id: 'p' });
    expect(client.of('frame')).toHaveLength(2);
  });

  test('of * gets streams that come later', async () => {
    const streams: FakeStream[] = [];
    const server = await start(streams);
    const client = await connect(server);
    expect(client.of('hello')[0]!['streams']).toEqual([]);
    await client.subscribe();
    const late = fakeStream('late');
    streams.push(late);
    server.sink.event?.('late', { epochMs: 0, state: 'reconnecting', code: 'ERR_SOURCE_REFUSED', message: 'refused', attempt: 2, retryInMs: 800 });
    expect(await client.next('event')).toEqual({ type: 'event', stream: 'late', time: '1970-01-01T00:00:00.000Z', state: 'reconnecting', code: 'ERR_SOURCE_REFUSED', message: 'refused', attempt: 2, retry_in_ms: 800 });
    deliver(server, late, 0);
    expect(await client.next('frame')).toMatchObject({ stream: 'late', seq: 0 });
  });

  test('of the MessagePack subprotocol speaks it both ways', async () => {
    const stream = fakeStream('yard');
    const server = await start([stream]);
    const client = await connect(server, ['lynceus.v2.cbor', 'lynceus.v1.msgpack']);
    expect(client.socket.protocol).toBe('lynceus.v1.msgpack');
    client.sendRaw(packr.pack({ type: 'subscribe', streams: ['yard'], id: 'm' }));
    expect(await client.next('subscribed')).toMatchObject({ id: 'm' });
    deliver(server, stream, 4);
    expect(frameMessage.parse(await client.next('frame'))).toMatchObject({ seq: 4, detections: [{ label: 'person' }, { label: 'bicycle' }] });
  });

  test('with max_rate gets no more than that, evenly, and is told what it skipped', async () => {
    const stream = fakeStream('yard');
    const server = await start([stream], { limits: { droppedIntervalMs: 0 } });
    const client = await connect(server);
    await client.subscribe({ streams: ['yard'], max_rate: 1000 / 150 });
    const begin = performance.now();
    let seq = 0;
    while (client.of('frame').length < 4) {
      deliver(server, stream, seq++, { dropped: { 'detect:stage_busy': 1 } });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(performance.now() - begin).toBeGreaterThanOrEqual(3 * 150 - 1);
    const received = client.of('frame');
    const last = seqs(received).at(-1)!;
    const lost = client.of('dropped').reduce((total, { counts }) => ({ rate: total.rate + Number((counts as Record<string, number>)['client:max_rate']), upstream: total.upstream + Number((counts as Record<string, number>)['detect:stage_busy']) }), { rate: 0, upstream: 0 });
    expect(lost.rate).toBe(last + 1 - received.length);
    expect(lost.upstream).toBe(lost.rate);
  });
});

describe('a client that does not read', () => {
  test('with policy latest is given newer frames when it reads again, and every gap is explained', async () => {
    const stream = fakeStream('yard');
    const server = await start([stream], { limits: { highWaterBytes: 4096, droppedIntervalMs: 0 } });
    const client = await connect(server);
    await client.subscribe();
    client.socket.pause();
    const frames = await deliverUntil(server, stream, async () => (await metric(server, 'lynceus_ws_messages_dropped_total{reason="replaced_by_newer"}')) > 50, 100, 20_000);
    client.socket.resume();
    await client.until(() => seqs(client.of('frame')).at(-1) === frames - 1, 'the newest frame');
    const lost = client.of('dropped').reduce((total, { counts }) => total + sum(counts as object), 0);
    expect(lost).toBeGreaterThan(50);
    expect(client.of('frame').length + lost).toBe(frames);
    expect(seqs(client.of('frame'))).toEqual(seqs(client.of('frame')).toSorted((a, b) => a - b));
  });

  test('with policy all gets every frame in order, as long as it reads in time', async () => {
    const stream = fakeStream('yard');
    const server = await start([stream]);
    const client = await connect(server);
    await client.subscribe({ streams: ['*'], policy: 'all' });
    client.socket.pause();
    for (let seq = 0; seq < 500; seq++) deliver(server, stream, seq);
    client.socket.resume();
    await client.until(() => client.of('frame').length === 500, 'all frames');
    expect(seqs(client.of('frame'))).toEqual(Array.from({ length: 500 }, (_, seq) => seq));
    expect(client.of('dropped')).toEqual([]);
  });

  test.each([
    ['messages', { maxPendingMessages: 20 }],
    ['bytes', { maxPendingBytes: 20_000 }],
  ])('with policy all is closed with 4408 when too many %s wait', async (_, limits) => {
    const stream = fakeStream('yard');
    const server = await start([stream], { limits });
    const client = await connect(server);
    await client.subscribe({ streams: ['*'], policy: 'all' });
    for (let seq = 0; seq < 200; seq++) deliver(server, stream, seq);
    expect(await client.closing()).toMatchObject({ code: 4408 });
  });

  test('costs the others nothing and the server a bounded number of bytes', async () => {
    const stream = fakeStream('yard');
    const server = await start([stream], { limits: { closeGraceMs: 50 } });
    await stall(server, 'latest');
    const stalledAll = await stall(server, 'all');
    const healthy = await connect(server);
    await healthy.subscribe({ streams: ['*'], policy: 'all' });
    const frames = await deliverUntil(server, stream, async () => (await metric(server, 'lynceus_ws_messages_dropped_total{reason="replaced_by_newer"}')) > 500 && (await metric(server, 'lynceus_ws_clients')) === 2, 100, 20_000);
    await healthy.until(() => healthy.of('frame').length === frames, 'all frames at the healthy client');
    expect(await metric(server, 'lynceus_ws_send_buffer_bytes')).toBeLessThan(256 * 1024 + 8 * 16_000);
    stalledAll.resume();
    await once(stalledAll, 'close');
  });

  test('of pings is cut', async () => {
    const server = await start([], { limits: { pingIntervalMs: 50 } });
    const dead = new TestClient(server.wsUrl, [], { autoPong: false });
    const alive = await connect(server);
    expect(await dead.closing()).toMatchObject({ code: 1006 });
    expect(alive.closed).toBeUndefined();
  });
});

describe('limits', () => {
  test('what a client asked before the end is answered before the end', async () => {
    const server = await start([], { limits: { maxBadMessages: 1 } });
    const client = await connect(server);
    // More in one piece than the server hands to a socket at once.
    const { _socket: tcp } = client.socket as unknown as { _socket: { cork(): void; uncork(): void } };
    tcp.cork();
    for (let i = 0; i < 15; i++) client.send({ type: 'ping', id: String(i) });
    client.sendRaw('{');
    tcp.uncork();
    expect(await client.closing()).toMatchObject({ code: 4400 });
    expect(client.of('pong').map(({ id }) => id)).toEqual(Array.from({ length: 15 }, (_, i) => String(i)));
  });

  test('a message over the limit closes with 1009', async () => {
    const server = await start([]);
    const client = await connect(server);
    client.sendRaw(`"${'x'.repeat(16 * 1024)}"`);
    expect(await client.closing()).toMatchObject({ code: 1009 });
  });

  test('one client too many is closed with 1013, and its place is free again later', async () => {
    const server = await start([], { limits: { maxClients: 2 } });
    const first = await connect(server);
    await connect(server);
    expect(await new TestClient(server.wsUrl).closing()).toMatchObject({ code: 1013 });
    await first.close();
    await connect(server);
  });

  test('one subscription too many is refused as a whole', async () => {
    const streams = ['a', 'b', 'c'].map((name) => fakeStream(name));
    const server = await start(streams, { limits: { maxSubscriptions: 2 } });
    const client = await connect(server);
    client.send({ type: 'subscribe', id: '3', streams: ['a', 'b', 'c'] });
    expect(await client.next('error')).toMatchObject({ id: '3', code: 'ERR_PROTOCOL_LIMIT' });
    expect((await client.subscribe({ streams: ['a', 'b'] }))['subscriptions']).toHaveLength(2);
  });

  test('a stream that is not there is named, with those that are', async () => {
    const server = await start([fakeStream('yard')]);
    const client = await connect(server);
    client.send({ type: 'subscribe', id: 'x', streams: ['yard', 'moon'] });
    expect(await client.next('error')).toEqual({ type: 'error', id: 'x', code: 'ERR_NOT_FOUND', message: 'There is no stream "moon".', fix: 'There are: yard.' });
  });

  test('a bad message is answered, too many close with 4400', async () => {
    const server = await start([], { limits: { maxBadMessages: 3 } });
    const client = await connect(server);
    client.sendRaw('{');
    expect(await client.next('error')).toMatchObject({ code: 'ERR_PROTOCOL_MESSAGE' });
    client.sendRaw('{"type":"hello"}');
    expect(await client.next('error')).toMatchObject({ code: 'ERR_PROTOCOL_MESSAGE' });
    client.sendRaw(Buffer.from('{"type":"ping"}'), true);
    expect(await client.closing()).toMatchObject({ code: 4400 });
  });

  test('too many messages a second are errors, and then the end', async () => {
    const server = await start([], { limits: { maxMessagesPerSecond: 5, maxBadMessages: 4 } });
    const client = await connect(server);
    for (let i = 0; i < 20; i++) client.send({ type: 'ping' });
    expect(await client.closing()).toMatchObject({ code: 4400 });
    expect(client.of('pong').length).toBeGreaterThanOrEqual(10);
    expect(client.of('error').map(({ code }) => code)).toEqual(Array(3).fill('ERR_PROTOCOL_LIMIT'));
  });
});

describe('who may come in', () => {
  const token = 'a-token-of-some-length';

  test('with the token in the header, at once', async () => {
    const server = await start([], { token });
    const client = await TestClient.open(server.wsUrl, [], { headers: { authorization: `Bearer ${token}` } });
    expect(client.of('auth_required')).toEqual([]);
    await client.close();
  });

  test('with the token as first message, and nothing is told before', async () => {
    const stream = fakeStream('secret-yard');
    const server = await start([stream], { token });
    const client = new TestClient(server.wsUrl);
    expect(await client.next('auth_required')).toEqual({ type: 'auth_required', within_ms: 5000 });
    deliver(server, stream, 0);
    client.send({ type: 'auth', token });
    await client.next('hello');
    expect(client.received.map(({ type }) => type)).toEqual(['auth_required', 'hello']);
    await client.close();
  });

  test.each([
    ['a wrong token as first message', { type: 'auth' as const, token: 'wrong' }],
    ['another message first', { type: 'subscribe' as const, streams: ['*'] }],
  ])('not with %s', async (_, message) => {
    const server = await start([], { token });
    const client = new TestClient(server.wsUrl);
    await client.next('auth_required');
    client.send(message);
    expect(await client.closing()).toMatchObject({ code: 1008 });
    expect(client.received).toHaveLength(1);
  });

  test('not without a token in time', async () => {
    const server = await start([], { token, limits: { authTimeoutMs: 30 } });
    expect(await new TestClient(server.wsUrl).closing()).toMatchObject({ code: 1008 });
  });

  const table: [string, string[], Record<string, string>, Partial<ServerOptions>, number, string][] = [
    ['a wrong token in the header', [], { authorization: 'Bearer wrong' }, { token }, 401, 'ERR_AUTH_REQUIRED'],
    ['another scheme', [], { authorization: `Basic ${token}` }, { token }, 401, 'ERR_AUTH_REQUIRED'],
    ['a page of another host', [], { origin: 'https://evil.example' }, {}, 403, 'ERR_ORIGIN_FORBIDDEN'],
    ['a page without an origin of its own', [], { origin: 'null' }, {}, 403, 'ERR_ORIGIN_FORBIDDEN'],
    ['a host name that was made to point here', [], { origin: 'http://evil.example', host: 'evil.example' }, {}, 403, 'ERR_ORIGIN_FORBIDDEN'],
    ['unknown subprotocols only', ['lynceus.v2.json', 'mqtt'], {}, {}, 400, 'ERR_PROTOCOL_VERSION'],
  ];
  test.each(table)('not %s', async (_, protocols, headers, options, status, code) => {
    const server = await start([], options);
    expect(await refusedHandshake(server.wsUrl, protocols, { headers })).toMatchObject({ status, contentType: 'application/problem+json', body: { status, code } });
    expect(await (await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()).toContain(`lynceus_ws_refused_total{code="${code}"} 1`);
  });

  test('not at another path', async () => {
    const server = await start([]);
    expect(await refusedHandshake(server.wsUrl.replace('/ws/v1', '/ws/v2'))).toMatchObject({ status: 404, body: { code: 'ERR_NOT_FOUND' } });
  });

  test.each([
    ['its own page', (server: LynceusServer) => server.url, {}],
    ['a listed page', () => 'https://wall.example', { allowedOrigins: ['https://wall.example'] }],
    ['any page where any is allowed', () => 'https://some.example', { allowedOrigins: ['*'] }],
  ])('%s', async (_, origin, options) => {
    const server = await start([], options);
    await (await TestClient.open(server.wsUrl, [], { headers: { origin: origin(server) } })).close();
  });
});

describe('hostile bytes', () => {
  test('in messages: the client is answered or closed, and others are served', async () => {
    const stream = fakeStream('yard');
    const server = await start([stream], { limits: { maxBadMessages: 4 } });
    const healthy = await connect(server);
    await healthy.subscribe();
    let seq = 0;
    const payload = fc.oneof(fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)), fc.json(), fc.record({ type: fc.constantFrom('subscribe', 'unsubscribe', 'ping', 'auth'), id: fc.anything(), streams: fc.anything(), max_rate: fc.anything() }).map((message) => JSON.stringify(message)));
    await fc.assert(
      fc.asyncProperty(fc.array(payload, { minLength: 1, maxLength: 6 }), async (payloads) => {
        const client = await TestClient.open(server.wsUrl);
        for (const data of payloads) client.sendRaw(data);
        client.send({ type: 'ping', id: 'still-here' });
        await client.until(() => client.closed ?? client.of('pong').find(({ id }) => id === 'still-here'), 'an answer or the end');
        if (client.closed) expect([4400, 1009, 1007]).toContain(client.closed.code);
        await client.close();
        deliver(server, stream, ++seq);
        expect(await healthy.next('frame')).toMatchObject({ seq });
      }),
      { numRuns: 60 },
    );
  });

  test('instead of WebSocket frames or of a handshake: the connection ends, and others are served', async () => {
    const server = await start([]);
    const { hostname, port } = new URL(server.url);
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 300 }), async (afterHandshake, bytes) => {
        const socket = createConnection({ host: hostname, port: Number(port) });
        socket.on('error', () => undefined);
        socket.resume();
        await once(socket, 'connect');
        if (afterHandshake) socket.write(`GET /ws/v1 HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`);
        socket.end(Buffer.from(bytes));
        await once(socket, 'close');
      }),
      { numRuns: 60 },
    );
    await connect(server);
    expect(await metric(server, 'lynceus_ws_clients')).toBe(1);
  });
});

describe('the end', () => {
  test('what waits is still sent, then everybody is told with 1001, and the port is free', async () => {
    const stream = fakeStream('yard');
    const server = await start([stream]);
    const client = await connect(server);
    await client.subscribe({ streams: ['*'], policy: 'all' });
    for (let seq = 0; seq < 300; seq++) deliver(server, stream, seq);
    await server.close();
    expect(await client.closing()).toMatchObject({ code: 1001 });
    expect(client.of('frame')).toHaveLength(300);
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
    deliver(server, stream, 300);
  });

  test('is not delayed by a client that does not read', async () => {
    const stream = fakeStream('yard');
    const server = await start([stream], { limits: { closeGraceMs: 100 } });
    await stall(server, 'latest');
    await deliverUntil(server, stream, async () => (await metric(server, 'lynceus_ws_messages_dropped_total{reason="replaced_by_newer"}')) > 0, 100, 20_000);
    await server.close();
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
  });
});
