import { describe, expect, test } from 'vitest';
import { Frame, type FrameFacts, frameBytes, StereoFrame } from '../../src/core/frame.js';
import { FramePool } from '../../src/core/frame-pool.js';

const format = { size: { width: 4, height: 2 }, fit: 'stretch', padValue: 0 } as const;

function makeFrame(pool: FramePool, facts: Partial<FrameFacts> = {}): Frame {
  return new Frame(
    {
      source: 'test',
      sequence: 5,
      ptsUs: 200_000,
      capture: { epochMs: 1_700_000_000_000, clock: 'dataset', uncertaintyMs: 0 },
      firstByteMs: 1,
      arrivedMs: 2,
      sourceSize: { width: 8, height: 4 },
      format,
      fit: { scaleX: 0.5, scaleY: 0.5, padX: 0, padY: 0 },
      ...facts,
    },
    pool.acquire()!,
  );
}

test('a frame has three planes of a byte a pixel', () => {
  expect(frameBytes(format)).toBe(24);
});

test('a frame carries its facts', () => {
  const pool = new FramePool(2, 24);
  expect(makeFrame(pool)).toMatchObject({ source: 'test', sequence: 5, ptsUs: 200_000, sourceSize: { width: 8, height: 4 } });
  expect('image' in makeFrame(pool, { image: { id: 3, fileName: 'a.jpg' } })).toBe(true);
});

describe('ownership', () => {
  test('the buffer goes back when the last owner has released', () => {
    const pool = new FramePool(2, 24);
    const frame = makeFrame(pool);
    expect(frame.retain()).toBe(frame);
    frame.release();
    expect([pool.inUse, frame.pixels.length]).toEqual([1, 24]);
    frame.release();
    expect(pool.inUse).toBe(0);
  });

  test.each<[string, (frame: Frame) => unknown, string]>([
    ['released twice', (frame) => frame.release(), 'frame 5 was released twice'],
    ['retained after its release', (frame) => frame.retain(), 'frame 5 was retained after its release'],
    ['read after its release', (frame) => frame.pixels, 'frame 5 was read after its release'],
  ])('a frame that is %s: a mistake that says so', (_, misuse, message) => {
    const pool = new FramePool(2, 24);
    const frame = makeFrame(pool);
    frame.release();
    expect(() => misuse(frame)).toThrow(message);
    expect(pool.inUse).toBe(0);
  });

  test('a stereo frame owns both of its pictures', () => {
    const pool = new FramePool(2, 24);
    const pair = new StereoFrame(makeFrame(pool, { ptsUs: 1_000 }), makeFrame(pool, { ptsUs: 1_250 }));
    expect(pair.skewUs).toBe(250);
    expect(pair.retain()).toBe(pair);
    pair.release();
    expect(pool.inUse).toBe(2);
    pair.release();
    expect(pool.inUse).toBe(0);
    expect(() => pair.release()).toThrow('released twice');
  });
});
