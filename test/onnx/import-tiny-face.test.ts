import { expect, test } from 'vitest';
import { importTinyFace } from '../../src/onnx/import/import-tiny-face.js';
import { goldenPicture, packageFile, packageShards, readGolden, type TinyFaceGolden } from './goldens.js';
import { runModel, toPlanes } from './support.js';

const MANIFEST = packageFile('face-api/model/tiny_face_detector_model-weights_manifest.json').toString();
const golden = readGolden('tiny-face') as TinyFaceGolden;

test.each(Object.keys(golden.cases))('%s: the grid equals what TensorFlow.js computes with the steps of face-api', async (name) => {
  const { onnx, input } = importTinyFace(MANIFEST, packageShards('face-api/model'));
  const { shape, grid } = golden.cases[name]!;
  const [, height, width, channels] = shape;
  expect([height, width, channels]).toEqual([13, 13, 25]);
  const pixels = toPlanes(await goldenPicture(name, 416), [0, 1, 2]);
  const planes = Float32Array.from(pixels, (value, i) => (value - input.mean[Math.floor(i / (416 * 416))]!) * input.scale);
  const found = (await runModel(onnx, planes, [1, 3, 416, 416]))['grid']!;
  expect(found.dims).toEqual([1, 25, 13, 13]);
  expect(grid.length).toBeGreaterThan(50);
  for (const [index, value] of grid) {
    const [pixel, channel] = [Math.floor(index / 25), index % 25];
    expect(Math.abs(found.data[channel * 169 + pixel]! - value)).toBeLessThan(golden.tolerance.map);
  }
});

test('anchors are in pixels, faces have no classes', () => {
  const { head, classCount } = importTinyFace(MANIFEST, packageShards('face-api/model'));
  expect(head.classes).toBe(false);
  expect(classCount).toBe(1);
  expect(head.scales![0]!.anchors![0]).toEqual([1.603231 * 32, 2.094468 * 32]);
});

test('weights of another network are refused by name', () => {
  const other = MANIFEST.replace('"conv5/bias"', '"conv6/bias"');
  expect(() => importTinyFace(other, packageShards('face-api/model'))).toThrow(expect.objectContaining({ code: 'ERR_MODEL_IMPORT', message: expect.stringContaining('conv5/bias') as string }) as Error);
});
