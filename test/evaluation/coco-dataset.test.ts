import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AppError } from '../../src/core/errors.js';
import { parseCocoDataset, readCocoDataset } from '../../src/evaluation/coco-dataset.js';
import { categoryIdsOfLabels, toCocoResults } from '../../src/evaluation/coco-results.js';

const coded = (code: string, message: RegExp) => expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as AppError;

describe('ground truth', () => {
  const valid = {
    info: 'passed over',
    images: [{ id: 1, file_name: 'a.jpg', license: 3 }],
    annotations: [{ id: 5, image_id: 1, category_id: 1, bbox: [1, 2, 3, 4], area: 9, iscrowd: 0, segmentation: [] }],
    categories: [{ id: 1, name: 'person', supercategory: 'person' }],
  };

  test('what is not needed is passed over', () => {
    expect(parseCocoDataset(valid, 'x').annotations).toEqual([{ image_id: 1, category_id: 1, bbox: [1, 2, 3, 4], area: 9, iscrowd: 0 }]);
  });

  test.each<[reason: string, value: unknown, code: string, message: RegExp]>([
    ['not an object', [], 'ERR_DATASET_INVALID', /^gt\.json: /],
    ['no annotations', { ...valid, annotations: undefined }, 'ERR_DATASET_INVALID', /gt\.json: annotations: /],
    ['a box of three numbers', { ...valid, annotations: [{ ...valid.annotations[0], bbox: [1, 2, 3] }] }, 'ERR_DATASET_INVALID', /annotations\.0\.bbox/],
    ['a word for a number', { ...valid, images: [{ id: 'one', file_name: 'a' }] }, 'ERR_DATASET_INVALID', /images\.0\.id/],
    ['no images', { ...valid, images: [] }, 'ERR_DATASET_EMPTY', /gt\.json has no images/],
  ])('%s', (_, value, code, message) => {
    expect(() => parseCocoDataset(value, 'gt.json')).toThrow(coded(code, message));
  });

  describe('from a file', () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'lynceus-gt-'));
      await writeFile(join(folder, 'good.json'), JSON.stringify(valid));
      await writeFile(join(folder, 'cut.json'), JSON.stringify(valid).slice(0, 40));
    });
    afterAll(() => rm(folder, { recursive: true }));

    test('good', async () => expect((await readCocoDataset(join(folder, 'good.json'))).images).toHaveLength(1));
    test('cut off', async () => expect(readCocoDataset(join(folder, 'cut.json'))).rejects.toThrow(coded('ERR_DATASET_INVALID', /cut\.json is not JSON/)));
    test('missing', async () => expect(readCocoDataset(join(folder, 'none.json'))).rejects.toThrow(coded('ERR_FILE_NOT_FOUND', /none\.json/)));
  });
});

describe('detections in the format of results', () => {
  const categories = [{ id: 1, name: 'person' }, { id: 4, name: 'motorcycle' }, { id: 72, name: 'tv' }, { id: 90, name: 'toothbrush' }];

  test.each<[reason: string, label: string, id: number | undefined]>([
    ['equal name', 'toothbrush', 90],
    ['case and space', ' Person ', 1],
    ["Darknet's own name", 'motorbike', 4],
    ["another of Darknet's", 'tvmonitor', 72],
    ['unknown', 'ambulance', undefined],
  ])('label by name: %s', (_, label, id) => {
    expect(categoryIdsOfLabels([label], categories)).toEqual([id]);
  });

  test('boxes as left, top, width, height; unknown labels and what lies beyond the count are left out', () => {
    const detections = {
      count: 2,
      xyxy: Float32Array.of(1, 2, 4, 8, 0, 0, 1, 1, 9, 9, 9, 9),
      confidence: Float32Array.of(0.5, 0.25, 1),
      classId: Int32Array.of(1, 0, 1),
      boxesBeforeNms: 5,
    };
    expect(toCocoResults(77, detections, [undefined, 90])).toEqual([{ image_id: 77, category_id: 90, bbox: [1, 2, 3, 6], score: 0.5 }]);
  });
});
