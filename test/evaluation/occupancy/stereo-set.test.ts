import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { gridOf } from '../../../src/core/voxel-grid.js';
import { parsePfm, readDisparity } from '../../../src/evaluation/occupancy/disparity-file.js';
import { readStereoSet } from '../../../src/evaluation/occupancy/stereo-set.js';
import { poolCells, voxelize } from '../../../src/occupancy/voxelize.js';
import { rejectionOf, thrownBy } from '../../fixtures/failure.js';
import { missingShared, SHARED_FIXTURES, sharedFixture } from '../../fixtures/index.js';
import { tempFolder } from '../../fixtures/temp-folder.js';
import { KITTI_RAW, MIDDLEBURY } from '../../occupancy/calibration-files.js';

const size = { width: 8, height: 4 };

async function picture(path: string, { width, height } = size): Promise<void> {
  await sharp({ create: { width, height, channels: 3, background: '#808080' } }).toFile(path);
}

async function deepPng(path: string, values: Uint16Array, { width, height } = size): Promise<void> {
  await sharp(values, { raw: { width, height, channels: 1 } }).toColourspace('grey16').png().toFile(path);
}

function pfmOf(rowsFromTop: readonly (readonly number[])[], littleEndian: boolean): Buffer {
  const header = Buffer.from(`Pf\n${rowsFromTop[0]!.length} ${rowsFromTop.length}\n${littleEndian ? '-1.0' : '1.0'}\n`);
  const values = rowsFromTop.toReversed().flat();
  const body = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => (littleEndian ? body.writeFloatLE(value, 4 * i) : body.writeFloatBE(value, 4 * i)));
  return Buffer.concat([header, body]);
}

describe('disparity pictures', () => {
  test.each([true, false])('PFM is read from its lowest row up, its endless values are gaps (little endian: %s)', (littleEndian) => {
    const { size: found, disparityPx } = parsePfm(pfmOf([[1.5, Infinity], [NaN, 4], [5, -6]], littleEndian), 'x.pfm');
    expect(found).toEqual({ width: 2, height: 3 });
    expect([...disparityPx]).toEqual([1.5, 0, 0, 4, 5, 0]);
  });

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a colour one', Buffer.from('PF\n1 1\n-1\n123456789012')],
    ['one without a scale', Buffer.from('Pf\n1 1\n0\n1234')],
    ['one that is cut off', pfmOf([[1, 2]], true).subarray(0, -1)],
    ['one that claims to be huge', Buffer.from('Pf\n999999 999999\n-1\n1234')],
  ])('PFM: %s is a coded error', (_, bytes) => {
    expect(thrownBy(() => parsePfm(bytes, 'x.pfm')).code).toBe('ERR_DATASET_INVALID');
  });

  test("KITTI's 16 bits are 1/256 pixels, Middlebury's 8 bits as many as the set says", async () => {
    const folder = tempFolder();
    await deepPng(join(folder, 'deep.png'), Uint16Array.from({ length: 32 }, (_, i) => 300 * i));
    expect([...(await readDisparity(join(folder, 'deep.png'), 4)).disparityPx]).toEqual(Array.from({ length: 32 }, (_, i) => (300 * i) / 256));
    await sharp(Uint8Array.from({ length: 32 }, (_, i) => 7 * i), { raw: { ...size, channels: 1 } }).png().toFile(join(folder, 'grey.png'));
    expect([...(await readDisparity(join(folder, 'grey.png'), 4)).disparityPx]).toEqual(Array.from({ length: 32 }, (_, i) => (7 * i) / 4));
  });

  test('a file that is missing, and one that is no picture', async () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'x.png'), 'no picture');
    expect((await rejectionOf(readDisparity(join(folder, 'y.png'), 1))).code).toBe('ERR_FILE_NOT_FOUND');
    expect((await rejectionOf(readDisparity(join(folder, 'x.png'), 1))).code).toBe('ERR_DATASET_INVALID');
  });
});

describe('folders', () => {
  async function kittiFolder(): Promise<string> {
    const folder = tempFolder();
    for (const name of ['image_2', 'image_3', 'disp_occ_0', 'calib_cam_to_cam']) mkdirSync(join(folder, name));
    const [width, height] = [1242, 375];
    for (const name of ['000001_10.png', '000001_11.png', '000002_10.png']) for (const side of ['image_2', 'image_3']) await picture(join(folder, side, name), { width, height });
    for (const name of ['000001_10.png', '000002_10.png']) await deepPng(join(folder, 'disp_occ_0', name), new Uint16Array(width * height), { width, height });
    return folder;
  }

  test('KITTI: pairs with truth, with the calibration of each', async () => {
    const folder = await kittiFolder();
    for (const frame of ['000001', '000002']) writeFileSync(join(folder, 'calib_cam_to_cam', `${frame}.txt`), KITTI_RAW.replaceAll('7.215377e+02', frame === '000001' ? '7.2e+02' : '7.3e+02'));
    const { layout, pairs } = await readStereoSet(folder);
    expect(layout).toBe('kitti');
    expect(pairs.map(({ id, rig, isRigAssumed }) => [id, rig.focalPx, isRigAssumed])).toEqual([['000001_10', 720, false], ['000002_10', 730, false]]);
  });

  test('KITTI without calibration: an error that says what to do, or what was assumed', async () => {
    const folder = await kittiFolder();
    const error = await rejectionOf(readStereoSet(folder));
    expect(error).toMatchObject({ code: 'ERR_DATASET_INVALID', fix: expect.stringContaining('baseline') as string });
    const { pairs } = await readStereoSet(folder, { assumed: { focalPx: 700, baselineM: 0.5 } });
    expect(pairs[0]).toMatchObject({ isRigAssumed: true, rig: { focalPx: 700, baselineM: 0.5, centre: { x: 620.5, y: 187 } } });
    expect((await rejectionOf(readStereoSet(folder, { assumed: { focalPx: 7, baselineM: 0.5 } }))).code).toBe('ERR_CALIBRATION_LENS');
  });

  test('Middlebury: scenes of each year, calibrated or assumed', async () => {
    const folder = tempFolder();
    const scene = async (name: string, left: string, right: string, truth: string, wide = 450) => {
      mkdirSync(join(folder, name));
      for (const side of [left, right]) await picture(join(folder, name, side), { width: wide, height: 375 });
      if (truth.endsWith('.pfm')) writeFileSync(join(folder, name, truth), pfmOf([[1]], true));
      else await picture(join(folder, name, truth));
    };
    await scene('art', 'view1.png', 'view5.png', 'disp1.png');
    await scene('cones', 'im2.png', 'im6.png', 'disp2.png');
    await scene('motorcycle', 'im0.png', 'im1.png', 'disp0.pfm', 480);
    writeFileSync(join(folder, 'motorcycle', 'calib.txt'), MIDDLEBURY.replace('960', '1920').replace('720', '1500'));
    const { layout, pairs } = await readStereoSet(folder, { assumed: { focalPx: 900, baselineM: 0.16, centreShiftPx: 30 } });
    expect(layout).toBe('middlebury');
    expect(pairs.map(({ id, disparityScale, isRigAssumed, rig }) => [id, disparityScale, isRigAssumed, rig.focalPx, rig.centreShiftPx])).toEqual([
      ['art', 3, true, 900, 30],
      ['cones', 4, true, 900, 30],
      // The calibration is of pictures four times as large.
      ['motorcycle', 1, false, 375, 12.5],
    ]);
  });

  test('no folder, and one without pairs', async () => {
    const folder = tempFolder();
    expect((await rejectionOf(readStereoSet(join(folder, 'none')))).code).toBe('ERR_FILE_NOT_FOUND');
    expect((await rejectionOf(readStereoSet(folder))).code).toBe('ERR_DATASET_EMPTY');
  });
});

const shared = sharedFixture('stereo');

test.skipIf(shared === undefined)(`real pairs become voxels${shared ? '' : `: ${missingShared(SHARED_FIXTURES.stereo.path)}`}`, async () => {
  const kitti = await readStereoSet(join(shared!, 'kitti2015'), { assumed: { focalPx: 721.5377, baselineM: 0.5327 } });
  const cones = await readStereoSet(join(shared!, 'cones'), { assumed: { focalPx: 935, baselineM: 0.16 } });
  const counts: number[] = [];
  for (const [pair, rangeM] of [[kitti.pairs[0]!, 32], [cones.pairs[0]!, 8]] as const) {
    const { size: found, disparityPx } = await readDisparity(pair.disparity, pair.disparityScale);
    expect(found).toEqual(pair.rig.size);
    const cells = new Uint8Array(64 ** 3);
    voxelize(disparityPx, pair.rig, gridOf(rangeM), 64, cells);
    counts.push(cells.reduce((sum, cell) => sum + cell, 0), poolCells(cells, 64).reduce((sum, cell) => sum + cell, 0));
  }
  console.log(`occupied cells: KITTI ${counts[0]} of 64, ${counts[1]} of 32; cones ${counts[2]} and ${counts[3]}`);
  for (const count of counts) expect(count).toBeGreaterThan(50);
});
