import { describe, expect, test } from 'vitest';
import { Frame } from '../../src/core/frame.js';
import { joinTile, type PixelArea, placeTile, tileFrame } from '../../src/redundancy/tile.js';
import { detectionsOf, FIT, FORMAT, SIZE } from './scene.js';

const TILE = { width: 160, height: 128 };
const PLACE = { left: 80, top: 64, ...TILE };

describe('a tile is placed', () => {
  test.each<[string, PixelArea, unknown]>([
    ['around what it has to show', [100, 100, 140, 140], { left: 40, top: 56 }],
    ['inside the input at its left upper corner', [0, 0, 10, 10], { left: 0, top: 0 }],
    ['inside the input at its right lower corner', [300, 230, 320, 240], { left: 160, top: 112 }],
    ['where it fits exactly', [20, 30, 180, 158], { left: 20, top: 30 }],
    ['nowhere: too wide', [20, 30, 181, 100], undefined],
    ['nowhere: too high', [20, 30, 100, 159], undefined],
  ])('%s', (_, area, place) => {
    const placed = placeTile(area, TILE, SIZE);
    if (place === undefined) expect(placed).toBeUndefined();
    else expect(placed).toEqual({ ...(place as object), ...TILE });
  });
});

test('a tile shows the pixels of its place, and boxes found in it are in pixels of the source', () => {
  const plane = SIZE.width * SIZE.height;
  const pixels = Uint8Array.from({ length: 3 * plane }, (_, i) => (i * 7 + (i >> 8)) & 255);
  const facts = { source: 's', sequence: 1, ptsUs: 5, capture: { epochMs: undefined, clock: 'host', uncertaintyMs: undefined }, firstByteMs: 0, arrivedMs: 0, sourceSize: SIZE, format: FORMAT, fit: FIT } as const;
  const frame = new Frame(facts, { bytes: pixels, free: () => undefined });
  const part = tileFrame(frame, PLACE, new Uint8Array(3 * TILE.width * TILE.height));
  expect(part.format.size).toEqual(TILE);
  for (const [p, x, y] of [[0, 0, 0], [1, 159, 0], [2, 17, 127], [2, 159, 127]] as const) {
    expect(part.pixels[p * TILE.width * TILE.height + y * TILE.width + x]).toBe(pixels[p * plane + (64 + y) * SIZE.width + 80 + x]);
  }
  // Input = source * scale + pad: the tile's corner is the source's (80, 64).
  expect([0 - part.fit.padX, 0 - part.fit.padY]).toEqual([80, 64]);
});

describe('boxes of a tile are joined with those known outside', () => {
  const box = (x: number, y: number, width: number, height: number) => ({ x, y, width, height });
  test.each([
    ['inside, what was found counts', [box(100, 80, 20, 20)], [box(130, 90, 20, 20)], [[130, 90]]],
    ['inside, what is gone is gone', [box(100, 80, 20, 20)], [], []],
    ['outside, what is known stays', [box(5, 5, 20, 20)], [box(130, 90, 20, 20)], [[5, 5], [130, 90]]],
    ['a known one that reaches out stays, and the part of it that was found goes', [box(60, 80, 60, 60)], [box(81, 80, 38, 60)], [[60, 80]]],
    ['cut at the left border of the tile', [], [box(80, 100, 10, 10)], undefined],
    ['something unknown that is cut has to be seen whole', [], [box(200, 100, 40, 30)], undefined],
  ])('%s', (_, known, found, expected) => {
    const joined = joinTile(detectionsOf(known), detectionsOf(found), PLACE, FIT, SIZE);
    if (expected === undefined) expect(joined).toBeUndefined();
    else expect(Array.from({ length: joined!.count }, (__, i) => [joined!.xyxy[4 * i], joined!.xyxy[4 * i + 1]])).toEqual(expected);
  });

  test('the border of the picture cuts nothing', () => {
    const corner = { left: 0, top: 0, ...TILE };
    expect(joinTile(detectionsOf([]), detectionsOf([box(0, 0, 30, 30)]), corner, FIT, SIZE)?.count).toBe(1);
  });

  test('the most confident come first', () => {
    const known = { ...detectionsOf([box(5, 5, 20, 20)]), confidence: Float32Array.of(0.3) };
    const joined = joinTile(known, detectionsOf([box(130, 90, 20, 20)]), PLACE, FIT, SIZE)!;
    expect([...joined.confidence]).toEqual([Math.fround(0.8), Math.fround(0.3)]);
  });
});
