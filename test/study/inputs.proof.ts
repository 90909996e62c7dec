import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { tinyModelFolder } from '../fixtures/cli.js';
import { makeClip } from '../fixtures/index.js';
import { gstMissing, startGstRtsp } from '../fixtures/rtsp/gst.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { levelsOf, studyInput } from './study-inputs.js';

const folder = tempFolder();
const TIMEOUT_MS = 180_000;

/** JPEG pictures that differ. */
async function pictures(count: number): Promise<Buffer[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => sharp({ create: { width: 160, height: 120, channels: 3, background: { r: 40 * i, g: 90, b: 200 } } }).jpeg().toBuffer()));
}

async function serve(listener: RequestListener): Promise<{ readonly url: string; close(): void }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/video`, close };
}

describe('a study of every kind of input', () => {
  test('RTSP of a server that we did not write, over TCP and UDP, and through a link that loses packets', async (context) => {
    const missing = await gstMissing();
    if (missing !== undefined) context.skip(missing);
    const camera = (await startGstRtsp({ file: await makeClip({ frames: 50 }) }))!;
    try {
      const model = ['--model', tinyModelFolder(folder)];
      expect(levelsOf(await studyInput(camera.url, 'io', folder, model), 'io')).toEqual([{ transport: 'tcp' }, { transport: 'udp' }]);
      const lossy = await studyInput(camera.url, 'io', folder, [...model, '--inject', 'link:loss:2%']);
      expect(lossy).toMatchObject({ with: { latency_ms: { n: expect.any(Number) as number } } });
    } finally {
      await camera.close();
    }
  }, TIMEOUT_MS);

  test('a file: over HTTP and as a folder of pictures', async () => {
    const study = await studyInput(await makeClip({ frames: 50 }), 'io.source', folder, ['--model', tinyModelFolder(folder)]);
    expect(levelsOf(study, 'io')).toEqual([{ source: 'file' }, { source: 'folder' }, { source: 'http' }]);
  }, TIMEOUT_MS);

  test('a folder of pictures: smaller ones, and as fast as they can be read', async () => {
    const own = join(folder, 'pictures');
    mkdirSync(own);
    for (const [i, jpeg] of (await pictures(6)).entries()) writeFileSync(join(own, `${i}.jpg`), jpeg);
    const study = await studyInput(own, 'io,data.size', folder, ['--model', tinyModelFolder(folder)]);
    expect(levelsOf(study, 'io')).toEqual([{ pace: 'as fast as possible' }, { pace: 'real time' }]);
    expect(levelsOf(study, 'data')).toEqual([{ size: 'full' }, { size: 'half' }, { size: 'quarter' }]);
  }, TIMEOUT_MS);

  test('a recording on a web server', async () => {
    // Matroska can be read without going back and forth, which this server doesn't do.
    const clip = readFileSync(await makeClip({ frames: 200, container: 'mkv' }));
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'video/x-matroska', 'content-length': clip.length });
      response.end(clip);
    });
    try {
      const study = await studyInput(server.url, 'end-to-end', folder, ['--model', tinyModelFolder(folder)]);
      expect(levelsOf(study, 'end-to-end')).toEqual([{ subscribers: '1' }, { subscribers: '4' }, { subscribers: '16' }]);
    } finally {
      server.close();
    }
  }, TIMEOUT_MS);

  test('motion JPEG, which has no times of its own', async () => {
    const jpegs = await pictures(5);
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=frame' });
      let sent = 0;
      const timer = setInterval(() => {
        const jpeg = jpegs[(sent += 1) % jpegs.length]!;
        response.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
        response.write(jpeg);
        response.write('\r\n');
      }, 100);
      response.on('close', () => clearInterval(timer));
    });
    try {
      const study = await studyInput(server.url, 'io,data.patch', folder, ['--model', tinyModelFolder(folder)]);
      expect(levelsOf(study, 'data')).toEqual([{ patch: 'noise' }, { patch: 'none' }]);
      expect(study.notes).toContain('io.source: an HTTP source can be read in one way only');
    } finally {
      server.close();
    }
  }, TIMEOUT_MS);
});
