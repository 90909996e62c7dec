import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GRID_LEVELS, gridOf } from '../../../src/core/voxel-grid.js';
import { cellTruth } from '../../../src/evaluation/occupancy/cell-truth.js';
import { type LevelScores, scoreLevels } from '../../../src/evaluation/occupancy/occupancy-score.js';
import { OccupancyNetwork } from '../../../src/occupancy/network/occupancy-network.js';
import { rigDoubt } from '../../../src/occupancy/network/rig-doubt.js';
import { parentCell } from '../../../src/occupancy/octree.js';
import { renderPair } from '../../../src/stereo-scenes/render-pair.js';
import { pairRequest } from '../../../src/stereo-scenes/stereo-set.js';
import { rejectionOf, thrownBy } from '../../fixtures/failure.js';
import { hasNetwork, NETWORK_MISSING, occupancyManifest, trainedNetwork } from './occupancy-model.js';

const RANGE_M = 32;
const grid = gridOf(RANGE_M);
const size = { width: 440, height: 200 };

/** One of the rendered pairs that no training has seen, as pixels of frames. */
function pairOf(index: number, pictureSize = size) {
  const request = pairRequest({ rig: 'driving', recipe: 'clean', isHeldOut: true, size: pictureSize, seed: 20 }, index);
  const { left, right, disparityPx } = renderPair(request);
  return { rig: request.rig, left: toPlanes(left), right: toPlanes(right), truth: cellTruth({ size: pictureSize, disparityPx }, request.rig, grid, false) };
}

/** Planes G, B, R of interleaved R, G, B. */
function toPlanes(rgb: Uint8Array): Uint8Array {
  const pixels = rgb.length / 3;
  return Uint8Array.from({ length: rgb.length }, (_, i) => rgb[3 * (i % pixels) + [1, 2, 0][Math.floor(i / pixels)]!]!);
}

describe.skipIf(!hasNetwork)(`the trained network${hasNetwork ? '' : ` (skipped: ${NETWORK_MISSING})`}`, () => {
  let network: OccupancyNetwork;
  const pair = pairOf(0);

  beforeAll(async () => {
    network = await OccupancyNetwork.load(await trainedNetwork(), { threads: 1 });
  });
  afterAll(() => network.close());

  test('finds what is there, at every level', async () => {
    const scores: LevelScores[] = [];
    for (const { rig, left, right, truth } of [pair, pairOf(1), pairOf(2)]) {
      network.setRig(rig, grid);
      scores.push(scoreLevels((await network.infer(left, right, { level: 64 })).cells, truth, grid));
    }
    const iou = GRID_LEVELS.map((side) => scores.reduce((sum, score) => sum + score[side]!.iou / scores.length, 0));
    console.log(`mean IoU of ${scores.length} pairs: ${iou.map((value, i) => `${value.toFixed(3)} at ${GRID_LEVELS[i]!}`).join(', ')}`);
    // Far below what it reaches, far above what cells anywhere would.
    iou.forEach((value, i) => expect(value).toBeGreaterThan([0.4, 0.25, 0.15, 0.08][i]!));
  });

  test('cells that were not asked for are all that choosing takes away', async () => {
    network.setRig(pair.rig, grid);
    const [whole, some] = [await network.infer(pair.left, pair.right, { level: 64, isWhole: true }), await network.infer(pair.left, pair.right, { level: 64 })];
    expect(whole.computedShare).toBe(1);
    expect(some.computedShare).toBeGreaterThan(0);
    expect(some.computedShare).toBeLessThan(0.5);
    for (const side of [16, 32, 64] as const) {
      const [all, found] = [whole.cells[side]!, some.cells[side]!];
      // Sums in another order may move a probability over its threshold.
      expect(found.filter((cell, i) => cell > all[i]!).length).toBeLessThanOrEqual(2);
      expect(count(found)).toBeGreaterThan(0.9 * count(all));
    }
  });

  test('a cell of 64 a side lies in an occupied one of 32', async () => {
    network.setRig(pair.rig, grid);
    const { cells } = await network.infer(pair.left, pair.right, { level: 64 });
    const finest = [...cells[64]!.keys()].filter((cell) => cells[64]![cell] !== 0);
    expect(finest.length).toBeGreaterThan(0);
    expect(finest.every((cell) => cells[32]![parentCell(64, cell)] !== 0)).toBe(true);
  });

  test.each([
    [8, [8], ['prepare', 'coarse']],
    [16, [8, 16], ['prepare', 'coarse']],
    [32, [8, 16, 32], ['prepare', 'coarse', 'choose', 'fine']],
    [64, [8, 16, 32, 64], ['prepare', 'coarse', 'choose', 'fine']],
  ] as const)('to level %i: only what that needs', async (level, levels, parts) => {
    network.setRig(pair.rig, grid);
    const found = await network.infer(pair.left, pair.right, { level });
    expect(found.level).toBe(level);
    expect(Object.keys(found.cells).map(Number)).toEqual(levels);
    for (const side of levels) expect(found.cells[side]).toHaveLength(side ** 3);
    expect(found.spans.map(({ name }) => name)).toEqual(parts);
    found.spans.slice(1).forEach(({ startMs }, i) => expect(startMs).toBe(found.spans[i]!.endMs));
  });

  test('without time for more it stops at 16, and says so', async () => {
    network.setRig(pair.rig, grid);
    const hurried = await network.infer(pair.left, pair.right, { level: 64, budgetMs: 0 });
    expect(hurried).toMatchObject({ level: 16, computedShare: 0 });
    expect(hurried.spans.map(({ name }) => name)).toEqual(['prepare', 'coarse', 'choose']);
    expect(Object.keys(hurried.cells)).toEqual(['8', '16']);
    expect((await network.infer(pair.left, pair.right, { level: 64, budgetMs: 60_000 })).level).toBe(64);
  });

  test('pictures of another size and shape, in shared memory', async () => {
    const other = pairOf(0, { width: 310, height: 187 });
    const shared = (planes: Uint8Array) => {
      const copy = new Uint8Array(new SharedArrayBuffer(planes.length));
      copy.set(planes);
      return copy;
    };
    network.setRig(other.rig, grid);
    const { cells } = await network.infer(shared(other.left), shared(other.right), { level: 64 });
    expect(scoreLevels(cells, other.truth, grid)[8]!.iou).toBeGreaterThan(0.2);
  });

  test('two grey pictures are no failure', async () => {
    network.setRig(pair.rig, grid);
    const grey = new Uint8Array(pair.left.length).fill(128);
    const { level, cells } = await network.infer(grey, grey, { level: 64 });
    expect([level, cells[64]!.length]).toEqual([64, 64 ** 3]);
  });

  test('a rig that cannot be is refused with its code', () => {
    expect(thrownBy(() => network.setRig({ ...pair.rig, baselineM: -0.5 }, grid)).code).toBe('ERR_CALIBRATION_BASELINE');
    expect(thrownBy(() => network.setRig({ ...pair.rig, focalPx: 3 }, grid)).code).toBe('ERR_CALIBRATION_LENS');
  });

  test('graphs in the wrong places are told by what they take', async () => {
    const { manifest, folder, coarsePath, finePath } = await trainedNetwork();
    const error = await rejectionOf(OccupancyNetwork.load({ manifest, folder, coarsePath: finePath, finePath: coarsePath }, { threads: 1 }));
    expect(error).toMatchObject({ code: 'ERR_MODEL_CORRUPT', message: expect.stringContaining('without left, right') as string });
  });
});

test.each([
  ['one like those of training', { focalPx: 440, baselineM: 0.5 }, 32, undefined],
  ['a little beyond', { focalPx: 440, baselineM: 0.85 }, 32, undefined],
  ['a long focal length', { focalPx: 1000, baselineM: 0.5 }, 32, /focal length of 2\.27 picture widths \(trained: 0\.45 to 1\.5\)/],
  ['a short baseline and a long range', { focalPx: 440, baselineM: 0.02 }, 100, /baseline of 0\.02 m .* and a range of 100 m/],
])('rigs that nobody trained for: %s', (_, given, rangeM, expected) => {
  const doubt = rigDoubt(occupancyManifest(), { size, centre: { x: 220, y: 100 }, centreShiftPx: 0, ...given }, gridOf(rangeM));
  if (expected) expect(doubt).toMatch(expected);
  else expect(doubt).toBeUndefined();
});

function count(cells: Uint8Array): number {
  return cells.reduce((sum, cell) => sum + cell, 0);
}
