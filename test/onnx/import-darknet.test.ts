import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { importDarknet } from '../../src/onnx/import-darknet.js';
import { hasShared, largestDifference, pseudoRandom, runModel, SHARED, toPlanes, WITHOUT_SHARED } from './support.js';

const read = (path: string): Buffer => readFileSync(`${SHARED}${path}`);

describe.skipIf(!hasShared)(`published networks equal an independent conversion${hasShared ? '' : ` (skipped: ${WITHOUT_SHARED})`}`, () => {
  test.each(['yolo-fastest-1.1', 'yolo-fastest-1.1-xl'])('%s: raw heads differ by less than 1e-4', async (name) => {
    const stem = `models/${name}/${name}`;
    const imported = importDarknet(read(`${stem}.cfg`).toString(), read(`${stem}.weights`));
    const oracle = read(`${stem}.onnx`);
    const photo = await sharp(`${SHARED}data/photos/dog.jpg`).resize(320, 320, { fit: 'fill' }).removeAlpha().raw().toBuffer();
    const inputs = [pseudoRandom(3 * 320 * 320), Float32Array.from(toPlanes(photo, [0, 1, 2]), (value) => value / 255)];
    for (const input of inputs) {
      const actual = await runModel(imported.onnx, input, [1, 3, 320, 320]);
      const expected = await runModel(oracle, input, [1, 3, 320, 320]);
      expect(largestDifference(actual['yolo_0']!.data, expected['head_10x10']!.data)).toBeLessThan(1e-4);
      expect(largestDifference(actual['yolo_1']!.data, expected['head_20x20']!.data)).toBeLessThan(1e-4);
    }
    expect(imported.classCount).toBe(80);
    expect(imported.input).toEqual({ name: 'images', layout: 'nchw', dtype: 'float32', width: 320, height: 320, color: 'rgb', scale: 1 / 255, mean: [0, 0, 0], fit: 'stretch', padValue: 127 });
    expect(imported.head).toEqual({
      kind: 'darknet',
      scales: [
        { output: 'yolo_0', stride: 32, anchors: [[115, 73], [119, 199], [242, 238]] },
        { output: 'yolo_1', stride: 16, anchors: [[12, 18], [37, 49], [52, 132]] },
      ],
    });
  });
});
