import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { followRegion } from '../../../src/guard/time/follow-region.js';
import { regionBoxIou, type RegionBox } from '../../../src/guard/time/region-box.js';
import { describeRegion, updateTemplate } from '../../../src/guard/time/region-template.js';
import { paste, plainTexture, randomTexture, scene, type Texture } from './scene.js';

const SIZE = { width: 160, height: 160 };
const STREET = randomTexture(1, 24, { low: 90, high: 160, soft: true });
const PATCH = randomTexture(2, 5);
const COAT = randomTexture(3, 6, { low: 20, high: 90, soft: true });
const GREY = plainTexture([128, 128, 128]);

function square(centreX: number, centreY: number, side: number): RegionBox {
  return { centreX, centreY, width: side, height: side };
}

const street = scene(SIZE, STREET);

function picture(box: RegionBox, patch: Texture = PATCH, background = street): Uint8Array {
  const planes = background.slice();
  paste(planes, SIZE, patch, box);
  return planes;
}

/** Someone in a coat on the street, with a patch on it. */
function walker(box: RegionBox, patch: Texture): Uint8Array {
  const planes = street.slice();
  paste(planes, SIZE, COAT, { ...box, centreY: box.centreY + box.height / 2, width: 1.3 * box.width, height: 4 * box.height });
  paste(planes, SIZE, patch, box);
  return planes;
}

function moved(box: RegionBox, x: number, y: number, growth = 1): RegionBox {
  return { centreX: box.centreX + x, centreY: box.centreY + y, width: box.width * growth, height: box.height * growth };
}

function distance(a: RegionBox, b: RegionBox): number {
  return Math.hypot(a.centreX - b.centreX, a.centreY - b.centreY);
}

describe('followRegion', () => {
  test.each<[string, number, number, number]>([
    ['stands still', 12, 0, 0],
    ['a fraction of a pixel', 12, 0.4, -0.3],
    ['8 px, small step', 8, 1.5, 0.5],
    ['8 px, as far as it looks', 8, 3.8, -3.8],
    ['12 px, across', 12, 4, 2.5],
    ['16 px', 16, -5.5, 3],
    ['40 px', 40, 13, -14],
    ['72 px', 72, 20, 24],
  ])('finds a patch again: %s', (_, side, x, y) => {
    const from = square(75.3, 81.6, side);
    const to = moved(from, x, y);
    const { box, similarity } = followRegion(picture(to), SIZE, describeRegion(picture(from), SIZE, from), from);
    expect(distance(box, to)).toBeLessThan(0.04 * side + 0.1);
    expect(box.width / side).toBeGreaterThan(0.95);
    expect(box.width / side).toBeLessThan(1.05);
    expect(similarity).toBeGreaterThan(0.8);
  });

  test('does not look farther than it should', () => {
    const from = square(80, 80, 12);
    const template = describeRegion(picture(from), SIZE, from);
    const far = picture(moved(from, 9, 0));
    expect(followRegion(far, SIZE, template, from).similarity).toBeLessThan(0.5);
    expect(distance(followRegion(far, SIZE, template, from, { reachPx: 10 }).box, moved(from, 9, 0))).toBeLessThan(0.6);
  });

  test('starts from where it is expected', () => {
    const from = square(60, 80, 12);
    const to = moved(from, 40, 8);
    const { box, similarity } = followRegion(picture(to), SIZE, describeRegion(picture(from), SIZE, from), moved(from, 38, 9));
    expect(distance(box, to)).toBeLessThan(0.6);
    expect(similarity).toBeGreaterThan(0.8);
  });

  test.each<[string, (level: number) => number]>([
    ['darker', (level) => 0.6 * level],
    ['brighter', (level) => level + 20],
    ['of less contrast', (level) => 60 + 0.5 * level],
  ])('the picture has become %s', (_, change) => {
    const from = square(80, 80, 12);
    const to = moved(from, 2, -1);
    const changed = picture(to).map((level) => Math.round(change(level)));
    const { box, similarity } = followRegion(changed, SIZE, describeRegion(picture(from), SIZE, from), from);
    expect(distance(box, to)).toBeLessThan(0.6);
    expect(similarity).toBeGreaterThan(0.75);
  });

  test('a patch is followed, not what is behind it', () => {
    const from = square(70, 70, 12);
    const template = describeRegion(picture(from), SIZE, from);
    // The same patch before quite another background, contrast and all.
    const elsewhere = picture(moved(from, 3, 2), PATCH, scene(SIZE, randomTexture(9, 40, { low: 0, high: 255 })));
    expect(distance(followRegion(elsewhere, SIZE, template, from).box, moved(from, 3, 2))).toBeLessThan(0.8);
  });

  test('a plain sticker is followed by what it is on', () => {
    const from = square(80, 80, 10);
    const to = moved(from, 3, 1);
    const { box, similarity } = followRegion(walker(to, GREY), SIZE, describeRegion(walker(from, GREY), SIZE, from), from);
    expect(distance(box, to)).toBeLessThan(1);
    expect(similarity).toBeGreaterThan(0.6);
  });

  test.each<[string, Texture]>([
    ['plain', plainTexture([40, 40, 40])],
    ['textured', randomTexture(77, 5)],
    ['of the same pattern in other colours', { ...PATCH, levels: PATCH.levels.map((level) => 255 - level) }],
  ])('what stands before it is not taken for it: %s', (_, other) => {
    const from = square(80, 80, 12);
    const hidden = picture(from);
    paste(hidden, SIZE, other, square(80, 80, 30));
    expect(followRegion(hidden, SIZE, describeRegion(picture(from), SIZE, from), from).similarity).toBeLessThan(0.5);
  });

  test('keeps up with what comes nearer: twice the size after a hundred frames', () => {
    let box = square(80, 80, 12);
    let template = describeRegion(picture(box), SIZE, box);
    let truth = box;
    for (let frame = 1; frame <= 100; frame += 1) {
      truth = moved(truth, 0.3, -0.2, 2 ** (1 / 100));
      const found = followRegion(picture(truth), SIZE, template, box);
      ({ box } = found);
      template = updateTemplate(template, found.seen, found.similarity);
    }
    expect(regionBoxIou(box, truth)).toBeGreaterThan(0.7);
  });

  test('a small patch that drifts by a fifth of a pixel a frame is still there after a hundred frames, and as large', () => {
    const start = square(60.2, 90.7, 8);
    let box = start;
    let template = describeRegion(walker(box, PATCH), SIZE, box);
    for (let frame = 1; frame <= 100; frame += 1) {
      const found = followRegion(walker(moved(start, 0.2 * frame, -0.1 * frame), PATCH), SIZE, template, box);
      ({ box } = found);
      template = updateTemplate(template, found.seen, found.similarity);
    }
    expect(regionBoxIou(box, moved(start, 20, -10))).toBeGreaterThan(0.7);
  });

  test('leaves through the border', () => {
    const start = square(150, 80, 12);
    let box = start;
    const template = describeRegion(picture(box), SIZE, box);
    for (let frame = 1; frame <= 8; frame += 1) ({ box } = followRegion(picture(moved(start, frame, 0)), SIZE, template, box));
    // Two thirds of it are still to be seen.
    expect(distance(box, moved(start, 8, 0))).toBeLessThan(2);
  });

  test('a picture without anything keeps it where it is expected', () => {
    const plain = scene(SIZE, GREY);
    const from = square(80, 80, 12);
    const { box, similarity } = followRegion(plain, SIZE, describeRegion(plain, SIZE, from), from);
    expect(box).toEqual(from);
    expect(similarity).toBeCloseTo(1, 6);
  });

  test('any pixels, any box: stays within reach, says something between 0 and 1, changes nothing', () => {
    const size = { width: 24, height: 20 };
    const coordinate = fc.double({ min: -20, max: 50, noNaN: true });
    const length = fc.double({ min: 1, max: 60, noNaN: true });
    const boxes = fc.record({ centreX: coordinate, centreY: coordinate, width: length, height: length });
    fc.assert(
      fc.property(fc.integer(), fc.integer(), boxes, boxes, fc.double({ min: 0, max: 20, noNaN: true }), (seed, other, described, expected, reachPx) => {
        const before = scene(size, randomTexture(seed, 8));
        const after = scene(size, randomTexture(other, 8));
        const copy = after.slice();
        const { box, similarity } = followRegion(after, size, describeRegion(before, size, described), expected, { reachPx });
        expect(after).toEqual(copy);
        expect(similarity).toBeGreaterThanOrEqual(0);
        expect(similarity).toBeLessThanOrEqual(1);
        // To the next whole cell.
        expect(Math.abs(box.centreX - expected.centreX)).toBeLessThanOrEqual(reachPx + expected.width / 5);
        expect(Math.abs(box.centreY - expected.centreY)).toBeLessThanOrEqual(reachPx + expected.height / 5);
        expect(Math.abs(box.width / expected.width - 1)).toBeLessThanOrEqual(0.061);
      }),
      { numRuns: 40 },
    );
  });
});
