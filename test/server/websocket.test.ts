import { afterEach, describe, expect, test } from 'vitest';
import { helloMessage, frameMessage, statsMessage, eventMessage, subscribedMessage } from '../../src/protocol/index.js';
import type { LynceusServer, ServerOptions } from '../../src/server/server.js';
import { deliver, fakeStream, startTestServer, type FakeStream } from './fixture.js';
import { TestClient } from './ws-test-client.js';

const open: { close(): Promise<void> }[] = [];
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

describe('a client', () => {
  test('is greeted, subscribes, learns the state and gets frames', async () => {
    const stream = fakeStream('front-door');
    const server = await start([stream]);
    const client = await connect(server);
    const hello = helloMessage.parse(client.of('hello')[0]);
    expect(hello).toMatchObject({ protocol: 1, server: { name: 'lynceus', version: '0.0.0-test' }, streams: [{ name: 'front-door', state: 'running', labels: ['person', 'bicycle', 'car', 'dog'] }] });
    expect(subscribedMessage.parse(await client.subscribe({ id: 'a', streams: ['front-door'] }))).toMatchObject({ id: 'a', subscriptions: [{ stream: 'front-door', policy: 'latest', max_rate: null, preview: false }] });
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
        { stage: 'detect', queue_ms: 0.5, service_ms: 9, worker: 'yolo-0', event_loop_delay_ms: 0.123, gc_ms: 0 },
      ],
      end_to_end_ms: 10.5,
      dropped_since_last: { 'detect:replaced_by_newer': 3 },
    });
    expect(stream.pool.inUse).toBe(0);
  });
});
