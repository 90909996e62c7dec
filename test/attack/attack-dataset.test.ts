import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { attackDataset, REGIONS_FILE } from '../../src/attack/attack-dataset.js';
import { smoothTrack } from '../../src/attack/carried.js';
import { controlPatch, loadPatch } from '../../src/attack/patch-image.js';
import { CHEST_PLACEMENT } from '../../src/attack/placement.js';
import { planPatches } from '../../src/attack/plan-patches.js';
import type { Dataset } from '../../src/sources/dataset/dataset.js';
import { readDataset } from '../../src/sources/dataset/read-dataset.js';
import { openDataset } from '../../src/sources/dataset/video-with-tracks.js';
import { writeVideo } from '../../src/sources/dataset/write-video.js';
import { probeVideo } from '../../src/sources/probe.js';
import { rejectionOf, thrownBy } from '../fixtures/failure.js';
import { makeClip, missingShared, sharedFixture } from '../fixtures/index.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const root = tempFolder();
const SIZE = { width: 200, height: 160 };
const GREY = controlPatch('grey', 1);

/** A picture of one colour. */
async function picture(path: string, background: string): Promise<void> {
  await sharp({ create: { ...SIZE, channels: 3, background } }).toFile(path);
}

const cocoFolder = join(root, 'coco');
const motFolder = join(root, 'mot');
const kittiFolder = join(root, 'kitti');
const FRAMES = 12;

beforeAll(async () => {
  await mkdir(join(cocoFolder, 'images'), { recursive: true });
  await picture(join(cocoFolder, 'images', 'a.jpg'), '#203040');
  await picture(join(cocoFolder, 'images', 'b.png'), '#403020');
  await writeFile(join(cocoFolder, 'images', 'broken.jpg'), 'no picture');
  const box = (imageId: number, category: number, bbox: number[], more = {}) => ({ image_id: imageId, category_id: category, bbox, area: 17, ...more });
  await writeFile(
    join(cocoFolder, 'instances.json'),
    JSON.stringify({
      images: [
        { id: 7, file_name: 'a.jpg' },
        { id: 9, file_name: 'b.png' },
        { id: 11, file_name: 'broken.jpg' },
      ],
      categories: [
        { id: 1, name: 'person' },
        { id: 3, name: 'car' },
      ],
      annotations: [box(7, 1, [40, 20, 60, 80]), box(7, 3, [120, 20, 30, 30]), box(9, 1, [20.5, 30.25, 30, 40]), box(9, 1, [100, 10, 60, 80], { iscrowd: 1 }), box(11, 1, [0, 0, 60, 80])],
    }),
  );
  await mkdir(join(motFolder, 'img1'), { recursive: true });
  await mkdir(join(motFolder, 'gt'));
  // Track 1 walks to the right with a jitter of two pixels; track 2, nearer, stands; track 3 stands behind it, its chest covered.
  const rows: string[] = [];
  for (let frame = 1; frame <= FRAMES; frame += 1) {
    await picture(join(motFolder, 'img1', `${String(frame).padStart(6, '0')}.jpg`), '#305030');
    rows.push(`${frame},1,${10 + 5 * frame + 2 * (frame % 2)},20,30,40,1,1,1`, `${frame},2,121,61,60,80,1,1,1`, `${frame},3,131,71,30,40,1,1,1`, `${frame},4,150,5,20,20,0,7,1`);
  }
  await writeFile(join(motFolder, 'gt', 'gt.txt'), rows.join('\n'));
  await writeFile(join(motFolder, 'seqinfo.ini'), '[Sequence]\nimDir=img1\nframeRate=25\n');
  await mkdir(join(kittiFolder, 'image_02', '0000'), { recursive: true });
  await mkdir(join(kittiFolder, 'label_02'));
  await picture(join(kittiFolder, 'image_02', '0000', '000000.png'), '#303030');
  await writeFile(join(kittiFolder, 'label_02', '0000.txt'), '0 1 Pedestrian 0 0 0 40 20 100 100 0 0 0 0 0 0 0\n0 -1 DontCare 0 0 0 0 0 10 10 0 0 0 0 0 0 0\n');
});

describe('datasets are read back as they were', () => {
  test.each([
    ['COCO', cocoFolder, 'coco'],
    ['MOTChallenge', motFolder, 'mot'],
    ['KITTI tracking', kittiFolder, 'kitti-tracking'],
  ] as const)('%s', async (name, source, kind) => {
    const dataset = await readDataset(source);
    const { folder } = await attackDataset({ dataset, patch: GREY, placement: CHEST_PLACEMENT, folder: join(root, 'round', name), seed: 1 });
    const back = await readDataset(folder);
    expect(back.kind).toBe(kind);
    expect(back.frameRateFps).toBe(dataset.frameRateFps);
    expect(back.images.map(({ id }) => id)).toEqual(dataset.images.map(({ id }) => id));
    expect(back.images.map(({ size }) => size)).toEqual(dataset.images.map(({ size }) => size));
    expect(back.categories).toEqual(dataset.categories);
    expect(withoutArea(back)).toEqual(withoutArea(dataset));
  });

  test('a broken picture stays broken, and in its place', async () => {
    const dataset = await readDataset(cocoFolder);
    const { folder, regions } = await attackDataset({ dataset, patch: GREY, placement: CHEST_PLACEMENT, folder: join(root, 'broken'), seed: 1 });
    expect(await readFile(join(folder, 'images', 'broken.jpg'), 'utf8')).toBe('no picture');
    expect([...regions.keys()]).toEqual([7, 9]);
  });
});

/** Boxes by whole numbers of a millionth: MOTChallenge counts pixels from 1, and sums aren't exact. */
function withoutArea({ boxes }: Dataset): unknown[] {
  return boxes.map(({ xywh, areaPx, ...box }) => ({ ...box, area: Math.round(areaPx), xywh: xywh.map((value) => Math.round(value * 1e6)) }));
}

describe('what is drawn', () => {
  test('the patch where it was said, the picture elsewhere, and a file that says so', async () => {
    const dataset = await readDataset(cocoFolder);
    const { folder, regions } = await attackDataset({ dataset, patch: GREY, placement: CHEST_PLACEMENT, folder: join(root, 'drawn'), seed: 1 });
    const [region] = regions.get(9)!;
    // A box of 30 x 40 at 20.5, 30.25: 12.5 a side around 35.5, 50.25 - 3.2.
    [29.25, 40.8, 41.75, 53.3].forEach((value, i) => expect(region!.xyxy[i]).toBeCloseTo(value, 9));
    const rgb = await sharp(join(folder, 'images', 'b.png')).removeAlpha().raw().toBuffer();
    const at = (x: number, y: number): number[] => [...rgb.subarray(3 * (y * SIZE.width + x), 3 * (y * SIZE.width + x) + 3)];
    expect(at(35, 47)).toEqual([128, 128, 128]);
    expect(at(28, 47)).toEqual([0x40, 0x30, 0x20]);
    // Crowds carry nothing.
    expect(at(130, 44)).toEqual([0x40, 0x30, 0x20]);
    const written = JSON.parse(await readFile(join(folder, REGIONS_FILE), 'utf8')) as { patch: string; regions: Record<string, unknown>[] };
    expect(written.patch).toBe('grey');
    expect(written.regions.map(({ image_id, object_id }) => [image_id, object_id])).toEqual([[7, 1], [9, 3]]);
    expect(written.regions[1]).toMatchObject({ xyxy: region!.xyxy, polygon: region!.polygon });
  });

  test('the same again for the same seed, byte for byte', async () => {
    const dataset = await readDataset(cocoFolder);
    const placement = { ...CHEST_PLACEMENT, rotationDeg: [-20, 20], brightness: [0.5, 1], side: [0.2, 0.3] } as const;
    const attacked = (name: string, seed: number) => attackDataset({ dataset, patch: controlPatch('noise', 1), placement, folder: join(root, name), seed });
    const [first, again, other] = [await attacked('seed-1', 3), await attacked('seed-2', 3), await attacked('seed-3', 4)];
    expect(again.regions).toEqual(first.regions);
    expect(other.regions).not.toEqual(first.regions);
    expect(Buffer.compare(await readFile(join(first.folder, 'images', 'a.png')), await readFile(join(again.folder, 'images', 'a.png')))).toBe(0);
  });
});

describe('in a recording', () => {
  test('a patch moves with its track, has one look, and jitters less than the boxes', async () => {
    const dataset = await readDataset(motFolder);
    const planned = planPatches({ dataset, placement: { ...CHEST_PLACEMENT, rotationDeg: [-20, 20], brightness: [0.5, 1] }, seed: 1 });
    const walker = [...planned.values()].map((patches) => patches.find(({ objectId }) => objectId === 1)!.placed);
    expect(new Set(walker.map(({ rotationDeg }) => rotationDeg)).size).toBe(1);
    expect(new Set(walker.map(({ brightness }) => brightness)).size).toBe(1);
    const steps = walker.slice(1).map(({ centreX }, i) => centreX - walker[i]!.centreX);
    const boxes = dataset.boxes.filter(({ trackId }) => trackId === 1).map(({ xywh }) => xywh[0]);
    const boxSteps = boxes.slice(1).map((left, i) => left - boxes[i]!);
    // Five pixels a frame, on which the annotation jitters by two to and fro.
    expect(spread(boxSteps)).toBeGreaterThan(2);
    expect(spread(steps)).toBeLessThan(0.5);
    steps.forEach((step) => expect(step).toBeGreaterThan(3.5));
    walker.forEach(({ centreX }, i) => expect(Math.abs(centreX - (boxes[i]! + 15))).toBeLessThan(3));
  });

  test('who stands behind somebody shows no patch, and nearer patches are drawn last', async () => {
    const dataset = await readDataset(motFolder);
    const planned = planPatches({ dataset, placement: CHEST_PLACEMENT, seed: 1 });
    for (const patches of planned.values()) expect(patches.map(({ objectId }) => objectId)).toEqual([1, 2]);
  });

  test('what isn\'t scored carries nothing', async () => {
    const planned = planPatches({ dataset: await readDataset(motFolder), placement: CHEST_PLACEMENT, seed: 1 });
    expect([...planned.values()].flat().some(({ objectId }) => objectId === 4)).toBe(false);
  });

  test('from the background a patch keeps its place, away from everybody', async () => {
    const dataset = await readDataset(motFolder);
    const planned = planPatches({ dataset, placement: { on: 'background', perImage: 1, side: 0.15, rotationDeg: 0, brightness: 1 }, seed: 1 });
    expect(planned.size).toBe(FRAMES);
    const places = [...planned.values()].map(([patch]) => patch!);
    expect(new Set(places.map(({ xyxy }) => xyxy.join())).size).toBe(1);
    const [left, top, right, bottom] = places[0]!.xyxy;
    for (const { xywh: [x, y, width, height] } of dataset.boxes) expect(left >= x + width || right <= x || top >= y + height || bottom <= y).toBe(true);
  });

  test('smoothing follows steady motion exactly, also at its ends and over gaps', () => {
    const track = [1, 2, 3, 5, 6, 9, 10].map((frame) => ({ frame, xywh: [3 * frame, 100 - frame, 20 + frame, 40] as const }));
    smoothTrack(track, 25).forEach((xywh, i) => xywh.forEach((value, k) => expect(value).toBeCloseTo(track[i]!.xywh[k]!, 9)));
  });
});

/** Greatest deviation from the mean. */
function spread(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.max(...values.map((value) => Math.abs(value - mean)));
}

describe('a video with ground truth', () => {
  const folder = join(root, 'video');
  let clip: string;

  beforeAll(async () => {
    clip = await makeClip({ width: 320, height: 240, frames: 10, fps: 5, container: 'avi', codec: 'mjpeg' });
    await mkdir(folder);
    await symlink(clip, join(folder, 'clip.avi'));
    await writeFile(join(folder, 'gt.txt'), '2,1,101,61,60,80,1,-1,-1,-1\n8,1,111,61,60,80,1,-1,-1,-1\n');
  });

  test.each([
    ['its folder', () => folder],
    ['the file', () => join(folder, 'clip.avi')],
  ])('is opened by %s, and is gone after', async (_, path) => {
    const opened = await openDataset(path());
    const { dataset } = opened;
    expect(dataset).toMatchObject({ kind: 'mot', frameRateFps: 5 });
    // Up to the last that has truth, those without boxes too.
    expect(dataset.images.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(dataset.boxes.map(({ imageId, xywh }) => [imageId, xywh[0]])).toEqual([[2, 100], [8, 110]]);
    expect(dataset.images[0]!.size).toEqual({ width: 320, height: 240 });
    opened.close();
    expect(await readdir(dataset.folder).catch(() => 'gone')).toBe('gone');
  });

  test('is a video again after the attack', async () => {
    const opened = await openDataset(folder);
    const attacked = await attackDataset({ dataset: opened.dataset, patch: GREY, placement: CHEST_PLACEMENT, folder: join(root, 'video-attacked'), seed: 1 });
    const path = join(root, 'attacked.mp4');
    await writeVideo(await readDataset(attacked.folder), path);
    opened.close();
    expect((await probeVideo(path)).frameCount).toBe(8);
  });

  test.each([
    ['more frames than the video has', '30,1,101,61,60,80,1,-1,-1,-1\n', 'ERR_DATASET_INVALID'],
    ['boxes that lie outside of it', '2,1,901,61,60,80,1,-1,-1,-1\n', 'ERR_DATASET_INVALID'],
    ['no boxes', '\n', 'ERR_DATASET_EMPTY'],
    ['no numbers', 'frame,id\n', 'ERR_DATASET_INVALID'],
  ])('refuses a truth with %s', async (_, text, code) => {
    const truth = join(root, 'other-gt.txt');
    await writeFile(truth, text);
    expect((await rejectionOf(openDataset(clip, { truth }))).code).toBe(code);
  });

  test('says where the truth is missing', async () => {
    expect(await rejectionOf(openDataset(clip, { truth: join(root, 'none.txt') }))).toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
    expect(await rejectionOf(openDataset(cocoFolder, { truth: join(folder, 'gt.txt') }))).toMatchObject({ code: 'ERR_USAGE' });
  });
});

describe('what cannot be attacked', () => {
  test.each([
    ['a label that the dataset lacks', ['zebra'], 'zebra'],
    ['a label without objects that count', ['train'], 'train'],
  ])('%s', async (_, categories, named) => {
    const dataset = { ...(await readDataset(kittiFolder)) };
    const error = thrownBy(() => planPatches({ dataset, placement: CHEST_PLACEMENT, seed: 1, categories }));
    expect(error.code).toBe('ERR_DATASET_INVALID');
    expect(error.message).toContain(named);
  });

  test('into a folder that holds something', async () => {
    const dataset = await readDataset(cocoFolder);
    expect((await rejectionOf(attackDataset({ dataset, patch: GREY, placement: CHEST_PLACEMENT, folder: cocoFolder, seed: 1 }))).code).toBe('ERR_OUTPUT_WRITE');
  });

  test('with what is no picture', async () => {
    expect((await rejectionOf(loadPatch(join(root, 'none.png')))).code).toBe('ERR_FILE_NOT_FOUND');
    expect((await rejectionOf(loadPatch(join(cocoFolder, 'instances.json')))).code).toBe('ERR_SOURCE_FORMAT');
  });
});

const pedestrians = sharedFixture('fudanPed');
test.skipIf(!pedestrians)(`the pedestrians of Penn-Fudan keep their boxes${pedestrians ? '' : `: ${missingShared('data/fudanped')}`}`, async () => {
  const whole = await readDataset(pedestrians!);
  const dataset = { ...whole, images: whole.images.slice(0, 6), boxes: whole.boxes.filter(({ imageId }) => whole.images.findIndex(({ id }) => id === imageId) < 6) };
  const { folder, regions } = await attackDataset({ dataset, patch: GREY, placement: CHEST_PLACEMENT, folder: join(root, 'fudan'), seed: 1 });
  expect((await readDataset(folder)).boxes).toEqual(dataset.boxes);
  expect([...regions.values()].flat()).toHaveLength(dataset.boxes.length);
});
