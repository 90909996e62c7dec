import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, test, vi } from 'vitest';
import { ffmpegChildren } from '../../src/sources/ffmpeg.js';
import type { NetworkSourceOptions } from '../../src/sources/network-source.js';
import { ffmpegPath } from '../fixtures/ffmpeg-cache.js';
import { CameraStory } from './camera-story.js';
import { clip } from './clips.js';

const run = promisify(execFile);
const FRAMES = 50;

let folder: string;
let mp4: Buffer;
let jpegs: Buffer[];
let server: Server | undefined;
const stories: CameraStory[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lynceus-http-'));
  const path = await clip({ kind: 'mp4', frames: FRAMES, outputOptions: ['-movflags', '+faststart', '-g', '25'] });
  mp4 = readFileSync(path);
  await run(ffmpegPath(), ['-v', 'error', '-i', path, '-c', 'copy', '-hls_time', '1', '-hls_list_size', '0', join(folder, 'live.m3u8')]);
  await run(ffmpegPath(), ['-v', 'error', '-i', path, '-frames:v', '20', '-q:v', '5', join(folder, '%d.jpg')]);
  jpegs = Array.from({ length: 20 }, (_, i) => readFileSync(join(folder, `${i + 1}.jpg`)));
});

afterEach(async () => {
  for (const story of stories) story.stop();
  server?.closeAllConnections();
  server?.close();
  await Promise.all(ffmpegChildren().map(({ exited }) => exited));
  for (const { pool } of stories.splice(0)) expect(pool.inUse).toBe(0);
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('a recording on an HTTP server', () => {
  it('is read once and completely, where it is to be lossless', async () => {
    const story = await watch(sendFile(mp4), { lossless: true });
    await vi.waitFor(() => expect(story.completed).toBe(true), { timeout: 15_000 });
    expect(story.frames.map(({ ptsUs }) => ptsUs)).toEqual(Array.from({ length: FRAMES }, (_, i) => i * 40_000));
    expect(story.states).toEqual(['connecting', 'running', 'ended']);
    expect(story.source.delivery).toBe('lossless');
  });

  it('is an error where it is cut', async () => {
    const story = await watch(sendFile(mp4.subarray(0, Math.floor(mp4.length * 0.7))), { lossless: true });
    await vi.waitFor(() => expect(story.error).toMatchObject({ code: 'ERR_SOURCE_TRUNCATED' }), { timeout: 15_000 });
    expect(story.frames.length).toBeGreaterThan(5);
    expect(story.states.at(-1)).toBe('failed');
  });

  it('is played like a camera otherwise: in its own time, and again when it ends', async () => {
    const story = await watch(sendFile(mp4));
    expect(await story.until('reconnecting')).toMatchObject({ code: 'ERR_SOURCE_ENDED' });
    expect(story.frames).toHaveLength(FRAMES);
    const [first] = story.frames;
    for (const { firstByteMs, ptsUs } of story.frames) expect(firstByteMs - first!.firstByteMs).toBeGreaterThan(ptsUs / 1e3 - 2);
    await story.moreFrames(3);
    expect(story.frames.map(({ sequence }) => sequence)).toEqual(Array.from({ length: FRAMES + 3 }, (_, i) => i));
  });
});

describe('a server that does not serve', () => {
  test.each<[number, string, string]>([
    [401, 'Unauthorized', 'ERR_SOURCE_AUTH'],
    [403, 'Forbidden', 'ERR_SOURCE_AUTH'],
    [404, 'Not Found', 'ERR_SOURCE_NOT_FOUND'],
    [503, 'Service Unavailable', 'ERR_SOURCE_REFUSED'],
  ])('has a code for each answer: %i %s', async (status, _, code) => {
    const story = await watch((_request, response) => response.writeHead(status).end());
    expect(await story.until('reconnecting')).toMatchObject({ code });
  });

  it('may send a page instead of a video', async () => {
    const story = await watch((_request, response) => response.end('<html>Log in first</html>'.repeat(50)));
    expect(await story.until('reconnecting')).toMatchObject({ code: 'ERR_SOURCE_FORMAT' });
  });

  it('never gets its password or token repeated in what we tell', async () => {
    const story = await watch((_request, response) => response.writeHead(404).end(), {}, 'viewer:t0p-secret@', '?access_token=abcdef123&quality=high');
    await story.until('reconnecting');
    const told = JSON.stringify([story.events, story.source.location]);
    expect(told).not.toMatch(/t0p-secret|viewer|abcdef123/);
    expect(story.source.location).toContain('quality=high');
  });
});

describe('HLS', () => {
  it('is paced, though its segments come at once', async () => {
    const story = await watch((request, response) => response.end(readFileSync(join(folder, basename(request.url!)))), {}, '', '', 'live.m3u8');
    await story.moreFrames(30);
    const [first] = story.frames;
    for (const { firstByteMs, ptsUs } of story.frames) expect(firstByteMs - first!.firstByteMs).toBeGreaterThan((ptsUs - first!.ptsUs) / 1e3 - 2);
    expect(story.dropped).toEqual({});
  });
});

describe('motion JPEG', () => {
  it('has no time stamps, so arrival counts: frames at 10 a second are not taken for 25', async () => {
    let sent = 0;
    const story = await watch((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'multipart/x-mixed-replace; boundary=frame' });
      const timer = setInterval(() => sendPart(response, jpegs[(sent += 1) % jpegs.length]!), 100);
      response.on('close', () => clearInterval(timer));
    });
    await story.moreFrames(20);
    const span = (pick: (index: number) => number): number => pick(19) - pick(5);
    const ptsMs = span((i) => story.frames[i]!.ptsUs / 1e3);
    const arrivalMs = span((i) => story.frames[i]!.firstByteMs);
    expect(Math.abs(ptsMs - arrivalMs)).toBeLessThan(2);
    expect(story.frames[10]!.capture.clock).toBe('host');
  });
});

async function watch(listener: RequestListener, options: Partial<NetworkSourceOptions> = {}, user = '', query = '', path = 'stream'): Promise<CameraStory> {
  server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const story = new CameraStory({ url: `http://${user}127.0.0.1:${port}/${path}${query}`, ...options });
  stories.push(story);
  return story;
}

/** Serves a file as any web server does, with ranges. */
function sendFile(file: Buffer): RequestListener {
  return (request, response) => {
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const headers = { 'Content-Type': 'video/mp4', 'Accept-Ranges': 'bytes', 'Content-Length': file.length - from };
    if (request.headers.range) response.writeHead(206, { ...headers, 'Content-Range': `bytes ${from}-${file.length - 1}/${file.length}` });
    else response.writeHead(200, headers);
    response.end(file.subarray(from));
  };
}

function sendPart(response: ServerResponse, jpeg: Buffer): void {
  response.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
  response.write(jpeg);
  response.write('\r\n');
}
