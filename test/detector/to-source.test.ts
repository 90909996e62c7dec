import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitImage } from '../../src/core/image-fit.js';
import type { FitMode } from '../../src/core/image-fit.js';
import { toSourceDetections } from '../../src/detector/to-source.js';

const INPUT = { width: 320, height: 320 };

function convert(box: readonly number[], mode: FitMode, source: { width: number; height: number }) {
  const boxes = { count: 1, xyxy: Float32Array.from(box), confidence: Float32Array.of(0.5), classId: Int32Array.of(7) };
  return toSourceDetections(boxes, Int32Array.of(0), fitImage(source, INPUT, mode), source);
}

describe('boxes in source pixels', () => {
  const wide = { width: 640, height: 320 };
  test.each<[reason: string, mode: FitMode, box: number[], expected: number[]]>([
    ['stretch: each axis by its own scale', 'stretch', [32, 32, 64, 64], [64, 32, 128, 64]],
    ['letterbox: padding above is taken off', 'letterbox', [32, 80, 64, 112], [64, 0, 128, 64]],
    ['letterbox top left: no padding before', 'letterbox-top-left', [32, 0, 64, 32], [64, 0, 128, 64]],
    ['cut at the borders', 'stretch', [-10, -10, 400, 400], [0, 0, 640, 320]],
    ['what reaches into the padding is cut at the picture', 'letterbox', [0, 0, 320, 120], [0, 0, 640, 80]],
  ])('%s', (_, mode, box, expected) => {
    const detections = convert(box, mode, wide);
    expect([...detections.xyxy]).toEqual(expected);
    expect(detections).toMatchObject({ count: 1, boxesBeforeNms: 1 });
    expect([...detections.classId]).toEqual([7]);
  });

  test.each<[reason: string, mode: FitMode, box: number[]]>([
    ['wholly in the padding', 'letterbox', [10, 10, 100, 70]],
    ['left of the picture', 'stretch', [-20, 0, -10, 10]],
    ['only touching the border', 'stretch', [320, 0, 330, 10]],
  ])('%s: left out', (_, mode, box) => {
    const detections = convert(box, mode, wide);
    expect(detections.count).toBe(0);
    expect(detections.xyxy).toHaveLength(0);
    expect(detections.confidence).toHaveLength(0);
    expect(detections.boxesBeforeNms).toBe(1);
  });

  test('the kept order is that of the indices, and arrays are exactly as long as needed', () => {
    const boxes = {
      count: 3,
      xyxy: Float32Array.of(0, 0, 10, 10, -9, 0, -5, 10, 5, 5, 20, 20, 99, 99, 99, 99),
      confidence: Float32Array.of(0.2, 0.5, 0.9, 99),
      classId: Int32Array.of(1, 2, 3, 99),
    };
    const detections = toSourceDetections(boxes, Int32Array.of(2, 1, 0), { scaleX: 1, scaleY: 1, padX: 0, padY: 0 }, INPUT);
    expect([...detections.xyxy]).toEqual([5, 5, 20, 20, 0, 0, 10, 10]);
    expect([...detections.confidence]).toEqual([Math.fround(0.9), Math.fround(0.2)]);
    expect([...detections.classId]).toEqual([3, 1]);
    expect(detections.boxesBeforeNms).toBe(3);
  });

  test('a source box put into the input comes back', () => {
    const size = fc.record({ width: fc.integer({ min: 8, max: 4000 }), height: fc.integer({ min: 8, max: 4000 }) });
    const fraction = fc.double({ min: 0, max: 0.45, noNaN: true });
    fc.assert(
      fc.property(size, fc.constantFrom<FitMode>('stretch', 'letterbox', 'letterbox-top-left'), fraction, fraction, (source, mode, x, y) => {
        const fit = fitImage(source, INPUT, mode);
        const box = [x * source.width, y * source.height, (x + 0.5) * source.width, (y + 0.5) * source.height] as const;
        const input = [box[0] * fit.scaleX + fit.padX, box[1] * fit.scaleY + fit.padY, box[2] * fit.scaleX + fit.padX, box[3] * fit.scaleY + fit.padY];
        const back = convert(input, mode, source);
        expect(back.count).toBe(1);
        // A float32 of an input pixel is good to 3e-5; a scale of 1/4000 * 320 makes that 4e-4 source pixels, thin pictures up to 1e-2.
        box.forEach((value, i) => expect(Math.abs(back.xyxy[i]! - value)).toBeLessThan(Math.max(source.width, source.height) * 1e-5));
      }),
    );
  });
});
