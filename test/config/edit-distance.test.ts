import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { editDistance, nearestWord } from '../../src/config/edit-distance.js';

describe('editDistance', () => {
  test.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', 'abc', 0],
    ['kitten', 'sitting', 3],
    ['overfow', 'overflow', 1],
    ['soruce', 'source', 1],
    ['tpc', 'tcp', 1],
    ['ab', 'ba', 1],
    ['abcd', 'badc', 2],
    ['flaw', 'lawn', 2],
  ])('of %j and %j', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  test('is symmetric, 0 for equals alone, and at most one more after one more edit', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 });
    fc.assert(
      fc.property(word, word, fc.constantFrom('a', 'x'), (a, b, letter) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, b + letter)).toBeLessThanOrEqual(editDistance(a, b) + 1);
        expect(editDistance(a, letter + b)).toBeLessThanOrEqual(editDistance(a, b) + 1);
        expect(editDistance(a, b)).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
  });
});

describe('nearestWord', () => {
  const words = ['id', 'kind', 'overflow', 'options'];
  test.each<[string, string, string | undefined]>([
    ['a letter too few', 'overfow', 'overflow'],
    ['two letters changed places', 'ovreflow', 'overflow'],
    ['capitals', 'KIND', 'kind'],
    ['a letter of a short word', 'ik', 'id'],
    ['the nearer of two', 'opverflow', 'overflow'],
    ['nothing like it', 'colour', undefined],
    ['a short word that is all different', 'xy', undefined],
    ['nothing', '', undefined],
    ['a very long word', 'o'.repeat(100_000), undefined],
  ])('%s', (_, misspelt, meant) => {
    expect(nearestWord(misspelt, words)).toBe(meant);
  });
});
