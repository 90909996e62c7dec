import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OccupancyDecoder } from '../../src/client/occupancy-decoder.js';
import { gridOf, type GridLevel } from '../../src/core/voxel-grid.js';
import { encodeMessage } from '../../src/protocol/codec.js';
import { toOccupancyMessage, type OccupancyMessage } from '../../src/protocol/index.js';
import { OctreeDeltas } from '../../src/occupancy/octree-deltas.js';
import { nestedCells, octreeOf, type OccupiedCells } from '../../src/occupancy/octree.js';
import { readMessagePack } from '../protocol/read-message-pack.js';
import { occupied } from './arbitrary-cells.js';

const GRID = gridOf(32);
const treeOf = (...cells: number[]) => octreeOf(nestedCells(64, Uint32Array.from(cells)));

/** What a client reads of an update, by way of the wire. */
function sent(deltas: OctreeDeltas, cells: OccupiedCells, encoding: 'json' | 'msgpack' = 'json'): OccupancyMessage {
  const bytes = encodeMessage(toOccupancyMessage('yard', { sequence: 7, ptsUs: 1.5 }, deltas.next(octreeOf(cells), GRID)), encoding);
  return (encoding === 'json' ? JSON.parse(bytes.toString()) : readMessagePack(bytes)) as OccupancyMessage;
}

describe('keyframes and deltas', () => {
  test('first a keyframe, then what changed, and a keyframe every so often', () => {
    const deltas = new OctreeDeltas({ keyframeEvery: 3 });
    const names = Array.from({ length: 7 }, () => deltas.next(treeOf(1, 2, 3), GRID)).map(({ kind, epoch, update }) => `${kind} ${epoch}.${update}`);
    expect(names).toEqual(['keyframe 0.0', 'delta 0.1', 'delta 0.2', 'keyframe 1.0', 'delta 1.1', 'delta 1.2', 'keyframe 2.0']);
  });

  test('a delta has changed blocks whole, and names those that are empty now', () => {
    const deltas = new OctreeDeltas();
    const last = 64 ** 3 - 1;
    deltas.next(treeOf(0, 32, last), GRID);
    const { tree, cleared } = deltas.next(treeOf(0, 1, last), GRID);
    expect([tree.blocks[0], tree.blocks[63], [...tree.subtrees]]).toEqual([1, 0, [1, 1, 3]]);
    expect([...cleared!]).toEqual([16, ...new Array<number>(63).fill(0)]);
    const nothing = deltas.next(treeOf(0, 1, last), GRID);
    expect([nothing.tree.subtrees.length, nothing.tree.blocks.some(Boolean), nothing.cleared!.some(Boolean)]).toEqual([0, false, false]);
  });

  test.each<[string, (deltas: OctreeDeltas) => ReturnType<OctreeDeltas['next']>]>([
    ['on demand', (deltas) => (deltas.requestKeyframe(), deltas.next(treeOf(1), GRID))],
    ['where the level changed', (deltas) => deltas.next(octreeOf(nestedCells(16, Uint32Array.of(1))), GRID)],
    ['where the grid changed', (deltas) => deltas.next(treeOf(1), gridOf(16))],
    ['where confidences came', (deltas) => deltas.next(octreeOf(nestedCells(64, Uint32Array.of(1), Uint8Array.of(200))), GRID)],
  ])('a keyframe comes %s', (_, next) => {
    const deltas = new OctreeDeltas();
    deltas.next(treeOf(1), GRID);
    expect(next(deltas).kind).toBe('keyframe');
  });
});

describe('a client', () => {
  test.each(['json', 'msgpack'] as const)('that follows by %s knows the very cells of each frame', (encoding) => {
    fc.assert(
      fc.property(fc.array(occupied, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 4 }), (frames, keyframeEvery) => {
        const deltas = new OctreeDeltas({ keyframeEvery });
        const decoder = new OccupancyDecoder();
        // Each twice: the second time there is nothing to say.
        for (const frame of frames.flatMap((cells) => [cells, cells])) {
          expect(decoder.follow(sent(deltas, frame, encoding))).toBe(true);
          frame.cells.forEach((cells, depth) => expect(decoder.voxels(8 << depth).cells).toEqual(cells));
          const { confidence, cells } = decoder.voxels();
          if (frame.confidence && cells.length > 0) expect(Array.from(confidence!, (share) => Math.round(255 * share))).toEqual([...frame.confidence]);
          else expect(confidence).toBeUndefined();
        }
      }),
      { numRuns: 40 },
    );
  });

  test('that draws only the blocks that changed has drawn the very cells of each frame', () => {
    fc.assert(
      fc.property(fc.array(occupied, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 4 }), (frames, keyframeEvery) => {
        const deltas = new OctreeDeltas({ keyframeEvery });
        const decoder = new OccupancyDecoder();
        const drawn = new Map<number, readonly number[]>();
        for (const frame of frames) {
          const message = sent(deltas, frame);
          decoder.follow(message);
          for (const block of decoder.changedBlocks) drawn.set(block, decoder.cellsIn(block));
          expect(Uint32Array.from([...drawn.values()].flat()).sort()).toEqual(frame.cells.at(-1));
          if (message.kind === 'keyframe') expect(decoder.changedBlocks).toHaveLength(512);
        }
        expect(() => decoder.cellsIn(0, 12)).toThrow(RangeError);
      }),
      { numRuns: 40 },
    );
  });

  test('that missed an update says so and waits for a keyframe', () => {
    const deltas = new OctreeDeltas();
    const decoder = new OccupancyDecoder();
    const cells = (...indices: number[]): OccupiedCells => nestedCells(64, Uint32Array.from(indices));
    expect([decoder.isReady, decoder.level]).toEqual([false, undefined]);
    expect(decoder.follow(sent(deltas, cells(1)))).toBe(true);
    expect(decoder.follow(sent(deltas, cells(1, 2)))).toBe(true);
    sent(deltas, cells(1, 2, 3));
    expect(decoder.follow(sent(deltas, cells(1, 2, 3, 4)))).toBe(false);
    expect(decoder.isReady).toBe(false);
    expect(() => decoder.voxels()).toThrow(RangeError);
    expect(decoder.follow(sent(deltas, cells(1, 2, 3, 4, 5)))).toBe(false);
    deltas.requestKeyframe();
    expect(decoder.follow(sent(deltas, cells(5)))).toBe(true);
    expect([...decoder.voxels().cells]).toEqual([5]);
    decoder.reset();
    expect(decoder.follow(sent(deltas, cells(5)))).toBe(false);
  });

  test('that comes late gets nothing of a delta', () => {
    const deltas = new OctreeDeltas();
    sent(deltas, nestedCells(64, Uint32Array.of(1)));
    expect(new OccupancyDecoder().follow(sent(deltas, nestedCells(64, Uint32Array.of(1))))).toBe(false);
  });

  test('has centres in metres: x to the right, y down, z ahead', () => {
    const decoder = new OccupancyDecoder();
    decoder.follow(sent(new OctreeDeltas(), nestedCells(64, Uint32Array.of(0, 33 + 64 * (62 + 64 * 10)))));
    const { side, sizeM, centresM } = decoder.voxels();
    expect([side, sizeM, ...centresM]).toEqual([64, 0.5, -15.75, -30.75, 0.25, 0.75, 0.25, 5.25]);
    expect([...decoder.voxels(8).centresM.subarray(0, 3)]).toEqual([-14, -29, 2]);
    expect(() => decoder.voxels(12)).toThrow(RangeError);
  });

  test('refuses a level finer than the one that was reached', () => {
    const decoder = new OccupancyDecoder();
    decoder.follow(sent(new OctreeDeltas(), nestedCells(16, Uint32Array.of(0))));
    expect(decoder.level).toBe(16);
    expect(() => decoder.voxels(32)).toThrow(RangeError);
  });

  test.each<[string, Partial<OccupancyMessage>]>([
    ['no base64', { subtrees: '?' }],
    ['a level that is none', { level: 128 as GridLevel }],
    ['blocks of another length', { changed: 'AAAA' }],
    ['masks that are missing', { subtrees: '' }],
    ['masks that are too many', { subtrees: 'AAAAAAAA' }],
    ['confidences that are too many', { confidence: 'AAAA' }],
  ])('that reads %s throws, and waits for a keyframe', (_, wrong) => {
    const deltas = new OctreeDeltas();
    const message = sent(deltas, nestedCells(64, Uint32Array.of(0)));
    const decoder = new OccupancyDecoder();
    decoder.follow(message);
    expect(() => decoder.follow({ ...message, ...wrong })).toThrow(expect.objectContaining({ name: 'OccupancyError', code: 'ERR_PROTOCOL_MESSAGE' }));
    expect(decoder.isReady).toBe(false);
    expect(decoder.follow(message)).toBe(true);
  });
});
