import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OccupancyDecoder } from '../../../src/client/occupancy-decoder.js';
import type { OccupancyReport } from '../../../src/core/occupancy-report.js';
import type { StereoRig } from '../../../src/core/stereo-rig.js';
import { cellAt, type GridLevel, gridOf } from '../../../src/core/voxel-grid.js';
import { parseCameraPath } from '../../../src/occupancy/camera-path.js';
import { occupiedCells } from '../../../src/occupancy/octree.js';
import { toOccupancyMessage } from '../../../src/protocol/to-message.js';
import { OccupancyMap, type OccupancyMapOptions, type PairSighting, refineSighting } from '../../../src/occupancy/stage/occupancy-map.js';

const SIZE = { width: 320, height: 160 };
const RIG: StereoRig = { size: SIZE, focalPx: 200, centre: { x: 159.5, y: 79.5 }, centreShiftPx: 0, baselineM: 0.3 };
const GRID = gridOf(16);
const SECTORS = { sectors: 3, fromDeg: -30, toDeg: 30, lowestM: -0.5, highestM: 4 };

function newMap(options: Partial<OccupancyMapOptions> = {}): OccupancyMap {
  return new OccupancyMap({ calibration: { format: 'kitti', rig: RIG, raw: undefined }, grid: GRID, level: 32, fusion: {}, sectors: SECTORS, ...options });
}

/** A thing of one cell straight ahead. */
function sighting(zM: number, given: Partial<PairSighting> = {}): PairSighting {
  const level = given.level ?? 32;
  const cells = new Uint8Array(level ** 3);
  if (zM < GRID.rangeM) cells[cellAt(GRID, level, 0.1, -0.1, zM)] = 1;
  return { level, cells, computedShare: 0.25, ptsUs: 0, sourceSize: SIZE, ...given };
}

const finest = ({ tree }: OccupancyReport): number[] => [...occupiedCells(tree).cells.at(-1)!];
const cellAhead = (zM: number, level: GridLevel = 32): number => cellAt(GRID, level, 0.1, -0.1, zM);

describe('a map over time', () => {
  test('tells what a pair shows: level, share, nearest obstacle, a keyframe first and then deltas', () => {
    const map = newMap();
    const first = map.see(sighting(6.3));
    expect(first).toMatchObject({ grid: GRID, level: 32, computedShare: 0.25, update: { kind: 'keyframe', epoch: 0 } });
    expect(finest(first)).toEqual([cellAhead(6.3)]);
    expect([...first.nearest.distanceM]).toEqual([Infinity, 6, Infinity]);
    expect(first.boxes).toBeUndefined();
    expect(map.see(sighting(6.3, { ptsUs: 100_000 })).update).toMatchObject({ kind: 'delta', epoch: 0, update: 1 });
  });

  test('clears what is seen to be free, and keeps for a while what nobody sees', () => {
    const map = newMap();
    for (let i = 0; i < 5; i += 1) map.see(sighting(6.3, { ptsUs: 100_000 * i }));
    const cleared = Array.from({ length: 12 }, (_, i) => finest(map.see(sighting(16, { ptsUs: 500_000 + 100_000 * i }))).length);
    expect(cleared[0]).toBe(1);
    expect(cleared.at(-1)).toBe(0);
  });

  test('without fusion knows nothing of the pair before', () => {
    const map = newMap({ fusion: false });
    map.see(sighting(6.3));
    expect(finest(map.see(sighting(10.3)))).toEqual([cellAhead(10.3)]);
  });

  test('that is reset forgets all, and says so by a keyframe', () => {
    const map = newMap();
    map.see(sighting(6.3));
    map.reset();
    const after = map.see(sighting(10.3));
    expect(finest(after)).toEqual([cellAhead(10.3)]);
    expect(after.update).toMatchObject({ kind: 'keyframe', epoch: 1 });
  });

  test('moves with the camera: a thing comes nearer by what was driven, also over frames of which nothing is known', () => {
    const poses = parseCameraPath([0, 1, 2].map((zM) => `1 0 0 0 0 1 0 0 0 0 1 ${zM}`).join('\n'), 'poses');
    const map = newMap({ fusion: { halfLifeS: 100 } });
    const behind = new Uint8Array(32 ** 3);
    // What is behind a wall is not seen: it only moves.
    behind[cellAhead(1.2)] = 1;
    map.see(sighting(6.3, { pose: poses.poseAt(0, 0) }));
    map.see(sighting(16, { cells: behind, ptsUs: 100_000 }));
    expect(finest(map.see(sighting(16, { cells: behind, ptsUs: 200_000, pose: poses.poseAt(2, 0) })))).toContain(cellAhead(4.3));
  });

  test('looks at boxes, in pixels of the picture as it was recorded', () => {
    const twice = { width: 2 * SIZE.width, height: 2 * SIZE.height };
    const report = newMap().see(sighting(6.3, { sourceSize: twice, boxes: { count: 2, xyxy: Float32Array.of(310, 150, 335, 168, 20, 20, 60, 60) } }));
    expect(report.boxes).toEqual([expect.objectContaining({ hasVolume: true, distanceM: 6 }), expect.objectContaining({ hasVolume: false })]);
    expect(report.volumes).toEqual([]);
  });

  test('its updates, one after the other, are its trees', () => {
    const map = newMap({ keyframeEvery: 4 });
    const decoder = new OccupancyDecoder();
    const kinds: string[] = [];
    for (let i = 0; i < 11; i += 1) {
      const report = map.see(sighting(2 + i, { ptsUs: 100_000 * i }));
      kinds.push(report.update.kind);
      expect(decoder.follow(toOccupancyMessage('yard', { sequence: i, ptsUs: 0 }, report.update))).toBe(true);
      expect([...decoder.voxels(32).cells]).toEqual(finest(report));
    }
    expect(kinds.filter((kind) => kind === 'keyframe')).toHaveLength(3);
  });
});

describe('a pair that was only looked at coarsely', () => {
  test('fills a coarse cell of which nothing finer is known, and tells the level that was reached', () => {
    const report = newMap().see(sighting(6.3, { level: 8 }));
    expect(report.level).toBe(8);
    expect(report.tree.level).toBe(32);
    expect(finest(report)).toHaveLength(64);
    expect(report.nearest.distanceM[1]).toBe(6);
  });

  test('leaves what is known within such a cell as it is', () => {
    const map = newMap();
    map.see(sighting(6.3));
    expect(finest(map.see(sighting(6.3, { level: 8, ptsUs: 100_000 })))).toEqual([cellAhead(6.3)]);
  });

  test('clears what is in coarse cells that are seen to be free', () => {
    const map = newMap();
    map.see(sighting(6.3));
    const left = Array.from({ length: 12 }, (_, i) => finest(map.see(sighting(16, { level: 8, ptsUs: 100_000 * (i + 1) }))).length);
    expect(left.at(-1)).toBe(0);
  });
});

test('refining says nothing twice: a finer cell is occupied, free, or not spoken of, as its coarse cell has it', () => {
  const bytes = fc.uint8Array({ minLength: 512, maxLength: 512, max: 1 });
  fc.assert(
    fc.property(bytes, bytes, fc.nat(4095), (occupied, free, known) => {
      const logOdds = new Float32Array(4096);
      logOdds[known] = 1;
      const finerFree = new Uint8Array(4096);
      const finer = refineSighting(occupied, free, 8, { side: 16, logOdds, occupiedAbove: 0.2 }, finerFree);
      const coarseOf = (cell: number): number => ((cell % 16) >> 1) + 8 * (((cell >> 4) % 16 >> 1) + 8 * (cell >> 9));
      finer.forEach((isOccupied, cell) => {
        const coarse = coarseOf(cell);
        const isKnown = coarseOf(known) === coarse;
        if (isOccupied !== (occupied[coarse] === 1 && !isKnown ? 1 : 0) || finerFree[cell] !== (occupied[coarse] === 1 ? 0 : free[coarse])) throw new Error(`cell ${cell}`);
      });
    }),
    { numRuns: 30 },
  );
});
