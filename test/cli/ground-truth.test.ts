import { expect, it } from 'vitest';
import { toCocoDataset } from '../../src/cli/ground-truth.js';
import { parseCocoDataset } from '../../src/evaluation/coco-dataset.js';
import type { Dataset } from '../../src/sources/dataset/dataset.js';

const dataset: Dataset = {
  kind: 'mot',
  folder: '/data',
  frameRateFps: 30,
  images: [
    { id: 4, fileName: 'a.jpg', size: { width: 96, height: 64 }, picture: { path: '/data/a.jpg', codec: 'mjpeg', orientation: 1, size: { width: 96, height: 64 } } },
    { id: 5, fileName: 'b.jpg', size: undefined, picture: { path: '/data/b.jpg', fault: 'the file is empty' } },
  ],
  categories: [{ id: 1, name: 'person' }],
  boxes: [
    { imageId: 4, categoryId: 1, xywh: [1, 2, 3, 4], areaPx: 11, crowd: false, ignore: false, trackId: 9 },
    { imageId: 4, categoryId: 1, xywh: [1, 2, 3, 4], areaPx: 12, crowd: true, ignore: false },
    { imageId: 5, categoryId: 1, xywh: [1, 2, 3, 4], areaPx: 12, crowd: false, ignore: true },
  ],
};

it('ground truth becomes a dataset of COCO; what is ignored becomes a crowd', () => {
  const coco = toCocoDataset(dataset);
  expect(coco.images).toEqual([{ id: 4, file_name: 'a.jpg', width: 96, height: 64 }, { id: 5, file_name: 'b.jpg' }]);
  expect(coco.annotations).toEqual([
    { image_id: 4, category_id: 1, bbox: [1, 2, 3, 4], area: 11, iscrowd: 0 },
    { image_id: 4, category_id: 1, bbox: [1, 2, 3, 4], area: 12, iscrowd: 1 },
    { image_id: 5, category_id: 1, bbox: [1, 2, 3, 4], area: 12, iscrowd: 1 },
  ]);
  expect(parseCocoDataset(coco, 'dataset')).toEqual(coco);
});
