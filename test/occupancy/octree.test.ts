import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/core/errors.js';
import { GRID_LEVELS, type GridLevel } from '../../src/core/voxel-grid.js';
import { joinBlocks, nestedCells, occupiedCells, octreeOf, parentCell, readBlocks, type OccupiedCells } from '../../src/occupancy/octree.js';
import { occupied } from './arbitrary-cells.js';

const NOTHING = new Uint8Array(64);
const FIRST_BLOCK = Uint8Array.of(1, ...NOTHING.subarray(1));

describe('octree', () => {
  test.each<[string, OccupiedCells, number[], number[]]>([
    ['nothing is occupied', nestedCells(64, new Uint32Array()), [], []],
    ['blocks alone', nestedCells(8, Uint32Array.of(0, 9, 511)), [0, 9, 511], []],
    ['the last cell of all is the last child of the last child of the last child', nestedCells(64, Uint32Array.of(64 ** 3 - 1)), [511], [128, 128, 128]],
    ['x is the first bit, y the second, z the third', nestedCells(16, Uint32Array.of(1, 16, 256)), [0], [0b10110]],
    ['breadth first: both masks of the second level before those of the third', nestedCells(64, Uint32Array.of(0, 4)), [0], [0b11, 1, 1, 1, 1]],
    ['a cell of which nothing finer is known has an empty mask', { level: 16, cells: [Uint32Array.of(3, 5), Uint32Array.of(10)] }, [3, 5], [0, 1]],
  ])('%s', (_, cells, blocks, subtrees) => {
    const tree = octreeOf(cells);
    expect(readBlocks(tree).map(({ index }) => index)).toEqual(blocks);
    expect([...tree.subtrees]).toEqual(subtrees);
    expect(occupiedCells(tree)).toEqual(cells);
  });

  test('any cells come back as they were, with their confidences', () => {
    fc.assert(
      fc.property(occupied, (cells) => {
        const tree = octreeOf(cells);
        expect(occupiedCells(tree)).toEqual(cells);
        expect(tree.subtrees.length).toBeLessThanOrEqual(73 * cells.cells[0]!.length);
        expect(occupiedCells(joinBlocks(tree.level, readBlocks(tree))).cells).toEqual(cells.cells);
      }),
      { numRuns: 200 },
    );
  });

  test('everything occupied is the greatest tree there is', () => {
    const all = nestedCells(64, Uint32Array.from({ length: 64 ** 3 }, (_, cell) => cell));
    const tree = octreeOf(all);
    expect(tree.subtrees).toEqual(new Uint8Array(512 * 73).fill(255));
    expect(occupiedCells(tree)).toEqual(all);
  });

  test('a flat floor at 64 cells a side takes a small part of the bytes of its cells', () => {
    const floor = Uint32Array.from({ length: 64 * 64 }, (_, i) => (i % 64) + 64 * (62 + 64 * Math.floor(i / 64)));
    const tree = octreeOf(nestedCells(64, floor));
    // 64 blocks, each with 1 + 4 + 16 masks.
    expect(tree.subtrees.length).toBe(64 * 21);
  });

  test.each([
    ['a cell without its parent', { level: 16 as GridLevel, cells: [Uint32Array.of(1), Uint32Array.of(0)] }],
    ['a cell twice', { level: 8 as GridLevel, cells: [Uint32Array.of(1, 1)], confidence: new Uint8Array(1) }],
    ['a confidence too few', { level: 8 as GridLevel, cells: [Uint32Array.of(1, 2)], confidence: new Uint8Array(1) }],
  ])('is not made of %s', (_, cells) => {
    expect(() => octreeOf(cells)).toThrow('Invariant broken');
  });

  test.each<[string, Partial<Parameters<typeof readBlocks>[0]>]>([
    ['too few bytes of blocks', { blocks: NOTHING.subarray(1) }],
    ['too many bytes of blocks', { blocks: new Uint8Array(1_000_000) }],
    ['no masks where a block asks for them', { blocks: FIRST_BLOCK }],
    ['masks that end within a level', { blocks: FIRST_BLOCK, subtrees: Uint8Array.of(3, 1) }],
    ['bytes after the last block', { blocks: FIRST_BLOCK, subtrees: Uint8Array.of(0, 0) }],
    ['too little confidence', { blocks: FIRST_BLOCK, subtrees: Uint8Array.of(3, 1, 1, 1, 1), confidence: Uint8Array.of(9) }],
    ['too much confidence', { blocks: FIRST_BLOCK, subtrees: Uint8Array.of(0), confidence: Uint8Array.of(9) }],
  ])('is not read from %s', (_, parts) => {
    expect(() => occupiedCells({ level: 64, blocks: NOTHING, subtrees: new Uint8Array(), ...parts })).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL_MESSAGE' }));
  });

  test('whatever the bytes, they are cells within the cube or an ERR_PROTOCOL_MESSAGE', () => {
    const outcome = (level: GridLevel, blocks: Uint8Array, subtrees: Uint8Array, confidence: Uint8Array | undefined): boolean => {
      try {
        const { cells } = occupiedCells({ level, blocks, subtrees, ...(confidence && { confidence }) });
        return cells.every((indices, depth) => indices.every((cell, i) => cell < GRID_LEVELS[depth]! ** 3 && (i === 0 || indices[i - 1]! < cell)));
      } catch (error) {
        return error instanceof AppError && error.code === 'ERR_PROTOCOL_MESSAGE';
      }
    };
    const bits = fc.uint8Array({ minLength: 2, maxLength: 2 }).map((start) => Uint8Array.of(...start, ...NOTHING.subarray(2)));
    fc.assert(
      fc.property(fc.constantFrom(...GRID_LEVELS), fc.oneof(bits, fc.uint8Array({ maxLength: 65 })), fc.uint8Array({ maxLength: 80 }), fc.option(fc.uint8Array({ maxLength: 99 }), { nil: undefined }), (...parts) => {
        expect(outcome(...parts)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

test('a parent is the cell at half as many a side that holds the cell', () => {
  fc.assert(
    fc.property(fc.nat(63), fc.nat(63), fc.nat(63), (x, y, z) => {
      expect(parentCell(64, x + 64 * (y + 64 * z))).toBe((x >> 1) + 32 * ((y >> 1) + 32 * (z >> 1)));
    }),
  );
});
