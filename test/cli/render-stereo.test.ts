import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { disparityCodes } from '../../src/cli/render-stereo/write-pair.js';
import { renderPair } from '../../src/stereo-scenes/render-pair.js';
import { pairRequest, type StereoSet } from '../../src/stereo-scenes/stereo-set.js';
import { runCli } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const HOME = tempFolder();
const FILES = ['calib/000000.txt', 'calib/000001.txt', ...['disp_occ_0', 'image_2', 'image_3'].flatMap((folder) => [`${folder}/000000_10.png`, `${folder}/000001_10.png`]), 'preview.png', 'set.json'];

function render(out: string, ...more: string[]) {
  return runCli(['render-stereo', '--out', out, '--count', '2', '--seed', '4', '--rig', 'varied', '--recipe', 'mild', '--size', '96x64', ...more], HOME);
}

test("a set has KITTI's folders, holds what was rendered to the last bit, and is the same again", async () => {
  const out = join(HOME, 'first');
  const { status, stdout } = await render(out, '--json');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ out, count: 2, seed: 4, rig: 'varied', recipe: 'mild', rangeM: 32 });
  expect(readdirSync(out, { recursive: true }).map(String).filter((name) => name.includes('.')).sort()).toEqual(FILES);

  const set: StereoSet = { rig: 'varied', recipe: 'mild', isHeldOut: false, size: { width: 96, height: 64 }, seed: 4 };
  const record = JSON.parse(readFileSync(join(out, 'set.json'), 'utf8')) as { pairs: { id: string; layout: string; heightM: number }[] };
  for (const index of [0, 1]) {
    const request = pairRequest(set, index);
    const pair = renderPair(request);
    const name = `00000${index}_10.png`;
    expect(record.pairs[index]).toMatchObject({ id: name, layout: pair.layout, recipe: 'mild', heightM: request.heightM, focalPx: request.rig.focalPx, baselineM: request.rig.baselineM });
    expect(new Uint8Array(await sharp(join(out, 'image_2', name)).raw().toBuffer())).toEqual(pair.left);
    expect(new Uint8Array(await sharp(join(out, 'image_3', name)).raw().toBuffer())).toEqual(pair.right);
    const disparity = await sharp(join(out, 'disp_occ_0', name)).toColourspace('grey16').raw({ depth: 'ushort' }).toBuffer();
    expect(new Uint16Array(new Uint8Array(disparity).buffer)).toEqual(disparityCodes(pair.disparityPx));
    expect((await sharp(join(out, 'disp_occ_0', name)).metadata()).depth).toBe('ushort');
    const [p2, p3] = readFileSync(join(out, 'calib', `00000${index}.txt`), 'utf8').trim().split('\n').map((line) => line.split(' ').slice(1).map(Number));
    const { focalPx, baselineM, centre } = request.rig;
    const close = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 8) as number);
    expect(p2).toEqual(close([focalPx, 0, centre.x, 0, 0, focalPx, centre.y, 0, 0, 0, 1, 0]));
    expect(p3).toEqual(close([focalPx, 0, centre.x, -focalPx * baselineM, 0, focalPx, centre.y, 0, 0, 0, 1, 0]));
  }

  const again = join(HOME, 'again');
  expect((await render(again)).status).toBe(0);
  for (const file of FILES) expect(readFileSync(join(again, file)).equals(readFileSync(join(out, file))), file).toBe(true);

  const refused = await render(out);
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain('ERR_USAGE');
  expect((await render(out, '--force', '--held-out')).status).toBe(0);
  expect(readFileSync(join(out, 'image_2/000000_10.png')).equals(readFileSync(join(again, 'image_2/000000_10.png')))).toBe(false);
});

test.each([
  ['an unknown rig', ['--rig', 'submarine']],
  ['an unknown recipe', ['--recipe', 'spicy']],
  ['no pairs', ['--count', '0']],
  ['pictures too small to hold a scene', ['--size', '8x8']],
])('%s is refused before anything is written', async (_, wrong) => {
  const out = join(HOME, 'refused');
  expect((await render(out, ...wrong)).status).toBe(2);
  expect(readdirSync(HOME)).not.toContain('refused');
});

test.each([
  ['none', 0, 0],
  ['to the next 256th', 10.001, 2560],
  ['the largest', 255.99, 65533],
  ['more than 16 bits hold: none', 256, 0],
])('a disparity of %s', (_, disparity, code) => {
  expect(disparityCodes(Float32Array.of(disparity))[0]).toBe(code);
});
