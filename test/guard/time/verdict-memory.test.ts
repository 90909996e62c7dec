import { describe, expect, test } from 'vitest';
import type { RegionBox } from '../../../src/guard/time/region-box.js';
import { describeRegion, type RegionTemplate } from '../../../src/guard/time/region-template.js';
import { VerdictMemory } from '../../../src/guard/time/verdict-memory.js';
import { paste, plainTexture, randomTexture, scene } from './scene.js';

const SIZE = { width: 40, height: 40 };
const SECOND_US = 1_000_000;

/** What a region with a pattern of its own looks like. */
function look(seed: number): RegionTemplate {
  const planes = scene(SIZE, plainTexture([120, 120, 120]));
  const box = square(20, 20);
  paste(planes, SIZE, randomTexture(seed, 5), box);
  return describeRegion(planes, SIZE, box);
}

const POSTER = look(1);
const SHIRT = look(2);

function square(centreX: number, centreY: number, side = 16): RegionBox {
  return { centreX, centreY, width: side, height: side };
}

/** A memory at a time at which the poster was found benign at 100, 100. */
function rememberedAt(ptsUs: number): VerdictMemory {
  const memory = new VerdictMemory();
  memory.advance(ptsUs);
  memory.remember(square(100, 100), POSTER);
  return memory;
}

describe('VerdictMemory', () => {
  test('knows nothing at first', () => {
    const memory = new VerdictMemory();
    memory.advance(0);
    expect(memory.knowsBenign(square(100, 100), POSTER)).toBe(false);
  });

  test.each<[string, RegionBox, RegionTemplate, seconds: number, known: boolean]>([
    ['the same place and look', square(100, 100), POSTER, 0.1, true],
    ['snapped a little differently', square(103, 98, 14), POSTER, 0.1, true],
    ['another look at the same place', square(100, 100), SHIRT, 0.1, false],
    ['the same look, a step further', square(109, 100), POSTER, 0.1, true],
    ['the same look, farther than anyone walks', square(130, 100), POSTER, 0.1, false],
    ['the same look, after a second in which it may have gone there', square(130, 100), POSTER, 1, true],
    ['moved, and of quite another size', square(130, 100, 40), POSTER, 1, false],
    ['just before the end of its life', square(100, 100), POSTER, 9.9, true],
    ['at the end of it', square(100, 100), POSTER, 10, false],
  ])('%s', (_, box, template, seconds, known) => {
    const memory = rememberedAt(50 * SECOND_US);
    memory.advance((50 + seconds) * SECOND_US);
    expect(memory.knowsBenign(box, template)).toBe(known);
  });

  test('follows what it is asked about: far from where it began, step by step', () => {
    const memory = rememberedAt(0);
    for (let frame = 1; frame <= 50; frame += 1) {
      memory.advance(frame * 0.1 * SECOND_US);
      expect(memory.knowsBenign(square(100 + 4 * frame, 100), POSTER)).toBe(true);
    }
    expect(memory.size).toBe(1);
  });

  test('being asked about does not make a verdict last longer', () => {
    const memory = rememberedAt(0);
    const known = Array.from({ length: 11 }, (_, second) => {
      memory.advance(second * SECOND_US);
      return memory.knowsBenign(square(100, 100), POSTER);
    });
    expect(known).toEqual([...new Array<boolean>(10).fill(true), false]);
  });

  // Every small change is within what counts as alike; together they make a patch of a poster.
  test('a patch cannot creep in under a verdict for something else', () => {
    const memory = rememberedAt(0);
    const known = Array.from({ length: 21 }, (_, step) => {
      memory.advance(step * 0.1 * SECOND_US);
      const share = step / 20;
      const cells = POSTER.cells.map((level, i) => level + share * (SHIRT.cells[i]! - level));
      return memory.knowsBenign(square(100, 100), { cells, firstCells: cells });
    });
    expect([known[1], known[20]]).toEqual([true, false]);
  });

  test('found benign again at its end, a verdict lasts twice as long, up to eight times', () => {
    const memory = rememberedAt(0);
    let nowUs = 0;
    const lives = [10, 20, 40, 80, 80].map((seconds) => {
      memory.advance(nowUs + (seconds - 0.1) * SECOND_US);
      const before = memory.knowsBenign(square(100, 100), POSTER);
      nowUs += seconds * SECOND_US;
      memory.advance(nowUs);
      const after = memory.knowsBenign(square(100, 100), POSTER);
      memory.remember(square(100, 100), POSTER);
      return [before, after];
    });
    expect(lives).toEqual(new Array(5).fill([true, false]));
  });

  test('verified again before its end it starts anew but lasts no longer', () => {
    const memory = rememberedAt(0);
    for (let i = 0; i < 5; i += 1) memory.remember(square(100, 100), POSTER);
    expect(memory.size).toBe(1);
    memory.advance(10 * SECOND_US);
    expect(memory.knowsBenign(square(100, 100), POSTER)).toBe(false);
  });

  test('long out of sight it is forgotten', () => {
    const memory = rememberedAt(0);
    memory.advance(20 * SECOND_US);
    expect(memory.size).toBe(0);
  });

  test('a file that starts again: what was found stays found, and time goes on', () => {
    const memory = rememberedAt(100 * SECOND_US);
    memory.advance(0);
    expect(memory.knowsBenign(square(100, 100), POSTER)).toBe(true);
    memory.advance(9 * SECOND_US);
    expect(memory.knowsBenign(square(100, 100), POSTER)).toBe(true);
    memory.advance(10 * SECOND_US);
    expect(memory.knowsBenign(square(100, 100), POSTER)).toBe(false);
  });

  test('is full: the oldest evidence goes first, whether it was asked about or not', () => {
    const memory = new VerdictMemory({ capacity: 2 });
    memory.advance(0);
    memory.remember(square(20, 20), POSTER);
    memory.remember(square(100, 20), POSTER);
    memory.knowsBenign(square(20, 20), POSTER);
    memory.remember(square(200, 20), POSTER);
    expect([20, 100, 200].map((x) => memory.knowsBenign(square(x, 20), POSTER))).toEqual([false, true, true]);
  });

  test('two of the same look side by side are told apart by place', () => {
    const memory = rememberedAt(0);
    memory.remember(square(120, 100), POSTER);
    expect(memory.size).toBe(2);
    memory.advance(0.1 * SECOND_US);
    expect([memory.knowsBenign(square(101, 100), POSTER), memory.knowsBenign(square(121, 100), POSTER)]).toEqual([true, true]);
    memory.forget(square(101, 100));
    expect(memory.size).toBe(1);
    expect(memory.knowsBenign(square(121, 100), POSTER)).toBe(true);
  });
});
