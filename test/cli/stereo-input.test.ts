import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frameSizeOf, stereoPoolSizes } from '../../src/cli/stereo/stereo-input.js';
import { deliveryOf, locationOf } from '../../src/cli/sources.js';

test.each([
  ['small pictures stay', { width: 640, height: 480 }, { width: 640, height: 480 }],
  ['odd sides become even', { width: 641, height: 479 }, { width: 642, height: 480 }],
  ['wide ones are made smaller, rows alike', { width: 1242, height: 375 }, { width: 960, height: 290 }],
  ['very small ones have two pixels a side', { width: 3, height: 1 }, { width: 4, height: 2 }],
])('%s', (_, recorded, frames) => expect(frameSizeOf(recorded)).toEqual(frames));

test('frames are even, no wider than 960, and of the shape of the pictures but for rounding', () => {
  const side = fc.integer({ min: 32, max: 8000 });
  fc.assert(
    fc.property(side, side, (width, height) => {
      const size = frameSizeOf({ width, height });
      expect([size.width % 2, size.height % 2]).toEqual([0, 0]);
      expect(size.width).toBeLessThanOrEqual(960);
      expect(Math.abs(size.height - (size.width * height) / width)).toBeLessThanOrEqual(1);
    }),
  );
});

const camera = (url: string) => ({ kind: 'rtsp', url }) as const;
const live = { kind: 'stereo', calibration: 'c', left: camera('rtsp://user:secret@a/left'), right: camera('rtsp://user:secret@b/right') } as const;
const files = { kind: 'stereo', calibration: 'c', left: { kind: 'file', path: 'l.mp4' }, right: { kind: 'file', path: 'r.mp4' } } as const;
const folder = { kind: 'stereo', calibration: 'c', path: 'pairs' } as const;

test('cameras are live, recordings wait for us', () => {
  expect([live, files, folder].map(deliveryOf)).toEqual(['live', 'lossless', 'lossless']);
});

test('where pairs come from is told without credentials', () => {
  expect([live, files, folder].map(locationOf)).toEqual([expect.not.stringContaining('secret') as string, 'l.mp4 and r.mp4', 'pairs']);
  expect(locationOf(live)).toMatch(/a\/left and .*b\/right/);
});

test('each side that comes by itself has a pool of its own, cameras with room for frames that wait', () => {
  expect([live, files, folder].map((source) => stereoPoolSizes(source, 6))).toEqual([[10, 10], [6, 6], [12]]);
});
