import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ServerMessage } from '../../src/protocol/messages.js';
import { parseNdjson, startCli, tinyModelFolder } from '../fixtures/cli.js';
import { makeClip, sharedFixture } from '../fixtures/index.js';
import { type GstRtsp, gstMissing, startGstRtsp } from '../fixtures/rtsp/gst.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const home = tempFolder();
const model = tinyModelFolder(home);
const missing = await gstMissing();
const PASSWORD = 'tr0ub4dor-and-3';

/** A camera of others: GStreamer's server, digest authentication, H.264. */
describe.skipIf(missing)(`a camera that we did not write${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let camera: GstRtsp | undefined;

  beforeAll(async () => {
    camera = await startGstRtsp({ file: sharedFixture('vtest') ?? (await makeClip({ frames: 200 })), fps: 25, user: 'operator', password: PASSWORD });
  });
  afterAll(() => camera?.close());

  test.each(['tcp', 'udp'] as const)('over %s: frames reach a subscriber, and the password reaches nobody', async (transport) => {
    const out = join(home, `${transport}.ndjson`);
    const cli = startCli(['run', camera!.url, '--transport', transport, '--model', model, '--port', '0', '--out', out], home, { LYNCEUS_LOG_LEVEL: 'debug' });
    const [, url] = await cli.said(/websocket\s+(ws:\S+)/);
    const heard: string[] = [];
    const socket = new WebSocket(url!, ['lynceus.v1.json']);
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (data: Buffer) => {
        heard.push(data.toString());
        const message = JSON.parse(data.toString()) as ServerMessage;
        if (message.type === 'hello') socket.send(JSON.stringify({ type: 'subscribe', streams: ['*'] }));
        if (heard.filter((text) => text.startsWith('{"type":"frame"')).length >= 20) resolve();
      });
    });
    const http = url!.replace(/^ws/, 'http').replace(/\/ws.*$/, '');
    const pages = await Promise.all(['/metrics', '/api/v1/streams', '/api/v1/graph', '/readyz'].map(async (path) => (await fetch(http + path)).text()));
    cli.child.kill('SIGTERM');
    const { status, stdout, stderr } = await cli.finished;
    expect(status).toBe(0);
    const frames = parseNdjson(readFileSync(out, 'utf8')).filter(({ type }) => type === 'frame') as { time: { capture: string | null; capture_clock: string; uncertainty_ms: number | null } }[];
    expect(frames.length).toBeGreaterThanOrEqual(20);
    for (const { time } of frames) {
      expect(['rtp_arrival', 'rtcp_sr']).toContain(time.capture_clock);
      expect(Math.abs(Date.parse(time.capture!) - Date.now())).toBeLessThan(60_000);
    }
    for (const text of [...heard, ...pages, stdout, stderr, readFileSync(out, 'utf8')]) expect(text).not.toContain(PASSWORD);
  });

  test('killed without warning, it leaves no ffmpeg behind', async () => {
    const cli = startCli(['run', camera!.url, '--model', model, '--no-server'], home);
    await cli.said(/"state":"running"/);
    const children = childrenOf(cli.child.pid!);
    expect(children).not.toEqual([]);
    cli.child.kill('SIGKILL');
    await cli.finished;
    // The children meet a closed socket at their next frame.
    while (children.some(isAlive)) await delay(50);
  });
});

test('a camera that refuses is asked again and again, by a stable code', async () => {
  const cli = startCli(['run', 'rtsp://operator:secret-word@127.0.0.1:9/nothing', '--model', model, '--no-server'], home);
  await cli.said(/"state":"reconnecting".*"code":"ERR_SOURCE_REFUSED"[^]*"state":"reconnecting".*"code":"ERR_SOURCE_REFUSED"/);
  cli.child.kill('SIGTERM');
  const { status, stderr } = await cli.finished;
  expect(status).toBe(0);
  expect(stderr).not.toContain('secret-word');
});

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
