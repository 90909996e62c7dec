import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom, map, take, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Frame, frameBytes, type FrameFormat, type StereoFrame } from '../../../src/core/frame.js';
import { FramePool } from '../../../src/core/frame-pool.js';
import type { SourceEvent } from '../../../src/core/source.js';
import type { StereoSource } from '../../../src/core/stereo-source.js';
import { createFileSource } from '../../../src/sources/file-source.js';
import { ffmpegChildren } from '../../../src/sources/ffmpeg.js';
import { createNetworkSource } from '../../../src/sources/network-source.js';
import type { SideBySideLayout } from '../../../src/sources/stereo/side-by-side-source.js';
import { createStereoSource } from '../../../src/sources/stereo/stereo-source.js';
import { describeStereoSource } from '../../contract/stereo-source.contract.js';
import { rejectionOf } from '../../fixtures/failure.js';
import { ffmpegPath } from '../../fixtures/ffmpeg-cache.js';
import { missingShared, SHARED_FIXTURES, sharedFixture } from '../../fixtures/index.js';
import { readFrameCounter } from '../../fixtures/rtsp/frame-counter.js';
import { type RtspFixture, startRtspServer } from '../../fixtures/rtsp/rtsp-server.js';
import { tempFolder } from '../../fixtures/temp-folder.js';
import { picture, put } from '../dataset/pictures.js';
import { oneSide, stackedClip } from './stereo-clips.js';

const FORMAT: FrameFormat = { size: { width: 160, height: 96 }, fit: 'stretch', padValue: 0 };
const root = tempFolder();
const newPool = (buffers = 6): FramePool => new FramePool(buffers, frameBytes(FORMAT));

interface Watched {
  /** Numbers that the frames of each pair show. */
  readonly shown: (readonly [left: number | undefined, right: number | undefined])[];
  readonly pairs: StereoFrame[];
  readonly events: SourceEvent[];
  readonly unpaired: { left: number; right: number };
  readonly dropped: string[];
  readonly processes: number;
  readonly error?: unknown;
}

async function watch(source: StereoSource, onPair: (pair: StereoFrame) => void = () => undefined): Promise<Watched> {
  const watched = { shown: [] as Watched['shown'], pairs: [] as StereoFrame[], events: [] as SourceEvent[], unpaired: { left: 0, right: 0 }, dropped: [] as string[], processes: 0 };
  source.events$.subscribe((event) => watched.events.push(event));
  source.onUnpaired = (side, count) => (watched.unpaired[side] += count);
  source.onDropped = (reason, count, side) => watched.dropped.push(`${side} ${reason} ${count}`);
  const error = await new Promise((resolve) => {
    source.frames$.subscribe({
      next: (pair) => {
        watched.pairs.push(pair);
        watched.shown.push([counterOf(pair.left), counterOf(pair.right)]);
        watched.processes = Math.max(watched.processes, ffmpegChildren().length);
        onPair(pair);
        pair.release();
      },
      error: resolve,
      complete: () => resolve(undefined),
    });
  });
  await Promise.all(ffmpegChildren().map(({ exited }) => exited));
  return error === undefined ? watched : { ...watched, error };
}

function counterOf({ pixels, format }: Frame): number | undefined {
  return readFrameCounter(pixels, format.size.width, format.size.height);
}

/** Mean of red minus mean of blue in the lower half: above 0 in the red half of `stackedClip`. */
function redness({ pixels }: Frame): number {
  const { width, height } = FORMAT.size;
  const plane = width * height;
  let sum = 0;
  for (let i = plane / 2 + width * 4; i < plane; i += 1) sum += pixels[2 * plane + i]! - pixels[plane + i]!;
  return sum;
}

const numbers = (count: number): (readonly [number, number])[] => Array.from({ length: count }, (_, i) => [i, i]);

describe('a side-by-side video', async () => {
  const wide = await stackedClip('hstack');
  describeStereoSource('a side-by-side video', ({ pool, format }) => createStereoSource({ kind: 'side-by-side', name: 'sbs', path: wide, pool, format }), 20);

  it.each<[SideBySideLayout, 'hstack' | 'vstack', boolean]>([
    ['left-right', 'hstack', true],
    ['right-left', 'hstack', false],
    ['top-bottom', 'vstack', true],
    ['bottom-top', 'vstack', false],
  ])('%s: each side gets its half, by one ffmpeg', async (layout, filter, isLeftRed) => {
    const pool = newPool();
    const reds: boolean[][] = [];
    const source = await createStereoSource({ kind: 'side-by-side', name: 'sbs', path: await stackedClip(filter), layout, pool, format: FORMAT });
    const { shown, pairs, processes, unpaired } = await watch(source, ({ left, right }) => reds.push([redness(left) > 0, redness(right) > 0]));
    expect(shown).toEqual(numbers(20));
    expect(new Set(reds.map((pair) => pair.join()))).toEqual(new Set([`${isLeftRed},${!isLeftRed}`]));
    expect(pairs[0]!.left.sourceSize).toEqual({ width: 160, height: 96 });
    expect(pairs.every(({ skewUs }) => skewUs === 0)).toBe(true);
    expect([processes, unpaired, pool.inUse]).toEqual([1, { left: 0, right: 0 }, 0]);
  });

  it('of odd size: the middle column belongs to neither', async () => {
    const path = await stackedClip('hstack', { frames: 3, width: 150, height: 96 });
    // 300 pixels wide, of which 299 are kept.
    const odd = join(root, 'odd.mkv');
    execFileSync(ffmpegPath(), ['-v', 'error', '-y', '-i', path, '-vf', 'crop=299:96:0:0:exact=1,format=yuv444p', '-c:v', 'ffv1', odd]);
    const { pairs } = await watch(await createStereoSource({ kind: 'side-by-side', name: 'sbs', path: odd, pool: newPool(), format: FORMAT }));
    expect(pairs.map(({ left, right }) => [left.sourceSize, right.sourceSize])).toEqual(Array.from({ length: 3 }, () => [{ width: 149, height: 96 }, { width: 149, height: 96 }]));
  });

  it('that is missing is told at once', async () => {
    const error = await rejectionOf(createStereoSource({ kind: 'side-by-side', name: 'sbs', path: join(root, 'no.mp4'), pool: newPool(), format: FORMAT }));
    expect(error.code).toBe('ERR_FILE_NOT_FOUND');
  });
});

describe('two files', async () => {
  const pair = async (left: string, right: string, toleranceMs?: number, buffers = 6): Promise<StereoSource> => {
    const [leftSource, rightSource] = await Promise.all([
      createFileSource({ name: 'p.left', path: left, pool: newPool(buffers), format: FORMAT }),
      createFileSource({ name: 'p.right', path: right, pool: newPool(buffers), format: FORMAT }),
    ]);
    return createStereoSource({ kind: 'pair', name: 'p', left: leftSource, right: rightSource, ...(toleranceMs === undefined ? {} : { toleranceMs }) });
  };
  const mp4 = await stackedClip('hstack');
  describeStereoSource(
    'a pair of files',
    async ({ pool, rightPool, format }) =>
      createStereoSource({
        kind: 'pair',
        name: 'p',
        left: await createFileSource({ name: 'p.left', path: mp4, pool, format }),
        right: await createFileSource({ name: 'p.right', path: mp4, pool: rightPool, format }),
      }),
    20,
  );

  it('frames that one side lacks leave their partners alone', async () => {
    const left = await oneSide({ without: 'eq(n,3)+eq(n,4)' });
    const right = await oneSide({ without: 'eq(n,0)+eq(n,11)', aheadMs: 4 });
    const { shown, pairs, unpaired, events } = await watch(await pair(left, right));
    expect(shown).toEqual(numbers(20).filter(([n]) => ![0, 3, 4, 11].includes(n)));
    expect(unpaired).toEqual({ left: 2, right: 2 });
    expect(new Set(pairs.map(({ skewUs }) => skewUs))).toEqual(new Set([4000]));
    const told = events.filter(({ code }) => code === 'ERR_STEREO_UNPAIRED').map(({ message }) => /(\d+) left and (\d+) right/.exec(message)!.slice(1).map(Number));
    expect([0, 1].map((side) => told.reduce((sum, counts) => sum + counts[side]!, 0))).toEqual([2, 2]);
    expect(events.at(-1)?.state).toBe('ended');
  });

  it('that lie further apart than the tolerance are never paired', async () => {
    const { shown, unpaired } = await watch(await pair(await oneSide(), await oneSide({ aheadMs: 12 })));
    expect(shown).toEqual([]);
    expect(unpaired).toEqual({ left: 20, right: 20 });
  });

  it('one longer than the other: the rest is counted', async () => {
    const { shown, unpaired } = await watch(await pair(await oneSide(), await oneSide({ frames: 12 }), 1, 2));
    expect(shown).toEqual(numbers(12));
    expect(unpaired).toEqual({ left: 8, right: 0 });
  });

  it('a side that fails ends the pair with its error', async () => {
    const cut = join(root, 'cut.mkv');
    const whole = readFileSync(await oneSide({ frames: 60 }));
    writeFileSync(cut, whole.subarray(0, whole.length >> 1));
    const { error, events, shown } = await watch(await pair(await oneSide({ frames: 60 }), cut));
    expect(error).toMatchObject({ code: 'ERR_SOURCE_TRUNCATED' });
    expect(shown.length).toBeGreaterThan(10);
    expect(events.at(-1)).toMatchObject({ state: 'failed', code: 'ERR_SOURCE_TRUNCATED' });
    expect(events.at(-1)?.message).toMatch(/^right: /);
  });

  it('a camera and a file are no pair', async () => {
    const left = await createFileSource({ name: 'a', path: mp4, pool: newPool(), format: FORMAT });
    const right = await createFileSource({ name: 'b', path: mp4, pool: newPool(), format: FORMAT, delivery: 'live' });
    expect(await rejectionOf(createStereoSource({ kind: 'pair', name: 'p', left, right }))).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});

describe('two cameras', () => {
  let camera: RtspFixture;
  beforeAll(async () => (camera = await startRtspServer({ width: 320, height: 192 })));
  afterAll(() => camera.close());

  it('are paired by the time of capture: both frames show the same moment', async () => {
    const pools = [newPool(8), newPool(8)] as const;
    const [left, right] = pools.map((pool, i) => createNetworkSource({ name: `c.${i}`, url: camera.url, pool, format: FORMAT }));
    const source = await createStereoSource({ kind: 'pair', name: 'c', left: left!, right: right!, toleranceMs: 19 });
    const states: string[] = [];
    source.events$.subscribe(({ state }) => states.push(state));
    expect(source.delivery).toBe('live');
    const shown = await firstValueFrom(
      source.frames$.pipe(
        map((pair) => {
          const counters = [counterOf(pair.left), counterOf(pair.right)];
          pair.release();
          return counters;
        }),
        take(40),
        toArray(),
      ),
    );
    // The clocks of the two connections settle with their first packets.
    for (const [l, r] of shown.slice(15)) expect(l).toBe(r);
    expect(states.at(-1)).toBe('running');
    await Promise.all(ffmpegChildren().map(({ exited }) => exited));
    expect(pools.map(({ inUse }) => inUse)).toEqual([0, 0]);
  });
});

describe('a folder of pairs', async () => {
  const jpegs = await Promise.all(Array.from({ length: 10 }, (_, seed) => picture('png', { width: 96, height: 64, seed })));
  let folders = 0;
  const folderOf = (left: string, right: string, names: readonly string[]): string => {
    const folder = join(root, `kitti-${(folders += 1)}`);
    for (const [i, name] of names.entries()) for (const side of [left, right]) put(join(folder, side, name), jpegs[i]!);
    return folder;
  };
  const names = Array.from({ length: 10 }, (_, i) => `0000${String(i).padStart(2, '0')}_10.png`);
  const ten = folderOf('image_2', 'image_3', names);
  const open = (folder: string, options: { readonly loop?: boolean; readonly frameRate?: number; readonly buffers?: number } = {}): Promise<StereoSource> =>
    createStereoSource({ kind: 'folder', name: 'k', folder, pool: newPool(options.buffers), format: FORMAT, ...options });
  describeStereoSource('a folder of pairs', ({ pool, format }) => createStereoSource({ kind: 'folder', name: 'k', folder: ten, pool, format }), 10);

  it.each([
    ['image_2', 'image_3', names],
    ['image_02', 'image_03', names.map((name) => `data/${name}`)],
    ['image_00', 'image_01', names],
    ['left', 'right', ['img1.png', 'img2.png', 'img10.png']],
  ])('%s and %s, paired by name, at ten pairs a second', async (left, right, files) => {
    const { pairs, processes } = await watch(await open(folderOf(left, right, files)));
    expect(pairs.map((pair) => [pair.left.image?.fileName, pair.right.image?.fileName])).toEqual(files.map((file) => [file, file]));
    expect(pairs.map((pair) => pair.left.ptsUs)).toEqual(files.map((_, i) => i * 100_000));
    expect(processes).toBe(1);
  });

  it('pictures without partner, or broken, leave gaps on both sides and are counted', async () => {
    const folder = folderOf('image_2', 'image_3', names.slice(0, 6));
    put(join(folder, 'image_2', names[6]!), jpegs[6]!); // no partner
    put(join(folder, 'image_3', names[8]!), jpegs[6]!); // no partner
    put(join(folder, 'image_2', names[9]!), jpegs[6]!);
    put(join(folder, 'image_3', names[9]!), jpegs[6]!);
    put(join(folder, 'image_3', names[1]!), '');
    put(join(folder, 'image_2', names[4]!), jpegs[4]!.subarray(0, jpegs[4]!.length >> 1));
    for (const buffers of [2, 6]) {
      const { pairs, unpaired, dropped, events } = await watch(await open(folder, { buffers }));
      expect(pairs.map(({ left, right }) => [left.sequence, right.sequence])).toEqual([[0, 0], [2, 2], [3, 3], [5, 5], [8, 8]]);
      expect(pairs.map(({ left, right }) => left.image?.fileName === right.image?.fileName)).toEqual([true, true, true, true, true]);
      expect(unpaired).toEqual({ left: 2, right: 2 }); // 1 and 6; 4 and 8
      expect(dropped).toEqual(['right corrupt 1', 'left corrupt 1']);
      expect(events.filter(({ code }) => code === 'ERR_FRAME_CORRUPT').map(({ message }) => message)).toEqual([
        expect.stringContaining(`${names[1]!} of the right`) as string,
        expect.stringContaining(`${names[4]!} of the left`) as string,
      ]);
      expect(events.at(-1)?.state).toBe('ended');
    }
  });

  it('loops with rising times', async () => {
    const source = await open(ten, { loop: true, frameRate: 20 });
    const times = await firstValueFrom(
      source.frames$.pipe(
        map((pair) => {
          const facts = [pair.left.ptsUs, pair.right.ptsUs, pair.left.sequence];
          pair.release();
          return facts;
        }),
        take(25),
        toArray(),
      ),
    );
    expect(times).toEqual(Array.from({ length: 25 }, (_, i) => [i * 50_000, i * 50_000, i]));
    await Promise.all(ffmpegChildren().map(({ exited }) => exited));
  });

  it('without any whole pair ends with ERR_DATASET_EMPTY', async () => {
    const folder = join(root, 'apart');
    put(join(folder, 'left', '1.png'), jpegs[0]!);
    put(join(folder, 'right', '2.png'), jpegs[0]!);
    const { error, unpaired } = await watch(await open(folder));
    expect(error).toMatchObject({ code: 'ERR_DATASET_EMPTY' });
    expect(unpaired).toEqual({ left: 1, right: 1 });
  });

  it('faults of the layout are told at once', async () => {
    mkdirSync(join(root, 'nothing', 'image_2'), { recursive: true });
    expect(await rejectionOf(open(join(root, 'nothing')))).toMatchObject({ code: 'ERR_DATASET_INVALID' });
    mkdirSync(join(root, 'nothing', 'image_3'));
    expect(await rejectionOf(open(join(root, 'nothing')))).toMatchObject({ code: 'ERR_DATASET_EMPTY' });
    expect(await rejectionOf(open(join(root, 'nowhere')))).toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
    const sizes = folderOf('left', 'right', ['1.png']);
    put(join(sizes, 'right', '1.png'), await picture('png', { width: 98, height: 64 }));
    expect((await rejectionOf(open(sizes))).message).toMatch(/right\/1\.png: expected 96 x 64 pixels.*but found 98 x 64/);
  });

  const kitti = sharedFixture('stereo');
  it.skipIf(!kitti)(`KITTI 2015${kitti ? '' : ` (${missingShared(SHARED_FIXTURES.stereo.path)})`}`, async () => {
    const { pairs, unpaired } = await watch(await open(join(kitti!, 'kitti2015')));
    expect(pairs.map(({ left, right }) => [left.image?.fileName, left.sourceSize, right.sourceSize])).toEqual([['000046_10.png', { width: 1242, height: 375 }, { width: 1242, height: 375 }]]);
    expect(unpaired).toEqual({ left: 0, right: 0 });
  });
});
