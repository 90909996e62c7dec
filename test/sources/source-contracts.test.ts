import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { createFileSource } from '../../src/sources/file-source.js';
import { createNetworkSource } from '../../src/sources/network-source.js';
import { describeSource } from '../contract/source.contract.js';
import { type RtspFixture, startRtspServer } from '../fixtures/rtsp/rtsp-server.js';
import { clip } from './clips.js';

const folder = mkdtempSync(join(tmpdir(), 'lynceus-contract-'));
let mp4: string;
let cutMkv: string;
let camera: RtspFixture;

beforeAll(async () => {
  mp4 = await clip({ kind: 'mp4', frames: 40 });
  const whole = readFileSync(await clip({ kind: 'mkv', frames: 40 }));
  cutMkv = join(folder, 'cut.mkv');
  writeFileSync(cutMkv, whole.subarray(0, Math.floor(whole.length * 0.6)));
  camera = await startRtspServer({ width: 320, height: 240 });
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await camera.close();
});

describeSource('a video file', ({ pool, format }) => createFileSource({ name: 'clip', path: mp4, pool, format }), {
  delivery: 'lossless',
  frames: 40,
  failing: { factory: ({ pool, format }) => createFileSource({ name: 'cut', path: cutMkv, pool, format }), code: 'ERR_SOURCE_TRUNCATED', atLeastFrames: 10 },
});

describeSource(
  'a file that plays a camera',
  ({ pool, format }) => createFileSource({ name: 'clip', path: mp4, pool, format, realtime: true, loop: true, delivery: 'live' }),
  { delivery: 'live', frames: 12 },
);

describeSource('an RTSP camera', ({ pool, format }) => createNetworkSource({ name: 'camera', url: camera.url, pool, format }), { delivery: 'live', frames: 12 });

describeSource('an RTSP camera over UDP', ({ pool, format }) => createNetworkSource({ name: 'camera', url: camera.url, transport: 'udp', pool, format }), {
  delivery: 'live',
  frames: 12,
});
