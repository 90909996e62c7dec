import { once } from 'node:events';
import { WebSocketServer, type WebSocket as ServerSocket } from 'ws';
import { afterEach, describe, expect, test } from 'vitest';
import { connect, ConnectionError, type ConnectionState, type ConnectOptions, type FrameField, type LynceusClient, type PartialFrameMessage } from '../../src/client/index.js';
import type { LynceusServer, ServerOptions } from '../../src/server/server.js';
import { deliver, fakeStream, startTestServer, type FakeStream } from '../server/fixture.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function start(streams: FakeStream[], options: Partial<ServerOptions> = {}): Promise<LynceusServer> {
  const server = await startTestServer(streams, options);
  open.push(server);
  return server;
}

/** Callbacks of a client as promises: each `next` is the next call, in order. */
class Recorder<T> {
  readonly all: T[] = [];
  readonly #waiting: (() => void)[] = [];
  #given = 0;

  readonly record = (item: T): void => {
    this.all.push(item);
    for (const wake of this.#waiting.splice(0)) wake();
  };

  async next(isWanted: (item: T) => boolean = () => true): Promise<T> {
    for (;;) {
      while (this.#given < this.all.length) {
        const item = this.all[this.#given++]!;
        if (isWanted(item)) return item;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

function client<F extends FrameField = FrameField>(url: string, options: ConnectOptions<F> = {}) {
  const states = new Recorder<ConnectionState>();
  const frames = new Recorder<PartialFrameMessage<F>>();
  const made: LynceusClient<F> = connect<F>(url, { backoff: { initialMs: 10, maxMs: 40 }, onState: states.record, onFrame: frames.record, ...options });
  open.push(made);
  return { client: made, states, frames, becomes: (state: ConnectionState['state']) => states.next((now) => now.state === state) };
}

describe('a client', () => {
  test('connects by the address of the viewer, subscribes to everything and gets typed frames', async () => {
    const stream = fakeStream('yard');
    const server = await start([stream]);
    const subscribed = new Recorder<unknown>();
    const { frames, states, becomes } = client(server.url, { onSubscribed: subscribed.record });
    await becomes('open');
    await subscribed.next();
    deliver(server, stream, 5);
    const frame = await frames.next();
    expect(frame.detections.map(({ label }) => label)).toEqual(['person', 'bicycle']);
    expect(states.all.map(({ state }) => state)).toEqual(['connecting', 'open']);
  });

  test('passes on fields, rate, policy and names, and changes them while it runs', async () => {
    const server = await start([fakeStream('yard'), fakeStream('gate')]);
    const subscribed = new Recorder<unknown>();
    const errors = new Recorder<unknown>();
    const { client: running } = client(server.wsUrl, { streams: ['yard'], fields: ['detections'], maxRate: 5, policy: 'all', onSubscribed: subscribed.record, onError: errors.record });
    expect(await subscribed.next()).toEqual([{ stream: 'yard', fields: ['detections'], max_rate: 5, policy: 'all', preview: false, occupancy: false }]);
    running.subscribe({ streams: ['gate'], preview: true });
    expect(await subscribed.next()).toMatchObject([{ stream: 'yard' }, { stream: 'gate', preview: true, policy: 'latest' }]);
    running.unsubscribe(['*']);
    expect(await subscribed.next()).toEqual([]);
    running.subscribe({ streams: ['moon'] });
    expect(await errors.next()).toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  test('gets events, statistics and pictures', async () => {
    const stream = fakeStream('yard');
    const server = await start([stream]);
    const [events, stats, previews] = [new Recorder<unknown>(), new Recorder<unknown>(), new Recorder<{ seq: number; jpeg: Uint8Array }>()];
    client(server.wsUrl, { preview: true, onEvent: events.record, onStats: stats.record, onPreview: previews.record });
    expect(await events.next()).toMatchObject({ type: 'event', state: 'running' });
    expect(await stats.next()).toMatchObject({ type: 'stats', stream: 'yard' });
    deliver(server, stream, 9);
    const picture = await previews.next();
    expect(picture).toMatchObject({ type: 'preview', stream: 'yard', seq: 9, width: 64, height: 48 });
    expect([...picture.jpeg.subarray(0, 2)]).toEqual([0xff, 0xd8]);
  });

  test('is iterated, and the iteration ends with it', async () => {
    const stream = fakeStream('yard');
    const server = await start([stream]);
    const subscribed = new Recorder<unknown>();
    const { client: running } = client(server.wsUrl, { policy: 'all', onSubscribed: subscribed.record });
    await subscribed.next();
    const iterator = running[Symbol.asyncIterator]();
    for (let seq = 0; seq < 3; seq++) deliver(server, stream, seq);
    const seqs: number[] = [];
    for await (const { seq } of iterator) if (seqs.push(seq) === 3) break;
    expect(seqs).toEqual([0, 1, 2]);
    const ended = running[Symbol.asyncIterator]().next();
    await running.close();
    expect(await ended).toEqual({ done: true, value: undefined });
  });
});

describe('when the server goes away', () => {
  test('a client tries again until it is back, and subscribes again', async () => {
    const stream = fakeStream('yard');
    const first = await startTestServer([stream]);
    const { frames, becomes } = client(first.url, { streams: ['yard'] });
    await becomes('open');
    await first.close();
    expect(await becomes('waiting')).toMatchObject({ code: 1001, reason: 'the server stops' });
    await becomes('connecting');
    await becomes('waiting');
    await start([stream], { port: Number(new URL(first.url).port) });
    const second = open.at(-1) as LynceusServer;
    await becomes('open');
    // The subscription is on its way: frames come until one is seen.
    let seq = 0;
    const ticker = setInterval(() => deliver(second, stream, seq++), 5);
    expect(await frames.next()).toMatchObject({ stream: 'yard' });
    clearInterval(ticker);
  });

  test('before it was ever there, a client waits longer and longer, and close ends that', async () => {
    const gone = await startTestServer([]);
    await gone.close();
    const { client: waiting, states, becomes } = client(gone.wsUrl, { backoff: { initialMs: 8, maxMs: 64 } });
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      const state = await becomes('waiting');
      waits.push(state.state === 'waiting' ? state.retryInMs : 0);
    }
    waits.forEach((wait, i) => {
      const longest = Math.min(64, 8 * 2 ** (i + 1));
      expect(wait).toBeGreaterThanOrEqual(longest / 2);
      expect(wait).toBeLessThanOrEqual(longest);
    });
    await waiting.close();
    expect(states.all.at(-1)).toEqual({ state: 'closed' });
  });

  test('without a word, a client asks, and then connects anew', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    open.push({ close: () => server.close() });
    const said: string[] = [];
    server.on('connection', (socket: ServerSocket) => {
      socket.on('message', (data: Buffer) => said.push(data.toString()));
      open.push({ close: () => socket.terminate() });
    });
    const { becomes } = client(`ws://127.0.0.1:${(server.address() as { port: number }).port}/ws/v1`, { silenceMs: 40 });
    expect(await becomes('waiting')).toMatchObject({ code: 1006, reason: 'the server is silent' });
    expect(said).toContain('{"type":"ping"}');
    await becomes('connecting');
  });
});

describe('a token', () => {
  test('that is right lets a client in', async () => {
    const server = await start([], { token: 'a-long-token' });
    const { becomes } = client(server.wsUrl, { token: 'a-long-token' });
    await becomes('open');
  });

  test.each([
    ['that is missing', {}],
    ['that is wrong', { token: 'wrong' }],
  ])('%s ends the client for good, and its iteration throws', async (_, options) => {
    const server = await start([], { token: 'a-long-token' });
    const { client: refused, becomes } = client(server.wsUrl, options);
    const next = refused[Symbol.asyncIterator]().next();
    await expect(next).rejects.toBeInstanceOf(ConnectionError);
    await expect(next).rejects.toMatchObject({ code: 'ERR_AUTH_REQUIRED' });
    expect(await becomes('closed')).toMatchObject({ error: { code: 'ERR_AUTH_REQUIRED' } });
    await expect(refused[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'ERR_AUTH_REQUIRED' });
  });
});
