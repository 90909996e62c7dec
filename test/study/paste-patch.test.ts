import { describe, expect, test } from 'vitest';
import { patchOf, patchPaster } from '../../src/cli/study/paste-patch.js';
import { type FitMode, fitImage } from '../../src/core/image-fit.js';

const input = { width: 64, height: 64 };

describe('a patch in the middle of every picture', () => {
  test.each<[string, { width: number; height: number }, FitMode]>([
    ['a square picture', { width: 640, height: 640 }, 'letterbox'],
    ['a wide one, with bars', { width: 1280, height: 720 }, 'letterbox'],
    ['a wide one, stretched', { width: 1280, height: 720 }, 'stretch'],
    ['a small one', { width: 40, height: 30 }, 'letterbox'],
  ])('%s', async (_, sourceSize, mode) => {
    const fit = fitImage(sourceSize, input, mode);
    const paste = patchPaster(await patchOf({}, 1));
    const format = { size: input, fit: mode, padValue: 114 };
    const pixels = new Uint8Array(3 * input.width * input.height).fill(7);
    paste(pixels, format, { fit, sourceSize });
    const changed = Array.from({ length: input.width * input.height }, (_unused, i) => [0, 1, 2].some((plane) => pixels[plane * input.width * input.height + i] !== 7));
    const columns = changed.flatMap((is, i) => (is ? [i % input.width] : []));
    const rows = changed.flatMap((is, i) => (is ? [Math.floor(i / input.width)] : []));
    const side = 0.3 * Math.min(sourceSize.width, sourceSize.height);
    // Whole pixels inside of the square: one less at each edge at most.
    expect(Math.max(...columns) - Math.min(...columns) + 1).toBeGreaterThan(side * fit.scaleX - 2);
    expect(Math.max(...columns) - Math.min(...columns) + 1).toBeLessThanOrEqual(side * fit.scaleX);
    expect(Math.max(...rows) - Math.min(...rows) + 1).toBeLessThanOrEqual(side * fit.scaleY);
    expect((Math.max(...columns) + Math.min(...columns)) / 2).toBeCloseTo(31.5, 0);
    expect((Math.max(...rows) + Math.min(...rows)) / 2).toBeCloseTo(31.5, 0);

    const again = new Uint8Array(pixels.length).fill(7);
    paste(again, format, { fit, sourceSize });
    expect(again).toEqual(pixels);
  });
});
