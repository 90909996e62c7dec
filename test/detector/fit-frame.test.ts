import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitImage, type FitMode } from '../../src/core/image-fit.js';
import { fitFrame, fittedFit, planFitting } from '../../src/detector/fit-frame.js';

/** Three planes of one size, a value each. */
function planes({ width, height }: { width: number; height: number }, valueAt: (x: number, y: number, plane: number) => number): Uint8Array {
  return Uint8Array.from({ length: 3 * width * height }, (_, i) => valueAt(i % width, Math.floor(i / width) % height, Math.floor(i / (width * height))));
}

describe('a whole picture in the input of a model', () => {
  test.each<[FitMode, number, number]>([
    ['stretch', 0, 64],
    ['letterbox', 17, 29],
    ['letterbox-top-left', 0, 29],
  ])('by %s lies where it should, and the rest is padded', (mode, top, rows) => {
    const from = { width: 88, height: 40 };
    const input = { width: 64, height: 64 };
    const out = new Uint8Array(3 * 64 * 64).fill(7);
    fitFrame(planes(from, (_x, _y, plane) => 50 * (plane + 1)), planFitting(from, input, mode), out, 114);
    expect(out).toEqual(planes(input, (_x, y, plane) => (y >= top && y < top + rows ? 50 * (plane + 1) : 114)));
  });

  test('made smaller by more than half is averaged first: a fine chequer is grey and not one of its colours', () => {
    const from = { width: 88, height: 40 };
    const input = { width: 22, height: 10 };
    const out = new Uint8Array(3 * 220);
    fitFrame(planes(from, (x, y) => 200 * ((x + y) % 2)), planFitting(from, input, 'stretch'), out, 0);
    expect([...new Set(out)]).toEqual([100]);
  });

  test('of the size of the input is the same', () => {
    const size = { width: 16, height: 12 };
    const frame = planes(size, (x, y, plane) => 10 * x + y + plane);
    const out = new Uint8Array(frame.length);
    fitFrame(frame, planFitting(size, size, 'letterbox'), out, 0);
    expect(out).toEqual(frame);
  });

  test('shows a point of the picture where its fit says', () => {
    const from = { width: 96, height: 60 };
    const input = { width: 80, height: 80 };
    const fitting = planFitting(from, input, 'letterbox');
    const frame = planes(from, (x, y) => (x >= 48 && y >= 30 ? 255 : 0));
    const out = new Uint8Array(3 * 80 * 80);
    fitFrame(frame, fitting, out, 0);
    // The pictures were recorded at twice the size of the frames.
    const { scaleX, scaleY, padX, padY } = fittedFit(fitImage({ width: 192, height: 120 }, from, 'stretch'), fitting);
    const at = (x: number, y: number): number => out[Math.round(y * scaleY + padY) * 80 + Math.round(x * scaleX + padX)]!;
    expect([at(90, 56), at(102, 56), at(90, 64), at(102, 64)]).toEqual([0, 0, 0, 255]);
  });
});

test('whatever the sizes, all of the input is written with what the picture or the padding has', () => {
  const side = fc.integer({ min: 16, max: 80 });
  const size = fc.record({ width: side, height: side });
  fc.assert(
    fc.property(size, size, fc.constantFrom<FitMode>('stretch', 'letterbox', 'letterbox-top-left'), fc.nat(255), (from, input, mode, level) => {
      const out = new Uint8Array(3 * input.width * input.height).fill(1);
      fitFrame(planes(from, () => level), planFitting(from, input, mode), out, 114);
      for (const value of out) if (value !== level && value !== 114) throw new Error(`${value} is neither`);
    }),
  );
});
