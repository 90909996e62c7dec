import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseLevel, parseRig } from '../../src/cli/stereo/stereo-options.js';
import { drawFromAbove, heightsFromAbove } from '../../src/cli/stereo/from-above.js';
import { runCli } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { hasNetwork, NETWORK_MISSING } from '../occupancy/network/occupancy-model.js';

const home = tempFolder();
const work = tempFolder();
const set = join(work, 'set');
const truth = join(set, 'disp_occ_0');

interface Evaluated {
  readonly pairs: number;
  readonly broken: readonly { readonly id: string; readonly code: string }[];
  readonly levels: Readonly<Record<'8' | '16' | '32' | '64', { readonly iou: number; readonly strictIou: number; readonly chamferM: number }>>;
  readonly ms?: { readonly coarse: { readonly median: number; readonly p95: number }; readonly all: { readonly median: number; readonly p95: number } };
  readonly computedShare?: number;
  readonly rangeM: number;
  readonly truth: string;
  readonly isRigAssumed: boolean;
  readonly doubts: readonly string[];
}

const evaluate = (folder: string, ...more: string[]) => runCli(['eval', folder, '--format', 'stereo', ...more], home);

async function evaluated(folder: string, ...more: string[]): Promise<Evaluated> {
  const { status, stdout, stderr } = await evaluate(folder, '--json', ...more);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as Evaluated;
}

beforeAll(async () => {
  const rendered = await runCli(['render-stereo', '--out', set, '--count', '3', '--seed', '4', '--rig', 'driving', '--recipe', 'clean', '--size', '220x100'], home);
  expect(rendered.status, rendered.stderr).toBe(0);
});

describe('lynceus eval --format stereo', { timeout: 60_000 }, () => {
  test('true disparities are right at every level', async () => {
    const found = await evaluated(set, '--disparity', truth);
    expect(found).toMatchObject({ pairs: 3, broken: [], rangeM: 32, truth: 'cells in view', isRigAssumed: false, doubts: [] });
    for (const side of ['8', '16', '32', '64'] as const) expect(found.levels[side]).toEqual({ iou: 1, strictIou: 1, chamferM: 0 });
    expect([found.ms, found.computedShare]).toEqual([undefined, undefined]);
  });

  test('disparities that are off are not, and finer levels less; a limit and a range of its own', async () => {
    const off = join(work, 'off');
    mkdirSync(off);
    for (const name of ['000000_10', '000001_10', '000002_10']) {
      const { data, info } = await sharp(join(truth, `${name}.png`)).toColourspace('grey16').raw({ depth: 'ushort' }).toBuffer({ resolveWithObject: true });
      const codes = new Uint16Array(new Uint8Array(data).buffer).map((code) => (code === 0 ? 0 : Math.min(65_535, code * 1.04)));
      await sharp(codes, { raw: { width: info.width, height: info.height, channels: 1 } }).toColourspace('grey16').png().toFile(join(off, `${name}.png`));
    }
    const found = await evaluated(set, '--disparity', off, '--limit', '2', '--range', '20');
    expect([found.pairs, found.rangeM]).toEqual([2, 20]);
    expect(found.levels['8'].iou).toBeGreaterThan(found.levels['64'].iou);
    expect(found.levels['64'].iou).toBeLessThan(0.9);
    expect(found.levels['64'].chamferM).toBeGreaterThan(0);
  });

  test('one that is broken is counted, and the others go on; where all are, the first says why', async () => {
    const broken = join(work, 'broken');
    cpSync(set, broken, { recursive: true });
    writeFileSync(join(broken, 'image_3/000001_10.png'), 'no picture');
    rmSync(join(broken, 'calib/000002.txt'));
    const found = await evaluated(broken, '--disparity', truth);
    expect(found.pairs).toBe(1);
    expect(found.broken.map(({ id, code }) => [id, code])).toEqual([['000001_10', 'ERR_DATASET_INVALID'], ['000002_10', 'ERR_DATASET_INVALID']]);
    rmSync(join(broken, 'calib'), { recursive: true });
    const { status, stderr } = await evaluate(broken, '--disparity', truth);
    expect([status, /ERR_DATASET_INVALID/.test(stderr), /no calibration/.test(stderr)]).toEqual([2, true, true]);
  });

  test('a Middlebury scene without calibration: the rig is assumed, gaps of the truth do not count', async () => {
    const scene = join(work, 'scenes/cones');
    mkdirSync(scene, { recursive: true });
    for (const name of ['im2', 'im6']) await sharp({ create: { width: 64, height: 48, channels: 3, background: '#707070' } }).png().toFile(join(scene, `${name}.png`));
    // Left half known: 8 pixels, the rest gaps.
    const known = Uint8Array.from({ length: 64 * 48 }, (_, i) => (i % 64 < 32 ? 32 : 0));
    await sharp(known, { raw: { width: 64, height: 48, channels: 1 } }).png().toFile(join(scene, 'disp2.png'));
    const guesses = join(work, 'guesses');
    mkdirSync(guesses);
    const pfm = Buffer.concat([Buffer.from('Pf\n64 48\n-1.0\n'), Buffer.from(new Float32Array(64 * 48).fill(8).buffer)]);
    writeFileSync(join(guesses, 'cones.pfm'), pfm);
    const found = await evaluated(join(work, 'scenes'), '--disparity', guesses, '--rig', '60,0.16', '--range', '4', '--bottom', '1.5', '--disparity-scale', '4');
    expect(found).toMatchObject({ pairs: 1, isRigAssumed: true, rangeM: 4, truth: 'cells on rays of pixels with a known disparity' });
    expect(found.levels['64'].iou).toBeGreaterThan(0.9);
    expect(found.levels['64'].strictIou).toBeLessThan(0.6);
  });

  test('a table for people says what the numbers mean, and a page shows pairs from above', async () => {
    const report = join(work, 'report');
    const { status, stdout, stderr } = await evaluate(set, '--disparity', truth, '--report', report);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/disp_occ_0 on set \(kitti\): 3 pairs, a cube of 32 m/);
    expect(stdout).toMatch(/64 +0\.50 +1\.000 +1\.000 +0\.00/);
    expect(stdout).toMatch(/IoU: of the cells that are occupied/);
    const page = readFileSync(join(report, 'occupancy.html'), 'utf8');
    expect(page).toContain('truth from above');
    expect(page.match(/data:image\/jpeg/g)).toHaveLength(9);
    expect(page).toContain(`lynceus eval ${set} --format stereo --disparity ${truth}`);
    expect(page).not.toMatch(/(src|href)="https?:/);
  });

  test.each<[string, (folder: string) => string[], number, RegExp]>([
    ['a folder that is not there', () => [join(work, 'nowhere'), '--disparity', truth], 2, /ERR_FILE_NOT_FOUND/],
    ['a folder without pairs', () => [home, '--disparity', truth], 2, /ERR_DATASET_EMPTY/],
    ['a detector', () => [set, '--model', 'centernet-coco'], 2, /ERR_MODEL_TASK.*centernet-coco is a detector/],
    ['disparities that are not there', () => [set, '--disparity', join(work, 'nowhere')], 2, /ERR_FILE_NOT_FOUND/],
    ['an attack', () => [set, '--guard', 'on'], 2, /--format stereo without --attack/],
    ['a level that no octree has', () => [set, '--level', '12'], 2, /8, 16, 32, 64/],
    ['a rig without a baseline', () => [set, '--rig', '700'], 2, /baseline/],
  ])('%s is refused', async (_, args, expected, message) => {
    const [folder, ...more] = args(set);
    const { status, stderr } = await evaluate(folder!, ...more);
    expect(stderr).toMatch(message);
    expect(status).toBe(expected);
    expect(existsSync(join(work, 'nowhere'))).toBe(false);
  });
});

describe.skipIf(!hasNetwork)(`with the trained network${hasNetwork ? '' : ` (skipped: ${NETWORK_MISSING})`}`, { timeout: 60_000 }, () => {
  test('lists and shows it as what it is', async () => {
    const { stdout } = await runCli(['models', 'list'], home);
    expect(stdout).toMatch(/stereo-occupancy +included +space/);
    expect(stdout).toMatch(/centernet-coco +included +boxes/);
    const shown = await runCli(['models', 'inspect', 'stereo-occupancy'], home);
    expect(shown.stdout).toMatch(/finds +occupied space in stereo pairs/);
    expect(shown.stdout).toMatch(/fine\.onnx [0-9a-f]{64}/);
  });

  test('tells how good it is, what it takes and what it computes', async () => {
    const found = await evaluated(set, '--threads', '1');
    expect(found.pairs).toBe(3);
    expect(found.levels['8'].iou).toBeGreaterThan(0.1);
    expect(found.ms!.coarse.median).toBeGreaterThan(0);
    expect(found.ms!.all.median).toBeGreaterThan(found.ms!.coarse.median);
    expect(found.computedShare).toBeLessThan(0.6);
    const coarse = await evaluated(set, '--threads', '1', '--level', '16', '--limit', '1');
    expect(Object.keys(coarse.levels)).toEqual(['8', '16']);
    expect(coarse.computedShare).toBe(0);
  });

  test('tells that a rig is beyond those of its training', async () => {
    const found = await evaluated(set, '--threads', '1', '--level', '8', '--limit', '1', '--range', '200');
    expect(found.doubts.join()).toMatch(/range of 200 m/);
  });
});

test.each([
  ['721.5,0.533', { focalPx: 721.5, baselineM: 0.533 }],
  ['935, 0.16, -12', { focalPx: 935, baselineM: 0.16, centreShiftPx: -12 }],
])('a rig: %s', (text, expected) => {
  expect(parseRig(text)).toEqual(expected);
});

test.each(['', '700', '700,x', '-1,2', '700,0', '1,2,3,4', '1,2,'])('no rig: "%s"', (text) => {
  expect(() => parseRig(text)).toThrow(/focal length/);
});

test('levels', () => {
  expect([8, 16, 32, 64].map((level) => parseLevel(String(level)))).toEqual([8, 16, 32, 64]);
  expect(() => parseLevel('64.0')).toThrow();
});

test('from above: the uppermost cell of each column, the camera below in the middle', async () => {
  const cells = new Uint8Array(64);
  for (const [x, y, z] of [[0, 3, 0], [1, 1, 2], [1, 2, 2]] as const) cells[x + 4 * (y + 4 * z)] = 1;
  const heights = heightsFromAbove(cells, 4);
  expect([...heights]).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0]);
  const { data, info } = await sharp(await drawFromAbove(heights, 40)).raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => data[3 * (x + info.width * y) + 2]!;
  expect([info.width, info.height]).toEqual([40, 40]);
  // Near is below: the lowest cell lies in the last row.
  expect(at(5, 35)).toBeGreaterThan(60);
  expect(at(35, 35)).toBeLessThan(45);
  expect(Math.max(data[3 * (15 + 40 * 15)]!, data[3 * (15 + 40 * 15) + 1]!)).toBeGreaterThan(150);
});
