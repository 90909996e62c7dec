import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assign, AssignmentScratch } from '../../src/tracking/assignment.js';

function assigned(rows: readonly (readonly number[])[], columns: number, scratch = new AssignmentScratch()): number[] {
  const columnOfRow = new Int32Array(rows.length);
  assign(Float64Array.from(rows.flat()), rows.length, columns, columnOfRow, scratch);
  return [...columnOfRow];
}

function gainOf(rows: readonly (readonly number[])[], columnOfRow: readonly number[]): number {
  return columnOfRow.reduce((sum, column, row) => sum + (column < 0 ? 0 : rows[row]![column]!), 0);
}

/** The greatest gain of all pairings, by trying them. */
function bestGain(rows: readonly (readonly number[])[], row = 0, taken = new Set<number>()): number {
  if (row === rows.length) return 0;
  let best = bestGain(rows, row + 1, taken);
  rows[row]!.forEach((gain, column) => {
    if (taken.has(column)) return;
    best = Math.max(best, gain + bestGain(rows, row + 1, new Set([...taken, column])));
  });
  return best;
}

describe('assign', () => {
  test.each<[string, number[][], number, number[]]>([
    ['no rows', [], 3, []],
    ['no columns', [[], []], 0, [-1, -1]],
    ['one pair', [[0.5]], 1, [0]],
    ['a pair without a gain is not made', [[0]], 1, [-1]],
    ['nor one with a loss', [[-1, -2]], 2, [-1]],
    ['the greedy choice is not the best', [[9, 8], [8, 1]], 2, [1, 0]],
    ['more rows than columns: the better row gets it', [[1], [3], [2]], 1, [-1, 0, -1]],
    ['more columns than rows', [[1, 5, 2]], 3, [1]],
    ['a row stays alone where that is worth more', [[5, 0], [4, 0]], 2, [0, -1]],
  ])('%s', (_, rows, columns, expected) => {
    expect(assigned(rows, columns)).toEqual(expected);
  });

  const problem = fc
    .record({ rows: fc.integer({ min: 0, max: 5 }), columns: fc.integer({ min: 0, max: 5 }) })
    .chain(({ rows, columns }) => fc.record({ columns: fc.constant(columns), rows: fc.array(fc.array(fc.oneof(fc.double({ min: -1, max: 1, noNaN: true }), fc.constant(0), fc.constant(0.5)), { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows }) }));

  test('gains as much as the best of all pairings, with working memory that was used before', () => {
    const scratch = new AssignmentScratch();
    fc.assert(
      fc.property(problem, ({ rows, columns }) => {
        const columnOfRow = assigned(rows, columns, scratch);
        const used = columnOfRow.filter((column) => column >= 0);
        expect(new Set(used).size).toBe(used.length);
        expect(columnOfRow.every((column, row) => column < 0 || rows[row]![column]! > 0)).toBe(true);
        expect(gainOf(rows, columnOfRow)).toBeCloseTo(bestGain(rows), 9);
      }),
    );
  });

  test('turned round, it gains the same', () => {
    fc.assert(
      fc.property(problem, ({ rows, columns }) => {
        const turned = Array.from({ length: columns }, (_, column) => rows.map((row) => row[column]!));
        expect(gainOf(turned, assigned(turned, rows.length))).toBeCloseTo(gainOf(rows, assigned(rows, columns)), 9);
      }),
    );
  });
});
