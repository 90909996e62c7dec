import { describe, expect, test } from 'vitest';
import { type Disagreements, disagreementsOf } from '../../src/redundancy/box-disagreement.js';
import { detectionsOf } from './scene.js';

const box = (x: number) => ({ x, y: 50, width: 40, height: 80 });
const compare = (known: readonly number[], found: readonly number[], options: { readonly still?: readonly number[]; readonly news?: readonly number[]; readonly foundClass?: number } = {}): Disagreements =>
  disagreementsOf(
    detectionsOf(known.map(box)),
    detectionsOf(found.map(box), options.foundClass),
    ({ xyxy }, i) => options.still?.includes(xyxy[4 * i]!) ?? false,
    (i) => options.news?.includes(found[i]!) ?? false,
  );

describe('boxes of confidence 0.8, known and found', () => {
  test.each([
    ['the same', [0, 100], [0, 100], {}, 0, 1.6],
    ['a little off', [0, 100], [10, 100], {}, 0, 1.6],
    ['one off by more than half', [0, 100], [20, 100], {}, 0.8, 1.6],
    ['one not found again', [0, 100], [100], {}, 0.4, 1.2],
    ['one that was not known', [100], [0, 100], {}, 0.4, 1.2],
    ['one that is news', [100], [0, 100], { news: [0] }, 0, 0.8],
    ['news that was known', [0], [0], { news: [0] }, 0, 0.8],
    ['two found where one is known', [0], [0, 4], {}, 0.4, 1.2],
    ['of another class', [0], [0], { foundClass: 3 }, 0.8, 0.8],
    ['nothing', [], [], {}, 0, 0],
  ] as const)('%s', (_, known, found, options, wrong, boxes) => {
    const { changed, still } = compare(known, found, options);
    expect(changed.wrong).toBeCloseTo(wrong, 5);
    expect(changed.boxes).toBeCloseTo(boxes, 5);
    expect(still).toEqual({ wrong: 0, boxes: 0 });
  });

  test('those where nothing changed are counted apart', () => {
    const { changed, still } = compare([0, 100], [0, 200], { still: [100, 200] });
    expect(changed.wrong).toBe(0);
    expect(changed.boxes).toBeCloseTo(0.8, 5);
    expect(still.wrong).toBeCloseTo(0.8, 5);
    expect(still.boxes).toBeCloseTo(0.8, 5);
  });
});
