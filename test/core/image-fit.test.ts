import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FitMode, fitImage, scaledSize } from '../../src/core/image-fit.js';

type Pair = readonly [width: number, height: number];
const size = ([width, height]: Pair) => ({ width, height });

describe('scaledSize', () => {
  test.each<[string, Pair, Pair, FitMode, Pair]>([
    ['stretch takes all of the input', [1920, 1080], [320, 320], 'stretch', [320, 320]],
    ['a letterbox keeps the shape: wide', [1920, 1080], [320, 320], 'letterbox', [320, 180]],
    ['a letterbox keeps the shape: high', [1080, 1920], [320, 320], 'letterbox', [180, 320]],
    ['the same shape needs no padding', [640, 640], [320, 320], 'letterbox', [320, 320]],
    ['top-left scales like the other', [768, 576], [416, 416], 'letterbox-top-left', [416, 312]],
    ['small pictures grow', [100, 50], [320, 320], 'letterbox', [320, 160]],
    ['odd sizes are rounded to whole pixels', [333, 251], [320, 320], 'letterbox', [320, 241]],
    ['a line keeps a pixel of height', [10_000, 1], [320, 320], 'letterbox', [320, 1]],
    ['a column keeps a pixel of width', [1, 10_000], [320, 320], 'letterbox', [1, 320]],
    ['a single pixel fills the input', [1, 1], [320, 320], 'letterbox', [320, 320]],
    ['an input that is not square', [1920, 1080], [640, 384], 'letterbox', [640, 360]],
  ])('%s', (_, source, input, mode, scaled) => {
    expect(scaledSize(size(source), size(input), mode)).toEqual(size(scaled));
  });
});

describe('fitImage', () => {
  test.each<[string, Pair, Pair, FitMode, { scale: Pair; pad: Pair }]>([
    ['stretch', [640, 480], [320, 320], 'stretch', { scale: [0.5, 2 / 3], pad: [0, 0] }],
    ['letterbox pads above and below', [640, 480], [320, 320], 'letterbox', { scale: [0.5, 0.5], pad: [0, 40] }],
    ['letterbox pads left and right', [480, 640], [320, 320], 'letterbox', { scale: [0.5, 0.5], pad: [40, 0] }],
    ['top-left does not pad in front', [640, 480], [320, 320], 'letterbox-top-left', { scale: [0.5, 0.5], pad: [0, 0] }],
    ['the odd row of padding goes below', [320, 241], [320, 320], 'letterbox', { scale: [1, 1], pad: [0, 39] }],
    ['rounding makes scales differ', [333, 251], [320, 320], 'letterbox', { scale: [320 / 333, 241 / 251], pad: [0, 39] }],
  ])('%s', (_, source, input, mode, { scale, pad }) => {
    expect(fitImage(size(source), size(input), mode)).toEqual({ scaleX: scale[0], scaleY: scale[1], padX: pad[0], padY: pad[1] });
  });

  test('puts all of the picture into the input, and fills one axis of it', () => {
    const pixels = fc.integer({ min: 1, max: 8192 });
    const modes = fc.constantFrom<FitMode>('stretch', 'letterbox', 'letterbox-top-left');
    fc.assert(
      fc.property(fc.tuple(pixels, pixels), fc.tuple(fc.integer({ min: 32, max: 1280 }), fc.integer({ min: 32, max: 1280 })), modes, (source, input, mode) => {
        const { scaleX, scaleY, padX, padY } = fitImage(size(source), size(input), mode);
        const [right, bottom] = [source[0] * scaleX + padX, source[1] * scaleY + padY];
        expect(Math.min(padX, padY)).toBe(0);
        expect(right).toBeLessThanOrEqual(input[0] + 1e-6);
        expect(bottom).toBeLessThanOrEqual(input[1] + 1e-6);
        const fills = (end: number, start: number, length: number) => start === 0 && Math.abs(end - length) < 1e-6;
        expect(fills(right, padX, input[0]) || fills(bottom, padY, input[1])).toBe(true);
        // The shape is kept to the half pixel that rounding costs (and the one pixel that is left of a line).
        if (mode !== 'stretch') expect(Math.abs(scaleX - scaleY) * Math.min(source[0], source[1])).toBeLessThanOrEqual(1);
      }),
    );
  });
});
