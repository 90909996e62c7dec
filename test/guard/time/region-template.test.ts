import { describe, expect, test } from 'vitest';
import { describeRegion, TEMPLATE_CELLS, updateTemplate, type RegionTemplate } from '../../../src/guard/time/region-template.js';
import { templateSimilarity } from '../../../src/guard/time/template-similarity.js';
import { paste, plainTexture, randomTexture, scene, type Texture } from './scene.js';

const SIZE = { width: 60, height: 60 };
const BOX = { centreX: 30, centreY: 30, width: 20, height: 20 };
const CELLS = TEMPLATE_CELLS * TEMPLATE_CELLS;

function templateOf(texture: Texture): RegionTemplate {
  const planes = scene(SIZE, plainTexture([120, 120, 120]));
  paste(planes, SIZE, texture, BOX);
  return describeRegion(planes, SIZE, BOX);
}

function changed({ cells, firstCells }: RegionTemplate, change: (level: number) => number): RegionTemplate {
  return { cells: cells.map(change), firstCells };
}

describe('describeRegion', () => {
  test('holds what is there: the planes apart, the region in the middle, its surroundings around it', () => {
    const { cells } = templateOf(plainTexture([200, 50, 10]));
    const middle = 7 * TEMPLATE_CELLS + 7;
    expect([cells[middle], cells[CELLS + middle], cells[2 * CELLS + middle]]).toEqual([200, 50, 10]);
    expect([cells[0], cells[CELLS], cells[2 * CELLS]]).toEqual([120, 120, 120]);
  });

  test('a slope stays a slope, to a fraction of a level', () => {
    const planes = Uint8Array.from({ length: 3 * SIZE.width * SIZE.height }, (_, i) => 4 * (i % SIZE.width));
    const { cells } = describeRegion(planes, SIZE, { centreX: 30.25, centreY: 30, width: 10, height: 10 });
    // A cell is a pixel; the first is six and a half of them left of the centre, whose pixels begin at their index.
    for (let column = 0; column < TEMPLATE_CELLS; column += 1) expect(cells[column]).toBeCloseTo(4 * (30.25 - 6.5 - 0.5 + column), 3);
  });

  test('beyond the border the picture goes on as it ends', () => {
    const planes = scene(SIZE, plainTexture([9, 99, 199]));
    const { cells } = describeRegion(planes, SIZE, { centreX: -50, centreY: 100, width: 10, height: 30 });
    expect([...new Set(cells)]).toEqual([9, 99, 199]);
  });

  test('can be posted to a worker', () => {
    const template = templateOf(randomTexture(4, 5));
    expect(structuredClone(template)).toEqual(template);
  });
});

describe('templateSimilarity', () => {
  const texture = templateOf(randomTexture(4, 5));
  const plain = (...levels: [number, number, number]): RegionTemplate => describeRegion(scene(SIZE, plainTexture(levels)), SIZE, BOX);

  test.each<[string, RegionTemplate, RegionTemplate, least: number, most: number]>([
    ['the same', texture, texture, 0.999999, 1],
    ['darker', texture, changed(texture, (level) => 0.6 * level), 0.9, 1],
    ['of less contrast', texture, changed(texture, (level) => 60 + 0.5 * level), 0.9, 1],
    ['its negative', texture, changed(texture, (level) => 255 - level), 0, 0],
    ['another texture', texture, templateOf(randomTexture(5, 5)), 0, 0.5],
    ['plain, but surrounded alike', texture, templateOf(plainTexture([120, 120, 120])), 0, 0.35],
    ['two plain ones of a colour', plain(100, 100, 100), plain(100, 100, 100), 0.999999, 1],
    ['two plain greys', plain(60, 60, 60), plain(180, 180, 180), 0.999999, 1],
    ['two plain ones of other colours', plain(40, 40, 200), plain(200, 40, 40), 0, 0],
  ])('%s', (_, a, b, least, most) => {
    for (const similarity of [templateSimilarity(a, b), templateSimilarity(b, a)]) {
      expect(similarity).toBeGreaterThanOrEqual(least);
      expect(similarity).toBeLessThanOrEqual(most);
    }
  });
});

describe('updateTemplate', () => {
  const first = templateOf(plainTexture([100, 100, 100]));
  const seen = templateOf(plainTexture([160, 160, 160]));
  const middle = 7 * TEMPLATE_CELLS + 7;

  test('learns nothing from a poor sighting', () => {
    expect(updateTemplate(first, seen, 0.79)).toBe(first);
  });

  test('learns slowly, a twentieth of the difference', () => {
    expect(updateTemplate(first, seen, 0.9).cells[middle]).toBeCloseTo(103, 4);
  });

  test('never lets go of the first sighting: a third of it stays', () => {
    let template = first;
    for (let frame = 0; frame < 1000; frame += 1) template = updateTemplate(template, seen, 0.9);
    expect(template.cells[middle]).toBeCloseTo(140, 2);
    expect(template.firstCells).toBe(first.cells);
  });
});
