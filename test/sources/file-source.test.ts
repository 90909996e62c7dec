import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, take, tap, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { AppError } from '../../src/core/errors.js';
import { type Frame, frameBytes } from '../../src/core/frame.js';
import { FramePool } from '../../src/core/frame-pool.js';
import { ffmpegChildren } from '../../src/sources/ffmpeg.js';
import { createFileSource, type FileSourceOptions } from '../../src/sources/file-source.js';
import { clip, type ClipOptions } from './clips.js';
import { formatOf } from './decoding.js';

const FORMAT = formatOf(64, 48);
const folder = mkdtempSync(join(tmpdir(), 'lynceus-file-source-'));
let mp4: string;

beforeAll(async () => {
  mp4 = await clip({ kind: 'mp4', frames: 40 });
});

afterAll(async () => {
  await Promise.all(ffmpegChildren().map(({ exited }) => exited));
  rmSync(folder, { recursive: true });
});

describe('what a file says of itself', () => {
  it('tells the number of frames before the first one, where its index holds it', async () => {
    expect((await open({ path: mp4 })).frameCount).toBe(40);
    expect((await open({ path: await clip({ kind: 'mkv', frames: 40 }) })).frameCount).toBeUndefined();
    expect((await open({ path: mp4, loop: true })).frameCount).toBeUndefined();
  });

  it('takes capture time from the creation time and the presentation time, to a second', async () => {
    const path = await clip({ kind: 'mp4', frames: 5, outputOptions: ['-metadata', 'creation_time=2024-02-29T12:00:00Z'] });
    const captures = (await play({ path })).map(({ capture }) => capture);
    const noon = Date.UTC(2024, 1, 29, 12);
    expect(captures.map(({ epochMs }) => epochMs)).toEqual([0, 40, 80, 120, 160].map((ms) => noon + ms));
    expect(captures[0]).toMatchObject({ clock: 'container_pts', uncertaintyMs: 1000 });
  });

  it('claims no capture time where there is none', async () => {
    const [frame] = await play({ path: mp4 });
    expect(frame!.capture).toEqual({ clock: 'container_pts', epochMs: undefined, uncertaintyMs: undefined });
  });
});

describe('pace', () => {
  it('keeps to presentation times in real time', async () => {
    const frames = await play({ path: mp4, realtime: true }, 13);
    const [first] = frames;
    // A frame is never early (but for the millisecond of a timer); how late it may be is the machine's affair.
    for (const { ptsUs, firstByteMs } of frames) expect(firstByteMs - first!.firstByteMs).toBeGreaterThan(ptsUs / 1e3 - 2);
    expect(frames.at(-1)!.ptsUs).toBe(480_000);
  });

  test.each(['mp4', 'avi', 'mkv', 'ts'] as const)('starts again at the end, with numbers and times that go on: %s', async (kind) => {
    const path = await clip({ kind, frames: 10 });
    const frames = await play({ path, loop: true }, 25);
    expect(frames.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 25 }, (_, i) => i));
    const steps = frames.slice(1).map(({ ptsUs }, i) => ptsUs - frames[i]!.ptsUs);
    expect(Math.min(...steps)).toBeGreaterThan(0);
    expect(Math.max(...steps)).toBeLessThanOrEqual(120_000);
  });
});

describe('files that are not in order', () => {
  test.each<[string, () => string | Promise<string>, string]>([
    ['missing', () => join(folder, 'none.mp4'), 'ERR_FILE_NOT_FOUND'],
    ['a folder', () => made('folder', (path) => mkdirSync(path)), 'ERR_SOURCE_FORMAT'],
    ['empty', () => made('empty.mp4', (path) => writeFileSync(path, '')), 'ERR_SOURCE_FORMAT'],
    ['text with the name of a video', () => made('text.mp4', (path) => writeFileSync(path, 'not a video\n'.repeat(300))), 'ERR_SOURCE_FORMAT'],
    ['sound only', () => made('sound.wav', (path) => writeFileSync(path, silence())), 'ERR_SOURCE_FORMAT'],
    ['an MP4 whose index is cut off', () => cut({ kind: 'mp4', frames: 40 }, 0.5), 'ERR_SOURCE_TRUNCATED'],
  ])('are refused before anything runs: %s', async (_, make, code) => {
    const error = await open({ path: await make() }).catch((thrown: unknown) => thrown as AppError);
    expect(error).toMatchObject({ code });
    expect((error as AppError).fix).toBeTruthy();
  });

  test.each<[string, ClipOptions, number]>([
    ['MP4 with its index in front', { kind: 'mp4', frames: 40, outputOptions: ['-movflags', '+faststart'] }, 0.6],
    ['AVI', { kind: 'avi', frames: 40 }, 0.6],
    ['Matroska', { kind: 'mkv', frames: 40 }, 0.6],
    ['transport stream, cut within a packet', { kind: 'ts', frames: 40 }, 0.6],
  ])('give their frames and then say that they are cut: %s', async (_, options, share) => {
    const source = await open({ path: await cut(options, share) });
    const states: string[] = [];
    source.events$.subscribe(({ state, code }) => states.push(code ?? state));
    let frames = 0;
    const count = (frame: Frame): void => {
      frames += 1;
      frame.release();
    };
    const ending = lastValueFrom(source.frames$.pipe(tap(count)));
    await expect(ending).rejects.toMatchObject({ code: 'ERR_SOURCE_TRUNCATED' });
    expect(frames).toBeGreaterThan(5);
    expect(frames).toBeLessThan(40);
    expect(states).toEqual(['connecting', 'running', 'ERR_SOURCE_TRUNCATED']);
  });

  it('are in order where only the index behind the last frame is cut off', async () => {
    const whole = readFileSync(await clip({ kind: 'avi', frames: 40 }));
    const path = made('without-index.avi', (to) => writeFileSync(to, whole.subarray(0, whole.lastIndexOf('idx1'))));
    expect(await play({ path })).toHaveLength(40);
  });
});

type Options = Omit<FileSourceOptions, 'name' | 'format' | 'pool'>;

function open(options: Options): ReturnType<typeof createFileSource> {
  return createFileSource({ name: 'clip', format: FORMAT, pool: new FramePool(3, frameBytes(FORMAT)), ...options });
}

/** All frames, or the first `count`, released at once. */
async function play(options: Options, count = Infinity): Promise<Frame[]> {
  const { frames$ } = await open(options);
  return lastValueFrom(
    frames$.pipe(
      tap((frame) => frame.release()),
      take(count),
      toArray(),
    ),
  );
}

function made(name: string, make: (path: string) => void): string {
  const path = join(folder, name);
  make(path);
  return path;
}

async function cut(options: ClipOptions, share: number): Promise<string> {
  const whole = readFileSync(await clip(options));
  // An odd length: a transport stream has packets of 188 bytes.
  const length = Math.floor(whole.length * share) | 1;
  return made(`cut-${length}.${options.kind}`, (path) => writeFileSync(path, whole.subarray(0, length)));
}

/** A tenth of a second of 8-bit sound at 8 kHz. */
function silence(): Buffer {
  const header = Buffer.from('524946464c03000057415645666d7420100000000100010040190000401900000100080064617461280300', 'hex');
  return Buffer.concat([header, Buffer.alloc(1 + 808, 0x80)]);
}
