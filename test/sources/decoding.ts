import { execFile } from 'node:child_process';
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { lastValueFrom, tap, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { AppError } from '../../src/core/errors.js';
import { frameBytes, type FrameFormat, type Size } from '../../src/core/frame.js';
import { FramePool } from '../../src/core/frame-pool.js';
import { fitImage, type FitMode, scaledSize } from '../../src/core/image-fit.js';
import { type DecodedFrame, ffmpegFrames, type FfmpegFramesOptions } from '../../src/sources/ffmpeg-frames.js';
import { findFfmpeg } from '../../src/sources/ffmpeg.js';
import { ffmpegPath } from '../fixtures/ffmpeg-cache.js';
import { clip, type ClipOptions } from './clips.js';

const run = promisify(execFile);

const PAD = 114;
const NTSC = 'testsrc2=size=160x120:rate=30000/1001';
/** Of each seven frames at 50 a second the last four. */
const VARIABLE = "testsrc2=size=160x120:rate=50,select='gt(mod(n,7),2)'";

export function formatOf(width: number, height: number, fit: FitMode = 'stretch'): FrameFormat {
  return { size: { width, height }, fit, padValue: PAD };
}

/** What was decoded, kept after its buffer was freed. */
export interface Decoded extends Omit<DecodedFrame, 'buffer'> {
  readonly pixels: Uint8Array;
}

export interface Decoding {
  readonly frames: Decoded[];
  readonly dropped: Record<string, number>;
  readonly pool: FramePool;
}

/** Decodes an input to its end. */
export async function decode(options: Omit<FfmpegFramesOptions, 'pool' | 'location' | 'delivery'>): Promise<Decoding> {
  const pool = new FramePool(3, frameBytes(options.format));
  const dropped: Record<string, number> = {};
  const frames$ = ffmpegFrames({
    ...options,
    location: 'the clip',
    pool,
    delivery: 'lossless',
    onDropped: (reason, count) => (dropped[reason] = (dropped[reason] ?? 0) + count),
  });
  const frames: Decoded[] = [];
  await lastValueFrom(
    frames$.pipe(
      tap(({ buffer, ...facts }) => {
        frames.push({ ...facts, pixels: buffer.bytes.slice() });
        buffer.free();
      }),
      toArray(),
    ),
    { defaultValue: [] },
  );
  return { frames, dropped, pool };
}

/** Frames of a picture that a filter of ffmpeg draws. */
export function drawn(lavfi: string, format: FrameFormat): Promise<Decoding> {
  return decode({ input: lavfi, inputOptions: ['-f', 'lavfi'], format });
}

/** What must come out right of any ffmpeg that we may meet: run for the system's and for the packaged one. */
export function describeDecoding(label: string, expectPackaged: boolean): void {
  describe(`decoding with the ${label} ffmpeg`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'lynceus-decoding-'));
    afterAll(() => rmSync(folder, { recursive: true }));

    it('is the one that was meant', () => {
      const { version, packaged, libavformat } = findFfmpeg();
      expect(packaged).toBe(expectPackaged);
      expect(version).not.toBe('');
      expect(libavformat.major).toBeGreaterThanOrEqual(58);
    });

    test.each<[string, ClipOptions, (frame: number) => number]>([
      ['mp4', { kind: 'mp4', frames: 30 }, (frame) => frame * 40_000],
      ['avi', { kind: 'avi', frames: 30 }, (frame) => frame * 40_000],
      ['mkv', { kind: 'mkv', frames: 30 }, (frame) => frame * 40_000],
      ['transport stream, which begins at 1.4 s', { kind: 'ts', frames: 30 }, (frame) => 1_400_000 + frame * 40_000],
      ['29.97 frames a second', { kind: 'mp4', frames: 30, lavfi: NTSC }, (frame) => Math.round((frame * 1001e6) / 30_000)],
      ['variable frame rate', { kind: 'mkv', frames: 30, lavfi: VARIABLE, outputOptions: ['-vsync', 'vfr'] }, (frame) => (7 * Math.floor(frame / 4) + (frame % 4)) * 20_000],
    ])('gives every frame once, at the time that the container says: %s', async (_, options, ptsUs) => {
      const { frames, dropped, pool } = await decode({ input: `file:${await clip(options)}`, format: formatOf(32, 32) });
      expect(frames.map((frame) => frame.ptsUs)).toEqual(Array.from({ length: 30 }, (_unused, frame) => ptsUs(frame)));
      expect(dropped).toEqual({});
      expect(pool.inUse).toBe(0);
    });

    it('never gives a time twice nor goes back where the time stamps do', async () => {
      const whole = await clip({ kind: 'ts', frames: 20 });
      const twice = join(folder, 'twice.ts');
      copyFileSync(whole, twice);
      appendFileSync(twice, readFileSync(whole));
      const { frames } = await decode({ input: `file:${twice}`, format: formatOf(32, 32) });
      const steps = frames.slice(1).map(({ ptsUs }, i) => ptsUs - frames[i]!.ptsUs);
      expect(frames).toHaveLength(40);
      expect(steps).toEqual(Array(39).fill(40_000));
    });

    it('gives planes in the order G, B, R', async () => {
      const { frames } = await drawn('color=c=0x10C050:size=64x48:rate=25:duration=0.04', formatOf(16, 16));
      const planes = [0, 1, 2].map((plane) => frames[0]!.pixels[plane * 256 + 100]!);
      for (const [i, expected] of [0xc0, 0x50, 0x10].entries()) expect(Math.abs(planes[i]! - expected)).toBeLessThanOrEqual(3);
    });

    test.each<[string, Size, Size, FitMode]>([
      ['wide into a square', { width: 768, height: 576 }, { width: 320, height: 320 }, 'letterbox'],
      ['tall into a square', { width: 360, height: 640 }, { width: 320, height: 320 }, 'letterbox'],
      ['odd sizes, padding of odd width', { width: 641, height: 359 }, { width: 416, height: 413 }, 'letterbox'],
      ['top left', { width: 1280, height: 720 }, { width: 416, height: 416 }, 'letterbox-top-left'],
      ['scaled up', { width: 32, height: 18 }, { width: 320, height: 320 }, 'letterbox'],
      ['a strip of one pixel', { width: 1600, height: 2 }, { width: 64, height: 64 }, 'letterbox'],
      ['no padding left over', { width: 640, height: 480 }, { width: 320, height: 240 }, 'letterbox'],
      ['stretched', { width: 768, height: 576 }, { width: 320, height: 320 }, 'stretch'],
    ])('puts the picture where fitImage says: %s', async (_, source, input, fit) => {
      const white = `color=c=white:size=${source.width}x${source.height}:rate=25:duration=0.04,format=rgb24`;
      const { frames } = await drawn(white, formatOf(input.width, input.height, fit));
      expect(frames[0]!.sourceSize).toEqual(source);
      const { padX, padY } = fitImage(source, input, fit);
      const { width, height } = scaledSize(source, input, fit);
      expect(boundsOfPicture(frames[0]!.pixels, input)).toEqual({ left: padX, top: padY, right: padX + width, bottom: padY + height });
    });

    it('keeps what is in the picture in its place, to a third of a pixel', async () => {
      const source = { width: 640, height: 360 };
      const input = { width: 320, height: 320 };
      const box = 'color=c=black:size=640x360:rate=25:duration=0.04,drawbox=x=200:y=100:w=80:h=40:color=white:t=fill';
      const { frames } = await drawn(box, formatOf(input.width, input.height, 'letterbox'));
      const { scaleX, scaleY, padX, padY } = fitImage(source, input, 'letterbox');
      const { x, y } = centreOfBright(frames[0]!.pixels, input, { top: padY, bottom: input.height - padY });
      expect(Math.abs(x - (240 * scaleX + padX))).toBeLessThan(1 / 3);
      expect(Math.abs(y - (120 * scaleY + padY))).toBeLessThan(1 / 3);
    });

    it('turns a rotated video upright and gives its upright size', async () => {
      const lying = await clip({ kind: 'mp4', frames: 5, width: 160, height: 96 });
      const rotated = join(folder, 'rotated.mp4');
      await rotate(lying, rotated);
      const { frames } = await decode({ input: `file:${rotated}`, format: formatOf(64, 64, 'letterbox') });
      expect(frames[0]!.sourceSize).toEqual({ width: 96, height: 160 });
    });

    it('follows a change of the picture size', async () => {
      const changing = join(folder, 'changing.ts');
      copyFileSync(await clip({ kind: 'ts', frames: 20, width: 160, height: 120 }), changing);
      appendFileSync(changing, readFileSync(await clip({ kind: 'ts', frames: 20, width: 320, height: 180 })));
      const { frames } = await decode({ input: `file:${changing}`, format: formatOf(64, 64, 'letterbox') });
      expect(frames.at(0)!.sourceSize).toEqual({ width: 160, height: 120 });
      expect(frames.at(-1)!.sourceSize).toEqual({ width: 320, height: 180 });
      expect(frames).toHaveLength(40);
    });

    it('makes several views of each picture, both of the same moment', async () => {
      const halves = 'color=c=white:size=160x120:rate=25:duration=0.4,drawbox=x=80:y=0:w=80:h=120:color=black:t=fill';
      const views = [{ filters: 'crop=iw/2:ih:0:0' }, { filters: 'crop=iw/2:ih:iw/2:0' }];
      const { frames } = await decode({ input: halves, inputOptions: ['-f', 'lavfi'], format: formatOf(32, 32), views });
      const [left, right] = [0, 1].map((view) => frames.filter((frame) => frame.view === view));
      expect(left).toHaveLength(10);
      expect(left!.map(({ ptsUs }) => ptsUs)).toEqual(right!.map(({ ptsUs }) => ptsUs));
      expect(left![0]!.sourceSize).toEqual({ width: 80, height: 120 });
      expect([left![0]!.pixels[500], right![0]!.pixels[500]]).toEqual([255, 0]);
    });

    describe('damage', () => {
      let whole: Buffer;
      beforeAll(async () => {
        whole = readFileSync(await clip({ kind: 'mp4', frames: 60, outputOptions: ['-movflags', '+faststart', '-g', '10'] }));
      });

      it('counts packets that cannot be decoded, and goes on after them', async () => {
        const damaged = join(folder, 'damaged.mp4');
        writeFileSync(damaged, withDamagedPackets(whole));
        const { frames, dropped } = await decode({ input: `file:${damaged}`, format: formatOf(32, 32) });
        expect(dropped['corrupt']).toBeGreaterThan(0);
        expect(frames.length + dropped['corrupt']!).toBe(60);
        expect(frames.at(-1)!.ptsUs).toBeGreaterThan(2_000_000);
      });

      test.each<[string, (path: string) => void, string]>([
        ['text', (path) => writeFileSync(path, 'not a video '.repeat(500)), 'ERR_SOURCE_FORMAT'],
        ['an empty file', (path) => writeFileSync(path, ''), 'ERR_SOURCE_FORMAT'],
        ['no file at all', () => undefined, 'ERR_FILE_NOT_FOUND'],
        ['an MP4 without its index', (path) => writeFileSync(path, whole.subarray(whole.indexOf('mdat') - 4)), 'ERR_SOURCE_TRUNCATED'],
      ])('says what is wrong with %s', async (name, make, code) => {
        const path = join(folder, `${name.replace(/ /g, '-')}.bin`);
        make(path);
        const error = await decode({ input: `file:${path}`, format: formatOf(32, 32) }).catch((thrown: unknown) => thrown as AppError);
        expect(error).toMatchObject({ code });
      });
    });
  });
}

/** Writes the rotation into the track header's matrix: all versions read it there, but spell the option to write it differently. */
async function rotate(from: string, to: string): Promise<void> {
  await run(ffmpegPath(), ['-v', 'error', '-y', '-i', from, '-c', 'copy', to]);
  const file = readFileSync(to);
  const identity = Buffer.from('000100000000000000000000000000000001000000000000000000000000000040000000', 'hex');
  const quarterTurn = Buffer.from('000000000001000000000000ffff00000000000000000000000000000000000040000000', 'hex');
  const trackHeader = file.indexOf('tkhd');
  quarterTurn.copy(file, file.indexOf(identity, trackHeader));
  writeFileSync(to, file);
}

/** Overwrites the length fields of some H.264 packets in the middle, which makes them undecodable as a whole. */
function withDamagedPackets(whole: Buffer): Buffer {
  const damaged = Buffer.from(whole);
  const sizes = packetSizes(whole);
  let offset = whole.indexOf('mdat') + 4;
  for (const [i, size] of sizes.entries()) {
    if (i >= 25 && i < 28) damaged.writeUInt32BE(0x7fffffff, offset);
    offset += size;
  }
  return damaged;
}

/** Sizes from the `stsz` table of the only track. */
function packetSizes(mp4: Buffer): number[] {
  const table = mp4.indexOf('stsz') + 4;
  const count = mp4.readUInt32BE(table + 8);
  return Array.from({ length: count }, (_, i) => mp4.readUInt32BE(table + 12 + i * 4));
}

/** Bounds of what isn't padding, in the first plane. */
function boundsOfPicture(pixels: Uint8Array, { width, height }: Size): { left: number; top: number; right: number; bottom: number } {
  const bounds = { left: width, top: height, right: 0, bottom: 0 };
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (pixels[y * width + x] === PAD) continue;
      bounds.left = Math.min(bounds.left, x);
      bounds.top = Math.min(bounds.top, y);
      bounds.right = Math.max(bounds.right, x + 1);
      bounds.bottom = Math.max(bounds.bottom, y + 1);
    }
  }
  return bounds;
}

/** Centre of brightness in the first plane, pixels from the left and top edge. */
function centreOfBright(pixels: Uint8Array, { width }: Size, rows: { top: number; bottom: number }): { x: number; y: number } {
  let sum = 0;
  let sumX = 0;
  let sumY = 0;
  for (let y = rows.top; y < rows.bottom; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const level = pixels[y * width + x]!;
      sum += level;
      sumX += level * (x + 0.5);
      sumY += level * (y + 0.5);
    }
  }
  return { x: sumX / sum, y: sumY / sum };
}
