import { afterAll, beforeAll } from 'vitest';
import { createNetworkSource } from '../../src/sources/network-source.js';
import { describeSource } from '../contract/source.contract.js';
import { type RtspFixture, startRtspServer } from '../fixtures/rtsp/rtsp-server.js';

let camera: RtspFixture;

beforeAll(async () => {
  camera = await startRtspServer({ width: 320, height: 240 });
});

afterAll(() => camera.close());

describeSource('an RTSP camera', ({ pool, format }) => createNetworkSource({ name: 'camera', url: camera.url, pool, format }), { delivery: 'live', frames: 20 });
describeSource('an RTSP camera over UDP', ({ pool, format }) => createNetworkSource({ name: 'camera', url: camera.url, transport: 'udp', pool, format }), {
  delivery: 'live',
  frames: 20,
});
