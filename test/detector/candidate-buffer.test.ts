import { describe, expect, test } from 'vitest';
import { CandidateBuffer } from '../../src/detector/candidate-buffer.js';

describe('candidates', () => {
  test.each<[reason: string, box: [number, number, number, number], confidence: number, accepted: boolean]>([
    ['an ordinary box', [0, 0, 10, 10], 0.5, true],
    ['outside the input: clipping comes later', [-20, -20, -10, -10], 0.5, true],
    ['full confidence', [0, 0, 1, 1], 1, true],
    ['confidence 0', [0, 0, 10, 10], 0, false],
    ['negative confidence', [0, 0, 10, 10], -0.1, false],
    ['confidence NaN', [0, 0, 10, 10], NaN, false],
    ['confidence Infinity', [0, 0, 10, 10], Infinity, false],
    ['no width', [5, 0, 5, 10], 0.5, false],
    ['no height', [0, 5, 10, 5], 0.5, false],
    ['negative width', [6, 0, 5, 10], 0.5, false],
    ['NaN left', [NaN, 0, 10, 10], 0.5, false],
    ['NaN bottom', [0, 0, 10, NaN], 0.5, false],
    ['infinitely wide', [-Infinity, 0, Infinity, 10], 0.5, false],
    ['wider than a float32 holds', [-1e39, 0, 1e39, 10], 0.5, false],
    ['higher than a float32 holds', [0, 0, 10, 1e39], 0.5, false],
    ['above what a float32 holds', [0, -1e39, 10, 10], 0.5, false],
  ])('%s', (_, box, confidence, accepted) => {
    const found = new CandidateBuffer();
    found.add(...box, confidence, 3);
    expect(found.count).toBe(accepted ? 1 : 0);
    if (accepted) expect([...found.xyxy.subarray(0, 4), found.confidence[0], found.classId[0]]).toEqual([...box, confidence, 3]);
  });

  test('grown buffers keep what they had; clear keeps the room', () => {
    const found = new CandidateBuffer();
    for (let i = 0; i < 1000; i += 1) found.add(i, 0, i + 1, 1, 0.5, i);
    expect(Array.from({ length: 1000 }, (_, i) => found.xyxy[i * 4])).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(Array.from({ length: 1000 }, (_, i) => found.classId[i])).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    const { xyxy } = found;
    found.clear();
    expect(found.count).toBe(0);
    for (let i = 0; i < 1000; i += 1) found.add(i, 0, i + 1, 1, 0.5, i);
    expect(found.xyxy).toBe(xyxy);
  });
});
