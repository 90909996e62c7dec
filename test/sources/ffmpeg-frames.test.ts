import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { lastValueFrom, Subject, takeUntil, tap } from 'rxjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it, test, vi } from 'vitest';
import type { AppError } from '../../src/core/errors.js';
import { frameBytes } from '../../src/core/frame.js';
import { FramePool, type PooledBuffer } from '../../src/core/frame-pool.js';
import { type FfmpegChild, ffmpegChildren } from '../../src/sources/ffmpeg.js';
import { type DecodedFrame, ffmpegFrames } from '../../src/sources/ffmpeg-frames.js';
import { clip } from './clips.js';
import { decode, formatOf } from './decoding.js';

const FORMAT = formatOf(320, 320);
const FRAMES = 60;

let file: string;
let folder: string;
let realTmp: string | undefined;

beforeAll(async () => {
  file = await clip({ kind: 'mp4', frames: FRAMES });
});

beforeEach(() => {
  realTmp = process.env['TMPDIR'];
  folder = mkdtempSync(join(tmpdir(), 'lynceus-frames-'));
  process.env['TMPDIR'] = folder;
});

afterEach(async () => {
  await Promise.all(ffmpegChildren().map(({ exited }) => exited));
  // Whatever happened in a test, no socket and no folder of it stays.
  expect(readdirSync(folder)).toEqual([]);
  if (realTmp === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = realTmp;
  rmSync(folder, { recursive: true });
});

describe('backpressure', () => {
  it('stops reading while the pool is empty, loses nothing, and goes on with each buffer that comes back', async () => {
    const pool = new FramePool(2, frameBytes(FORMAT));
    const held: PooledBuffer[] = [];
    const times: number[] = [];
    const twoHeld = new Subject<void>();
    const ended = lastValueFrom(
      ffmpegFrames({ input: `file:${file}`, location: 'clip', format: FORMAT, pool, delivery: 'lossless' }).pipe(
        tap(({ buffer, ptsUs }) => {
          times.push(ptsUs);
          held.push(buffer);
          if (times.length === 2) twoHeld.next();
        }),
      ),
    );
    await new Promise<void>((done) => twoHeld.subscribe(done));
    await untilIdle(ffmpegChildren()[0]!.pid!);
    expect(times).toHaveLength(2);
    const giveBack = setInterval(() => held.shift()?.free(), 1);
    await ended;
    clearInterval(giveBack);
    for (const buffer of held) buffer.free();
    expect(times).toEqual(Array.from({ length: FRAMES }, (_, i) => i * 40_000));
    expect(pool.inUse).toBe(0);
  });

  it('lets two sources share a pool, and the one that is stopped leaves its turn to the other', async () => {
    const pool = new FramePool(2, frameBytes(FORMAT));
    const stopFirst = new Subject<void>();
    const counts = [0, 0];
    const read = (which: 0 | 1): Promise<unknown> =>
      lastValueFrom(
        ffmpegFrames({ input: `file:${file}`, location: 'clip', format: FORMAT, pool, delivery: 'lossless' }).pipe(
          tap(({ buffer }) => {
            counts[which]! += 1;
            setTimeout(() => buffer.free(), 2);
            if (counts[0]! >= 10) stopFirst.next();
          }),
          takeUntil(which === 0 ? stopFirst : new Subject()),
        ),
        { defaultValue: undefined },
      );
    await Promise.all([read(0), read(1)]);
    expect(counts[0]).toBe(10);
    expect(counts[1]).toBe(FRAMES);
    await vi.waitFor(() => expect(pool.inUse).toBe(0));
  });

  it('reads live frames on into nowhere while the pool is empty, and counts them', async () => {
    const pool = new FramePool(2, frameBytes(FORMAT));
    const kept: DecodedFrame[] = [];
    let lost = 0;
    await lastValueFrom(
      ffmpegFrames({ input: `file:${file}`, location: 'clip', format: FORMAT, pool, delivery: 'live', onDropped: (_, count) => (lost += count) }).pipe(
        tap((frame) => kept.push(frame)),
      ),
    );
    expect(kept).toHaveLength(2);
    expect(lost).toBe(FRAMES - 2);
    for (const { buffer } of kept) buffer.free();
  });

  it('allocates no frame of its own while the pool suffices: pixels lie in the buffers of the pool', async () => {
    const pool = new FramePool(3, frameBytes(FORMAT));
    const slots = Array.from({ length: 3 }, () => pool.acquire()!);
    const known = new Set(slots.map(({ bytes }) => bytes.buffer));
    for (const slot of slots) slot.free();
    let foreign = 0;
    await lastValueFrom(
      ffmpegFrames({ input: `file:${file}`, location: 'clip', format: FORMAT, pool, delivery: 'lossless' }).pipe(
        tap(({ buffer }) => {
          if (!known.has(buffer.bytes.buffer)) foreign += 1;
          buffer.free();
        }),
      ),
    );
    expect(foreign).toBe(0);
  });
});

describe('the end of a process', () => {
  it('is an error with its signal where somebody kills it, and the half-read frame goes back', async () => {
    const pool = new FramePool(2, frameBytes(FORMAT));
    const ending = lastValueFrom(
      ffmpegFrames({ input: `file:${file}`, inputOptions: ['-stream_loop', '-1'], location: 'clip', format: FORMAT, pool, delivery: 'lossless' }).pipe(
        tap(({ buffer, ptsUs }) => {
          buffer.free();
          if (ptsUs === 400_000) process.kill(ffmpegChildren()[0]!.pid!, 'SIGKILL');
        }),
      ),
    );
    await expect(ending).rejects.toMatchObject({ code: 'ERR_FFMPEG_FAILED', message: expect.stringContaining('SIGKILL') as string });
    expect(pool.inUse).toBe(0);
  });

  it('comes by SIGKILL where SIGTERM does not help', async () => {
    const pool = new FramePool(2, frameBytes(FORMAT));
    const frames$ = ffmpegFrames({ input: `file:${file}`, location: 'clip', format: FORMAT, pool, delivery: 'lossless', paced: true });
    const child = await new Promise<FfmpegChild>((done) => {
      const subscription = frames$.subscribe(({ buffer }) => {
        buffer.free();
        const [running] = ffmpegChildren();
        process.kill(running!.pid!, 'SIGSTOP'); // a stopped process doesn't hear SIGTERM
        subscription.unsubscribe();
        done(running!);
      });
    });
    await expect(child.exited).resolves.toMatchObject({ signal: 'SIGKILL' });
  });

  test.each([
    ['is killed', "process.kill(process.pid, 'SIGKILL')"],
    ['throws and nobody catches it', "setTimeout(() => { throw new Error('uncaught'); })"],
    ['exits', 'process.exit(0)'],
  ])('follows ours, when it %s', async (_, death) => {
    const script = `
      import { FramePool } from './dist/core/frame-pool.js';
      import { createFileSource } from './dist/sources/file-source.js';
      import { ffmpegChildren } from './dist/sources/ffmpeg.js';
      const format = { size: { width: 64, height: 64 }, fit: 'stretch', padValue: 0 };
      const pool = new FramePool(2, 64 * 64 * 3);
      const source = await createFileSource({ name: 'clip', path: ${JSON.stringify(file)}, format, pool, loop: true });
      let frames = 0;
      source.frames$.subscribe((frame) => {
        frame.release();
        frames += 1;
        if (frames !== 5) return;
        console.log(ffmpegChildren()[0].pid);
        ${death};
      });`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: resolve(import.meta.dirname, '../..'), stdio: ['ignore', 'pipe', 'ignore'] });
    const lines = createInterface({ input: parent.stdout });
    const [line] = (await once(lines, 'line')) as [string];
    const pid = Number(line);
    expect(pid).toBeGreaterThan(1);
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 5000, interval: 20 });
  });
});

it('leaves no socket behind where we exit before ffmpeg has opened its input', async () => {
  const script = `
    import { createServer } from 'node:net';
    import { FramePool } from './dist/core/frame-pool.js';
    import { createNetworkSource } from './dist/sources/network-source.js';
    const mute = createServer(() => process.exit(0)).listen(0, '127.0.0.1', () => {
      const url = 'rtsp://127.0.0.1:' + mute.address().port + '/';
      const format = { size: { width: 64, height: 64 }, fit: 'stretch', padValue: 0 };
      createNetworkSource({ name: 'mute', url, format, pool: new FramePool(2, 64 * 64 * 3) }).frames$.subscribe();
    });`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: resolve(import.meta.dirname, '../..'), stdio: 'ignore' });
  await once(parent, 'exit');
  expect(parent.exitCode).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
});

it('says what ffmpeg said, where an input cannot be opened', async () => {
  const error = await decode({ input: 'file:/nowhere/at-all.mp4', format: FORMAT }).catch((thrown: unknown) => thrown as AppError);
  expect(error).toMatchObject({ code: 'ERR_FILE_NOT_FOUND', message: expect.stringContaining('No such file or directory') as string });
});

/** False for the dead, also for those whom their new parent has not buried yet. */
function isRunning(pid: number): boolean {
  const status = `/proc/${pid}/status`;
  return existsSync(status) && !/^State:\s+Z/m.test(readFileSync(status, 'latin1'));
}

/** Resolves when a process has used no CPU time for 100 ms: it waits for a reader. */
async function untilIdle(pid: number): Promise<void> {
  let before = -1;
  await vi.waitFor(
    () => {
      const [now, last] = [cpuTicks(pid), before];
      before = now;
      expect(now).toBe(last);
    },
    { timeout: 10_000, interval: 100 },
  );
}

/** User and system time in clock ticks; names of processes may hold blanks, the fields behind the closing bracket don't. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
