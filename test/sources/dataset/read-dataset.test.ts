import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { isFault } from '../../../src/sources/dataset/dataset.js';
import { readDataset } from '../../../src/sources/dataset/read-dataset.js';
import { rejectionOf } from '../../fixtures/failure.js';
import { missingShared, sharedFile } from '../../fixtures/index.js';
import { tempFolder } from '../../fixtures/temp-folder.js';
import { picture, put } from './pictures.js';

const root = tempFolder();
const jpeg = await picture('jpeg', { width: 96, height: 64 });
let folders = 0;

/** A new folder with these files; `null` is a picture of 96 x 64, and `undefined` an empty folder. */
function folderWith(files: Readonly<Record<string, string | Uint8Array | null | undefined>>): string {
  const folder = join(root, `${(folders += 1)}`);
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    if (content === undefined) mkdirSync(join(folder, name), { recursive: true });
    else put(join(folder, name), content ?? jpeg);
  }
  return folder;
}

describe('COCO', () => {
  const truth = {
    images: [
      { id: 30, file_name: 'b.jpg', width: 96, height: 64 },
      { id: 7, file_name: 'a.jpg', width: 96, height: 64 },
    ],
    annotations: [
      { id: 1, image_id: 7, category_id: 3, bbox: [1, 2, 30, 40.5], area: 900, iscrowd: 0, segmentation: [[1, 2, 3, 4, 5, 6]] },
      { id: 2, image_id: 30, category_id: 1, bbox: [0, 0, 10, 20], iscrowd: 1 },
      { id: 3, image_id: 30, category_id: 1, bbox: [5, 5, 10, 20], ignore: 1 },
    ],
    categories: [
      { id: 1, name: 'person', supercategory: 'person' },
      { id: 3, name: 'car' },
    ],
  };
  const files = (json: unknown): Record<string, string | null> => ({ 'images/a.jpg': null, 'images/b.jpg': null, 'images/not-annotated.jpg': null, 'instances.json': JSON.stringify(json) });

  it('keeps the order and the ids of its images; boxes, crowds and ignored ones', async () => {
    const dataset = await readDataset(folderWith(files(truth)));
    expect(dataset.kind).toBe('coco');
    expect(dataset.images.map(({ id, fileName, size }) => ({ id, fileName, size }))).toEqual([
      { id: 30, fileName: 'b.jpg', size: { width: 96, height: 64 } },
      { id: 7, fileName: 'a.jpg', size: { width: 96, height: 64 } },
    ]);
    expect(dataset.boxes).toEqual([
      { imageId: 7, categoryId: 3, xywh: [1, 2, 30, 40.5], areaPx: 900, crowd: false, ignore: false },
      { imageId: 30, categoryId: 1, xywh: [0, 0, 10, 20], areaPx: 200, crowd: true, ignore: false },
      { imageId: 30, categoryId: 1, xywh: [5, 5, 10, 20], areaPx: 200, crowd: false, ignore: true },
    ]);
    expect(dataset.categories.map(({ name }) => name)).toEqual(['person', 'car']);
    expect(dataset.frameRateFps).toBeUndefined();
  });

  test.each([
    ['annotations.json, names relative to the dataset', { 'annotations.json': JSON.stringify({ images: [{ id: 1, file_name: 'images/a.jpg' }], annotations: [], categories: [] }), 'images/a.jpg': null }],
    ['as COCO is unpacked', { 'annotations/instances_val2017.json': JSON.stringify({ images: [{ id: 1, file_name: 'a.jpg' }] }), 'val2017/a.jpg': null, 'annotations/captions_val2017.json': '{}' }],
    ['as others unpack it', { 'annotations/instances_val2017.json': JSON.stringify({ images: [{ id: 1, file_name: 'a.jpg' }] }), 'images/val2017/a.jpg': null }],
  ])('is found %s', async (_, layout) => {
    const { kind, images } = await readDataset(folderWith(layout));
    expect(kind).toBe('coco');
    expect(images.map(({ picture: found }) => isFault(found))).toEqual([false]);
    expect(images[0]!.size).toEqual({ width: 96, height: 64 });
  });

  it('an empty picture stays in its place as a fault, with the size that is stated', async () => {
    const { images } = await readDataset(folderWith({ ...files(truth), 'images/b.jpg': '' }));
    expect(images[0]).toMatchObject({ id: 30, size: { width: 96, height: 64 }, picture: { fault: 'the file is empty' } });
    expect(isFault(images[1]!.picture)).toBe(false);
  });

  const broken = (change: (copy: typeof truth) => void): string => {
    const copy = structuredClone(truth);
    change(copy);
    return JSON.stringify(copy);
  };
  test.each([
    ['JSON with a slip: the line', '{\n "images": [],\n oops\n}', /instances\.json, line 3: /],
    ['JSON that is cut', '{\n "images": [', /instances\.json, line 2: /],
    ['no JSON at all', '', /instances\.json, line 1: /],
    ['another file', '[1, 2]', /instances\.json: the file: /],
    ['no images', '{"annotations": []}', /instances\.json: images: /],
    ['a box of three numbers', broken(({ annotations }) => void (annotations[1]!.bbox = [1, 2, 3])), /annotations\[1\]\.bbox/],
    ['a box of negative width', broken(({ annotations }) => void (annotations[1]!.bbox = [1, 2, -3, 4])), /annotations\[1\]\.bbox\[2\]/],
    ['a box of an unknown image', broken(({ annotations }) => void (annotations[2]!.image_id = 99)), /annotations\[2\]\.image_id: there is no image 99/],
    ['a box of an unknown category', broken(({ annotations }) => void (annotations[0]!.category_id = 2)), /annotations\[0\]\.category_id: there is no category 2/],
    ['an id used twice', broken(({ images }) => void (images[1]!.id = 30)), /images\[1\]\.id: 30 was used before/],
    ['a picture that is missing', broken(({ images }) => void (images[1]!.file_name = 'gone.jpg')), /images\[1\]\.file_name: there is no gone\.jpg/],
    ['a picture outside', broken(({ images }) => void (images[1]!.file_name = '../../x.jpg')), /images\[1\]\.file_name: expected a file inside the dataset/],
    ['a picture that was scaled', broken(({ images }) => void (images[1]!.width = 640)), /images\[1\]: expected a picture of 640 x 64 pixels but .*a\.jpg has 96 x 64/],
  ])('%s is told with its place', async (_, json, message) => {
    const error = await rejectionOf(readDataset(folderWith({ ...files(truth), 'instances.json': json })));
    expect(error.code).toBe('ERR_DATASET_INVALID');
    expect(error.message).toMatch(message);
  });

  it('without images is ERR_DATASET_EMPTY', async () => {
    const error = await rejectionOf(readDataset(folderWith(files({ images: [], annotations: [], categories: [] }))));
    expect(error).toMatchObject({ code: 'ERR_DATASET_EMPTY' });
  });

  it('several parts in one folder are not guessed between', async () => {
    const json = JSON.stringify({ images: [{ id: 1, file_name: 'a.jpg' }] });
    const folder = folderWith({ 'annotations/instances_a.json': json, 'annotations/instances_b.json': json, 'a/a.jpg': null, 'b/a.jpg': null });
    expect(await rejectionOf(readDataset(folder))).toMatchObject({ code: 'ERR_DATASET_INVALID' });
  });
});

describe('MOTChallenge', () => {
  const ini = '[Sequence]\r\nname=MOT17-00\r\nimDir=img1\r\nframeRate=30\r\nseqLength=3\r\nimWidth=96\r\nimHeight=64\r\nimExt=.jpg\r\n';
  const pictures = { 'img1/000001.jpg': null, 'img1/000002.jpg': null, 'img1/000010.jpg': null };

  it('frames are numbered by their names; pixels count from 1; only pedestrians that are considered are scored', async () => {
    const gt = ['1,4,11,21,30,40,1,1,0.9', '2,5,1,1,10,10,0,1,1', '2,6,1,1,10,10,1,7,1', '10,7,1,1,10,20,0,3,1', '10,8,1,1,10,20,0,9,1', '3,9,1,1,10,20,1,1,1', ''].join('\n');
    const dataset = await readDataset(folderWith({ 'seqinfo.ini': ini, 'gt/gt.txt': gt, ...pictures }));
    expect(dataset).toMatchObject({ kind: 'mot', frameRateFps: 30 });
    expect(dataset.images.map(({ id, fileName }) => [id, fileName])).toEqual([[1, '000001.jpg'], [2, '000002.jpg'], [10, '000010.jpg']]);
    expect(dataset.boxes[0]).toEqual({ imageId: 1, categoryId: 1, xywh: [10, 20, 30, 40], areaPx: 1200, crowd: false, ignore: false, trackId: 4 });
    // Not: the occluder (class 9), and frame 3, whose picture isn't here.
    expect(dataset.boxes.map(({ imageId, trackId, ignore }) => [imageId, trackId, ignore])).toEqual([[1, 4, false], [2, 5, true], [2, 6, true], [10, 7, true]]);
    expect(dataset.categories.map(({ name }) => name)).toEqual(['person', 'car']);
  });

  test.each([
    ['seven columns', '1,-1,11,21,30,40,1'],
    ['ten columns with a place in the world', '1,-1,11,21,30,40,1,-4.5,9.25,0'],
  ])('of 2015, with %s, has pedestrians only', async (_, gt) => {
    const { boxes, frameRateFps } = await readDataset(folderWith({ 'gt/gt.txt': gt, ...pictures }));
    expect(boxes).toEqual([{ imageId: 1, categoryId: 1, xywh: [10, 20, 30, 40], areaPx: 1200, crowd: false, ignore: false }]);
    expect(frameRateFps).toBeUndefined();
  });

  it('a test sequence has no truth', async () => {
    const { boxes, categories } = await readDataset(folderWith({ 'seqinfo.ini': ini, ...pictures }));
    expect([boxes, categories]).toEqual([[], []]);
  });

  test.each([
    ['a word for a number', { 'gt/gt.txt': '1,1,1,1,5,5,1,1,1\n1,2,x,1,5,5,1,1,1' }, /gt\.txt, line 2: expected a number for left but found "x"/],
    ['a line that is cut', { 'gt/gt.txt': '1,1,1' }, /gt\.txt, line 1: expected a number for top but found nothing/],
    ['a box without area', { 'gt/gt.txt': '1,1,1,1,0,5,1,1,1' }, /gt\.txt, line 1: expected a box with an area/],
    ['half a frame', { 'gt/gt.txt': '1.5,1,1,1,5,5,1,1,1' }, /gt\.txt, line 1: expected a whole number of 0 or more for the frame/],
    ['a frame rate of nothing', { 'seqinfo.ini': 'frameRate=0' }, /seqinfo\.ini, line 1: expected a positive number for frameRate/],
    ['another size', { 'seqinfo.ini': 'imWidth=1920\nimHeight=1080' }, /seqinfo\.ini: expected a picture of 1920 x 1080 pixels/],
    ['a picture without a number', { 'img1/first.jpg': null }, /first\.jpg: expected the number of the frame/],
  ])('%s is told with its place', async (_, files, message) => {
    const error = await rejectionOf(readDataset(folderWith({ 'seqinfo.ini': ini, ...pictures, ...files })));
    expect(error.code).toBe('ERR_DATASET_INVALID');
    expect(error.message).toMatch(message);
  });

  it('without pictures is ERR_DATASET_EMPTY and names their folder', async () => {
    const error = await rejectionOf(readDataset(folderWith({ 'seqinfo.ini': ini })));
    expect(error.code).toBe('ERR_DATASET_EMPTY');
    expect(error.message).toContain('img1');
  });
});

describe('KITTI tracking', () => {
  const rest = '1.5 1.6 4.0 1 1 10 -1.5';
  const labels = [
    `0 -1 DontCare -1 -1 -10 80 10 90 20 -1000 -1000 -1000 -10 -1 -1 -1`,
    `0 2 Car 0 0 -1.79 10.5 20 40.5 50 ${rest}`,
    `0 3 Van 0 0 -1.79 1 2 11 12 ${rest}`,
    `1 4 Cyclist 0 0 -1.79 1 2 11 12 ${rest}`,
    `1 5 Pedestrian 0 0 -1.79 1 2 11 12 ${rest}`,
  ].join('\n');
  const pictures = { 'image_02/0000/000000.png': null, 'image_02/0000/000001.png': null, 'image_02/0003/000000.png': null };

  it('its sequences follow each other; types become classes of COCO, neighbours are ignored', async () => {
    const dataset = await readDataset(folderWith({ ...pictures, 'label_02/0000.txt': labels, 'image_03/0000/000000.png': null }));
    expect(dataset).toMatchObject({ kind: 'kitti-tracking', frameRateFps: 10 });
    expect(dataset.images.map(({ id, fileName }) => [id, fileName])).toEqual([[0, '0000/000000.png'], [1, '0000/000001.png'], [1_000_000, '0003/000000.png']]);
    const name = (id: number): string => dataset.categories.find((category) => category.id === id)!.name;
    const summary = dataset.boxes.map(({ imageId, categoryId, ignore, crowd, trackId }) => [imageId, name(categoryId), ignore, crowd, trackId]);
    expect(summary.slice(0, 5).map((row) => row[1])).toEqual(['person', 'car', 'truck', 'bicycle', 'train']); // DontCare: of any class
    expect(summary.slice(0, 5).every(([, , ignore, crowd]) => ignore === true && crowd === true)).toBe(true);
    expect(summary.slice(5)).toEqual([
      [0, 'car', false, false, 2],
      [0, 'car', true, false, 3],
      [0, 'truck', true, false, 3],
      [1, 'person', true, false, 4],
      [1, 'bicycle', true, false, 4],
      [1, 'person', false, false, 5],
    ]);
    expect(dataset.boxes[5]).toMatchObject({ xywh: [10.5, 20, 30, 30], areaPx: 900 });
  });

  test.each([
    ['too few fields', '0 1 Car 0 0', /0000\.txt, line 1: expected 10 fields or more but found 5/],
    ['an unknown type', `0 1 Car 0 0 0 1 1 5 5 ${rest}\n\n0 1 Spaceship 0 0 0 1 1 5 5 ${rest}`, /0000\.txt, line 3: expected a type of KITTI but found Spaceship/],
    ['a box inside out', `0 1 Car 0 0 0 9 1 5 5 ${rest}`, /0000\.txt, line 1: expected a box with an area/],
  ])('%s is told with its line', async (_, text, message) => {
    const error = await rejectionOf(readDataset(folderWith({ ...pictures, 'label_02/0000.txt': text })));
    expect(error.code).toBe('ERR_DATASET_INVALID');
    expect(error.message).toMatch(message);
  });

  it('without pictures is ERR_DATASET_EMPTY', async () => {
    expect(await rejectionOf(readDataset(folderWith({ 'image_02/0000': undefined })))).toMatchObject({ code: 'ERR_DATASET_EMPTY' });
  });
});

describe('plain pictures', () => {
  it('come in the order of the numbers in their names; other and hidden files are passed over', async () => {
    const folder = folderWith({ 'img10.jpg': null, 'img2.JPG': null, 'img1.jpeg': null, 'notes.txt': 'x', '.img0.jpg': null, 'more/img3.jpg': null });
    const { kind, images, boxes, categories } = await readDataset(folder);
    expect(kind).toBe('images');
    expect(images.map(({ id, fileName }) => [id, fileName])).toEqual([[1, 'img1.jpeg'], [2, 'img2.JPG'], [3, 'img10.jpg']]);
    expect([boxes, categories]).toEqual([[], []]);
  });

  it('may lie in images/', async () => {
    const { images } = await readDataset(folderWith({ 'images/a.jpg': null, 'README.txt': 'x' }));
    expect(images.map(({ fileName }) => fileName)).toEqual(['a.jpg']);
  });

  it('faults are said apart', async () => {
    const { images } = await readDataset(folderWith({ 'a.jpg': '', 'b.jpg': '<html>', 'c.jpg': jpeg.subarray(0, 100), 'd.jpg': null }));
    expect(images.map(({ picture: found }) => (isFault(found) ? found.fault : 'fine'))).toEqual(['the file is empty', expect.stringContaining('no JPEG') as string, 'it ends within its header', 'fine']);
    expect(images[0]!.size).toBeUndefined();
  });

  it('none at all: ERR_DATASET_EMPTY; no folder: ERR_FILE_NOT_FOUND', async () => {
    expect(await rejectionOf(readDataset(folderWith({ 'notes.txt': 'x' })))).toMatchObject({ code: 'ERR_DATASET_EMPTY' });
    expect(await rejectionOf(readDataset(join(root, 'nowhere')))).toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  });
});

describe('real datasets', () => {
  const cases = [
    ['data/coco128', { kind: 'coco', images: 128, boxes: 929, frameRateFps: undefined }],
    ['data/fudanped', { kind: 'coco', images: 74, boxes: 160, frameRateFps: undefined }],
    ['data/street-train/highway_utidar', { kind: 'coco', images: 1700, boxes: 4484, frameRateFps: undefined }],
    ['data/street-train/openimages_vehicles', { kind: 'coco', images: 627, boxes: 1194, frameRateFps: undefined }],
    ['data/street-train/street_people_tud', { kind: 'coco', images: 511, boxes: 1285, frameRateFps: undefined }],
    ['data/street-train/indian_transport', { kind: 'coco', images: 220, boxes: 628, frameRateFps: undefined }],
    // 792 lines, of which 320 are occluders (classes 10 and 11).
    ['data/mot17-04', { kind: 'mot', images: 8, boxes: 472, frameRateFps: 30 }],
    ['data/street-train/idd_lite_india', { kind: 'images', images: 1500, boxes: 0, frameRateFps: undefined }],
    ['data/photos', { kind: 'images', images: 5, boxes: 0, frameRateFps: undefined }],
  ] as const;
  for (const [path, expected] of cases) {
    const folder = sharedFile(path);
    it.skipIf(!folder)(`${path}${folder ? '' : ` (${missingShared(path)})`}`, async () => {
      const { kind, images, boxes, frameRateFps } = await readDataset(folder!);
      expect({ kind, images: images.length, boxes: boxes.length, frameRateFps }).toMatchObject(expected);
      expect(images.filter(({ picture: found }) => isFault(found))).toEqual([]);
    });
  }
});
