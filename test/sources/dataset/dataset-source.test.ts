import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type Frame, frameBytes, type FrameFormat } from '../../../src/core/frame.js';
import { FramePool } from '../../../src/core/frame-pool.js';
import { fitImage } from '../../../src/core/image-fit.js';
import type { SourceEvent } from '../../../src/core/source.js';
import { createDatasetSource } from '../../../src/sources/dataset/dataset-source.js';
import { readDataset } from '../../../src/sources/dataset/read-dataset.js';
import { ffmpegChildren } from '../../../src/sources/ffmpeg.js';
import { describeSource } from '../../contract/source.contract.js';
import { rejectionOf } from '../../fixtures/failure.js';
import { missingShared, SHARED_FIXTURES, sharedFixture } from '../../fixtures/index.js';
import { tempFolder } from '../../fixtures/temp-folder.js';
import { type Kind, KINDS, picture, put } from './pictures.js';

const FORMAT: FrameFormat = { size: { width: 48, height: 48 }, fit: 'letterbox', padValue: 114 };
const root = tempFolder();
let folders = 0;

/** A new folder of pictures, in the order given. */
async function folderOf(kinds: readonly (Kind | Uint8Array)[]): Promise<string> {
  const folder = join(root, `${(folders += 1)}`);
  for (const [i, kind] of kinds.entries()) {
    put(join(folder, `${i}.${typeof kind === 'string' && !kind.includes('jp') ? 'png' : 'jpg'}`), typeof kind === 'string' ? await picture(kind, { width: 96 + 2 * i, seed: i }) : kind);
  }
  return folder;
}

interface Seen extends Pick<Frame, 'sequence' | 'ptsUs' | 'image' | 'sourceSize' | 'fit' | 'capture'> {
  readonly pixels: Uint8Array;
}

interface Played {
  readonly frames: Seen[];
  readonly events: SourceEvent[];
  readonly corrupt: number;
  readonly error?: unknown;
  /** Processes of ffmpeg at most at a time. */
  readonly processes: number;
}

interface PlayOptions {
  readonly format?: FrameFormat;
  readonly buffers?: number;
  readonly frameRate?: number;
  readonly realtime?: boolean;
  readonly loop?: boolean;
  /** Stops after so many. */
  readonly take?: number;
  readonly onFrame?: (frame: Frame) => void;
}

async function play(folder: string, { format = FORMAT, buffers = 3, take = Infinity, onFrame, ...options }: PlayOptions = {}): Promise<Played> {
  const pool = new FramePool(buffers, frameBytes(format));
  const source = await createDatasetSource({ name: 'pictures', folder, format, pool, ...options });
  const [frames, events]: [Seen[], SourceEvent[]] = [[], []];
  let [corrupt, processes] = [0, 0];
  source.events$.subscribe((event) => events.push(event));
  source.onDropped = (reason, count) => (corrupt += reason === 'corrupt' ? count : NaN);
  const error = await new Promise((resolve) => {
    const subscription = source.frames$.subscribe({
      next: (frame) => {
        const { sequence, ptsUs, image, sourceSize, fit, capture, pixels } = frame;
        frames.push({ sequence, ptsUs, ...(image ? { image } : {}), sourceSize, fit, capture, pixels: Uint8Array.from(pixels) });
        processes = Math.max(processes, ffmpegChildren().length);
        onFrame?.(frame);
        frame.release();
        if (frames.length < take) return;
        queueMicrotask(() => subscription.unsubscribe());
        resolve(undefined);
      },
      error: resolve,
      complete: () => resolve(undefined),
    });
  });
  await Promise.all(ffmpegChildren().map(({ exited }) => exited));
  expect(pool.inUse).toBe(0);
  return { frames, events, corrupt, processes, ...(error === undefined ? {} : { error }) };
}

const names = ({ frames }: Played): (string | undefined)[] => frames.map(({ image }) => image?.fileName);
const corruptNames = ({ events }: Played): (string | undefined)[] => events.filter(({ code }) => code === 'ERR_FRAME_CORRUPT').map(({ message }) => message.split(' ')[0]);

describe('a folder of pictures', async () => {
  const folder = await folderOf(Array.from({ length: 12 }, () => 'jpeg'));
  describeSource('a dataset', ({ pool, format }) => createDatasetSource({ name: 'pictures', folder, pool, format }), { delivery: 'lossless', frames: 12 });

  const mixed = await folderOf([...KINDS, ...KINDS]);
  describeSource('a dataset of many formats', ({ pool, format }) => createDatasetSource({ name: 'pictures', folder: mixed, pool, format }), {
    delivery: 'lossless',
    frames: 2 * KINDS.length,
  });

  it('one ffmpeg decodes pictures of all sizes, each fitted by itself', async () => {
    const { frames, processes } = await play(folder);
    expect(processes).toBe(1);
    expect(frames.map(({ sourceSize }) => sourceSize.width)).toEqual(Array.from({ length: 12 }, (_, i) => 96 + 2 * i));
    for (const { sourceSize, fit } of frames) expect(fit).toEqual(fitImage(sourceSize, FORMAT.size, 'letterbox'));
  });

  it('pictures say which they are and when they come, not when they were taken', async () => {
    const { frames } = await play(folder, { frameRate: 30 });
    expect(frames.map(({ image }) => image)).toEqual(Array.from({ length: 12 }, (_, i) => ({ id: i + 1, fileName: `${i}.jpg` })));
    expect(frames.slice(0, 4).map(({ ptsUs }) => ptsUs)).toEqual([0, 33_333, 66_667, 100_000]);
    expect(frames[0]!.capture).toEqual({ clock: 'dataset', epochMs: undefined, uncertaintyMs: undefined });
  });

  it('gives the same bytes each time', async () => {
    const [first, second] = [await play(mixed), await play(mixed, { buffers: 5 })];
    expect(first.frames.map(({ pixels }) => pixels)).toEqual(second.frames.map(({ pixels }) => pixels));
  });

  it.each(KINDS)('shows what is in the picture: %s', async (kind) => {
    const file = await picture(kind, { seed: 3 });
    const alone = join(root, `alone-${kind}`);
    put(join(alone, 'x.png'), file);
    const { frames } = await play(alone);
    const shown = meanRgb(frames[0]!.pixels);
    // libvips of the npm package reads neither BMP nor PNM: they were made of the same pixels as the PNG.
    const oracle = kind === 'bmp' || kind === 'ppm' ? await picture('png', { seed: 3 }) : kind === 'pgm' ? undefined : file;
    const expected = kind === 'cmyk-jpeg' ? await inkMeans(file) : oracle ? await vipsMeans(oracle) : [129, 129, 129];
    for (const channel of [0, 1, 2]) expect(Math.abs(shown[channel]! - expected[channel]!), `${shown.join()} for ${expected.join()}`).toBeLessThan(3);
  });

  it('loops with rising times and numbers', async () => {
    const { frames } = await play(folder, { loop: true, take: 30 });
    expect(frames.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(frames.map(({ ptsUs }) => ptsUs)).toEqual(Array.from({ length: 30 }, (_, i) => i * 100_000));
    expect(frames[13]!.image).toEqual({ id: 2, fileName: '1.jpg' });
  });

  it('plays in real time where told to: no picture before its time', async () => {
    const arrivals: number[] = [];
    await play(folder, { realtime: true, frameRate: 50, onFrame: ({ arrivedMs }) => arrivals.push(arrivedMs) });
    // Late is the machine's business, early would be ours.
    expect(arrivals.at(-1)! - arrivals[0]!).toBeGreaterThanOrEqual(11 * 20 - 2);
  });

  it('leaves no folder of links behind', async () => {
    const before = linkFolders();
    await play(folder);
    await play(folder, { take: 1 });
    await expect.poll(() => linkFolders().filter((name) => !before.includes(name))).toEqual([]);
  });

  it('not even where the process ends in mid-stream', () => {
    const temporary = join(root, 'temporary');
    mkdirSync(temporary);
    const dist = new URL('../../../dist/', import.meta.url).href;
    const script = `
      import { readdirSync } from 'node:fs';
      import { FramePool } from '${dist}core/frame-pool.js';
      import { createDatasetSource } from '${dist}sources/dataset/dataset-source.js';
      const format = { size: { width: 48, height: 48 }, fit: 'stretch', padValue: 0 };
      const source = await createDatasetSource({ name: 'x', folder: ${JSON.stringify(folder)}, format, pool: new FramePool(2, 48 * 48 * 3) });
      source.frames$.subscribe(() => {
        console.log(readdirSync(${JSON.stringify(temporary)}).length);
        process.exit(0);
      });`;
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8', env: { ...process.env, TMPDIR: temporary } });
    expect([status, stdout.trim()]).toEqual([0, '1']);
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe('pictures that are broken', () => {
  it('are counted and named, and the others keep their ids', async () => {
    const whole = await picture('jpeg', { width: 300, height: 200 });
    const png = await picture('png');
    const damaged = Uint8Array.from(png);
    damaged[png.length >> 1]! ^= 0x55;
    const folder = await folderOf([
      ...[Buffer.alloc(0), whole, whole.subarray(0, 800), whole.subarray(0, whole.length >> 1), Buffer.from('no picture'), 'png' as const],
      ...[png.subarray(0, png.length >> 1), damaged, whole, whole.subarray(0, whole.length - 300)],
    ]);
    const played = await play(folder);
    expect(names(played)).toEqual(['1.jpg', '5.png', '8.jpg']);
    expect(played.frames.map(({ sequence }) => sequence)).toEqual([1, 5, 8]);
    expect(played.frames.map(({ image }) => image?.id)).toEqual([2, 6, 9]);
    expect(corruptNames(played)).toEqual(['0.jpg', '2.jpg', '3.jpg', '4.jpg', '6.jpg', '7.jpg', '9.jpg']);
    expect(played.corrupt).toBe(7);
    expect(played.events.map(({ state }) => state).at(-1)).toBe('ended');
    expect(played.events.find(({ message }) => message.startsWith('0.jpg'))?.message).toContain('empty');
    expect(played.events.find(({ message }) => message.startsWith('2.jpg'))?.message).toContain('cut or damaged');
  });

  it('a JPEG that lacks only its end mark is whole', async () => {
    const whole = await picture('jpeg');
    const { frames, corrupt } = await play(await folderOf([whole, whole.subarray(0, whole.length - 2)]));
    expect(frames).toHaveLength(2);
    expect(corrupt).toBe(0);
    expect(frames[1]!.pixels).toEqual(frames[0]!.pixels);
  });

  it('none but broken ones: all are named, then ERR_DATASET_EMPTY', async () => {
    const whole = await picture('jpeg');
    const played = await play(await folderOf([Buffer.alloc(0), whole.subarray(0, whole.length >> 1)]));
    expect(played.error).toMatchObject({ code: 'ERR_DATASET_EMPTY' });
    expect(played.corrupt).toBe(2);
    expect(played.events.at(-1)).toMatchObject({ state: 'failed', code: 'ERR_DATASET_EMPTY' });
  });

  it('that went after the folder was read cost themselves only', async () => {
    const folder = await folderOf(['jpeg', 'jpeg', 'jpeg', 'jpeg', 'jpeg', 'jpeg', 'jpeg', 'jpeg']);
    const dataset = await readDataset(folder);
    rmSync(join(folder, '0.jpg'));
    rmSync(join(folder, '3.jpg'));
    truncateSync(join(folder, '4.jpg'));
    rmSync(join(folder, '7.jpg'));
    const pool = new FramePool(2, frameBytes(FORMAT));
    const source = await createDatasetSource({ name: 'pictures', dataset, format: FORMAT, pool });
    const lost: number[] = [];
    source.onDropped = (_, count) => lost.push(count);
    const seen: number[] = [];
    await new Promise((resolve, reject) => {
      source.frames$.subscribe({
        next: (frame) => {
          seen.push(frame.image!.id);
          frame.release();
        },
        error: reject,
        complete: () => resolve(undefined),
      });
    });
    expect(seen).toEqual([2, 3, 6, 7]);
    expect(lost).toEqual([1, 1, 1, 1]);
  });

  it('an ffmpeg that is killed is started again, and no picture is lost', async () => {
    const folder = await folderOf(Array.from({ length: 40 }, () => 'jpeg'));
    let killed = 0;
    const played = await play(folder, {
      buffers: 2,
      // Pictures so large that those still to come don't fit into the socket.
      format: { size: { width: 640, height: 640 }, fit: 'stretch', padValue: 0 },
      onFrame: ({ sequence }) => {
        if (sequence !== 3) return;
        for (const { pid } of ffmpegChildren()) if (pid !== undefined) killed += Number(process.kill(pid, 'SIGKILL'));
      },
    });
    expect(killed).toBe(1);
    expect(played.frames.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(played.corrupt).toBe(0);
  });
});

describe('the turn that EXIF asks for', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('orientation %i of a photograph is made', async (orientation) => {
    const file = await picture('jpeg', { width: 96, height: 60, orientation });
    const folder = join(root, `turn-${orientation}`);
    put(join(folder, 'photo.jpg'), file);
    const format: FrameFormat = { size: { width: 32, height: 32 }, fit: 'stretch', padValue: 0 };
    const { frames } = await play(folder, { format });
    const upright = await sharp(file).rotate().resize(32, 32, { fit: 'fill' }).removeAlpha().raw().toBuffer();
    expect(frames[0]!.sourceSize).toEqual(orientation >= 5 ? { width: 60, height: 96 } : { width: 96, height: 60 });
    expect(meanDifference(frames[0]!.pixels, upright)).toBeLessThan(4);
  });

  it('several orientations in one folder keep their order', async () => {
    const folder = join(root, 'turns');
    for (let i = 0; i < 12; i += 1) put(join(folder, `${i}.jpg`), await picture('jpeg', { width: 90, height: 60, orientation: [1, 6, 3, 8][i % 4]! }));
    const played = await play(folder);
    expect(names(played)).toEqual(Array.from({ length: 12 }, (_, i) => `${i}.jpg`));
    expect(played.frames.map(({ sourceSize }) => sourceSize.width)).toEqual(Array.from({ length: 12 }, (_, i) => [90, 60, 90, 60][i % 4]));
  });

  it.each([
    ['boxes in stored pixels: left alone', 90, 60],
    ['boxes in turned pixels: made', 60, 90],
  ])('with %s', async (name, width, height) => {
    const folder = join(root, `coco-turn-${name}`);
    put(join(folder, 'images', '1.jpg'), await picture('jpeg', { width: 90, height: 60, orientation: 6 }));
    put(join(folder, 'instances.json'), JSON.stringify({ images: [{ id: 7, file_name: '1.jpg', width, height }], annotations: [], categories: [] }));
    const { frames } = await play(folder);
    expect(frames[0]).toMatchObject({ sourceSize: { width, height }, image: { id: 7, fileName: '1.jpg' } });
  });
});

describe('a recording', () => {
  it('comes at the rate that its seqinfo.ini states', async () => {
    const folder = join(root, 'mot');
    put(join(folder, 'seqinfo.ini'), '[Sequence]\nname=x\nimDir=img1\nframeRate=25\n');
    for (let i = 1; i <= 3; i += 1) put(join(folder, 'img1', `00000${i}.jpg`), await picture('jpeg'));
    const { frames } = await play(folder);
    expect(frames.map(({ ptsUs, image }) => [ptsUs, image?.id])).toEqual([[0, 1], [40_000, 2], [80_000, 3]]);
  });

  const coco = sharedFixture('coco128');
  it.skipIf(!coco)(`COCO: every picture comes, in its size${coco ? '' : ` (${missingShared(SHARED_FIXTURES.coco128.path)})`}`, async () => {
    const dataset = await readDataset(coco!);
    const { frames, corrupt, processes } = await play(coco!);
    expect(frames.map(({ image, sourceSize }) => [image?.id, sourceSize])).toEqual(dataset.images.map(({ id, size }) => [id, size]));
    expect([corrupt, processes]).toEqual([0, 1]);
  });
});

it('a folder that is not there is told at once', async () => {
  const pool = new FramePool(2, frameBytes(FORMAT));
  expect(await rejectionOf(createDatasetSource({ name: 'x', folder: join(root, 'nowhere'), format: FORMAT, pool }))).toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
});

function linkFolders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('lynceus-pictures-'));
}

/** Mean of R, G, B of a frame of `FORMAT` that shows a picture of 3 : 2, without the padding. */
function meanRgb(pixels: Uint8Array): number[] {
  const plane = 48 * 48;
  // Planes are G, B, R; rows 8 to 39 hold the picture.
  return [2, 0, 1].map((channel) => mean(pixels.subarray(channel * plane + 8 * 48, channel * plane + 40 * 48)));
}

async function vipsMeans(file: Uint8Array): Promise<number[]> {
  const { data, info } = await sharp(file).removeAlpha().toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  return [0, 1, 2].map((channel) => mean(data.filter((_, i) => i % info.channels === (info.channels === 1 ? 0 : channel))));
}

/** Inks without colour management, as a picture without a profile wants: what cyan and black leave of the red. */
async function inkMeans(file: Uint8Array): Promise<number[]> {
  const inks = await sharp(file).pipelineColourspace('cmyk').toColourspace('cmyk').raw().toBuffer();
  const left = inks.map((ink, i) => ((255 - ink) * (255 - inks[i | 3]!)) / 255);
  return [0, 1, 2].map((channel) => mean(left.filter((_, i) => i % 4 === channel)));
}

function mean(values: Uint8Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of planar G, B, R and interleaved R, G, B. */
function meanDifference(planar: Uint8Array, rgb: Uint8Array): number {
  const plane = planar.length / 3;
  let sum = 0;
  for (let i = 0; i < plane; i += 1) for (const [channel, at] of [2, 0, 1].entries()) sum += Math.abs(planar[at * plane + i]! - rgb[i * 3 + channel]!);
  return sum / planar.length;
}
