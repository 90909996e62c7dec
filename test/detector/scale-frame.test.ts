import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planScaling, scaleFit, scaleFrame } from '../../src/detector/scale-frame.js';

const size = (width: number, height: number) => ({ width, height });

function scaled(frame: readonly number[], from: { width: number; height: number }, to: { width: number; height: number }): number[] {
  const out = new Uint8Array((frame.length / (from.width * from.height)) * to.width * to.height);
  scaleFrame(Uint8Array.from(frame), planScaling(from, to), out);
  return [...out];
}

describe('scaleFrame', () => {
  test.each<[string, number[], ReturnType<typeof size>, ReturnType<typeof size>, number[]]>([
    ['the same size is the same picture', [1, 2, 3, 4], size(2, 2), size(2, 2), [1, 2, 3, 4]],
    ['half the size is the mean of four', [10, 20, 30, 40], size(2, 2), size(1, 1), [25]],
    ['each plane by itself', [10, 20, 30, 40, 1, 1, 1, 1], size(2, 2), size(1, 1), [25, 1]],
    ['the sides each by its own ratio', [0, 100, 0, 100, 50, 50, 50, 50], size(4, 2), size(2, 2), [50, 50, 50, 50]],
    ['larger: the border is repeated, between is blended', [0, 128, 0, 128], size(2, 2), size(4, 2), [0, 32, 96, 128, 0, 32, 96, 128]],
  ])('%s', (_, frame, from, to, expected) => {
    expect(scaled(frame, from, to)).toEqual(expected);
  });

  test('nothing is brighter or darker than what it is made of, and one colour stays', () => {
    const side = fc.integer({ min: 2, max: 24 });
    fc.assert(
      fc.property(side, side, side, side, fc.integer(), fc.boolean(), (width, height, toWidth, toHeight, seed, isOneColour) => {
        const frame = Array.from({ length: 3 * width * height }, (_, i) => (isOneColour ? seed & 255 : (Math.imul(i + 1, seed | 1) >>> 16) & 255));
        const out = scaled(frame, size(width, height), size(toWidth, toHeight));
        expect(Math.min(...out)).toBeGreaterThanOrEqual(Math.min(...frame));
        expect(Math.max(...out)).toBeLessThanOrEqual(Math.max(...frame));
      }),
    );
  });

  test('a ramp stays a ramp, to a grey level', () => {
    const from = size(64, 2);
    const out = scaled(Array.from({ length: 128 }, (_, i) => 3 * (i % 64)), from, size(40, 2));
    // A pixel's centre is at half: x of the small picture is 1.6 * (x + .5) - .5 of the large one.
    out.slice(0, 40).forEach((grey, x) => expect(Math.abs(grey - 3 * (1.6 * (x + 0.5) - 0.5))).toBeLessThanOrEqual(1));
  });
});

test('a box comes back to where it was', () => {
  const scaling = planScaling(size(640, 640), size(448, 384));
  const fit = { scaleX: 0.5, scaleY: 0.5, padX: 0, padY: 80 };
  const small = scaleFit(fit, scaling);
  const [x, y] = [100, 200];
  const inFrame = [x * fit.scaleX + fit.padX, y * fit.scaleY + fit.padY] as const;
  const inSmall = [(inFrame[0] * 448) / 640, (inFrame[1] * 384) / 640] as const;
  expect((inSmall[0] - small.padX) / small.scaleX).toBeCloseTo(x, 9);
  expect((inSmall[1] - small.padY) / small.scaleY).toBeCloseTo(y, 9);
});
