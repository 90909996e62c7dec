import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../fixtures/cli.js';
import { missingShared, sharedFile } from '../fixtures/index.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const home = tempFolder();
const work = tempFolder();
const folder = join(work, 'street');
const tracks = join(work, 'tracks.txt');

/** One object for four frames, and two tracks of two. The video is not read: the tracks are there. */
beforeAll(() => {
  mkdirSync(folder);
  writeFileSync(join(folder, 'street.avi'), '');
  writeFileSync(join(folder, 'gt.txt'), '1,7,1,1,10,10,1\n2,7,1,1,10,10,1\n3,7,1,1,10,10,1\n4,7,1,1,10,10,1\n');
  writeFileSync(tracks, '1,1,1,1,10,10,0.9,-1,-1,-1\n2,1,1,1,10,10,0.9,-1,-1,-1\n3,2,1,1,10,10,0.9,-1,-1,-1\n4,2,1,1,10,10,0.9,-1,-1,-1\n');
});

const evaluate = (...args: string[]) => runCli(['eval', ...args], home);

describe('lynceus eval --format mot', () => {
  test('scores the tracks of others', async () => {
    const { status, stdout, stderr } = await evaluate(folder, '--format', 'mot', '--results', tracks, '--json');
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ dataset: 'street.avi', ground_truth: 'gt.txt', frames: 4, mota: 0.75, idf1: 0.5, hota: 0.7071, det_a: 1, ass_a: 0.5, motp: 1, false_positives: 0, false_negatives: 0, id_switches: 1, fragmentations: 0 });
  });

  test('prints a table for people', async () => {
    const { stdout } = await evaluate(join(folder, 'street.avi'), '--gt', join(folder, 'gt.txt'), '--format', 'mot', '--results', tracks);
    expect(stdout).toMatch(/street\.avi, tracks of a file: 4 frames, 4 boxes of 1 objects/);
    expect(stdout).toMatch(/all frames +75\.0 +50\.0 +70\.7/);
  });

  test.each<[string, string[], RegExp, number]>([
    ['dropping frames of tracks that are there', ['--format', 'mot', '--results', 'tracks.txt', '--drop', '0.3'], /--drop without --results/, 2],
    ['an attack', ['--format', 'mot', '--guard', 'on'], /--format mot without --attack/, 2],
    ['tracks that are missing', ['--format', 'mot', '--results', 'nowhere.txt'], /nowhere\.txt: the tracks can't be read/, 2],
    ['ground truth that is missing', ['--format', 'mot', '--gt', 'nowhere.txt'], /nowhere\.txt/, 2],
    ['an unknown format', ['--format', 'kitti'], /Allowed choices are coco, mot/, 2],
  ])('refuses %s', async (_, args, message, status) => {
    const result = await evaluate(folder, ...args);
    expect(result.stderr).toMatch(message);
    expect(result.status).toBe(status);
  });
});

const pets = sharedFile('data/pets2009');
const fast = sharedFile('models/yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.cfg');

describe.skipIf(!pets || !fast)(`tracks on PETS 2009${pets && fast ? '' : ` (skipped: ${missingShared('data/pets2009')} or the model is)`}`, () => {
  test('are kept through dropped frames, and are scored the same from a file', async () => {
    const written = join(work, 'pets.txt');
    const report = join(work, 'report');
    const { status, stdout, stderr } = await evaluate(pets!, '--format', 'mot', '--model', fast!, '--drop', '0.33', '--write-tracks', written, '--report', report, '--json');
    expect(status, stderr).toBe(0);
    const { frames, idf1, dropped } = JSON.parse(stdout) as { frames: number; idf1: number; dropped: { idf1_relative_loss: number } };
    expect(frames).toBe(398);
    // What docs/tracking.md says, with room for another processor's rounding.
    expect(idf1).toBeGreaterThan(0.57);
    expect(dropped.idf1_relative_loss).toBeLessThan(0.1);
    expect(readFileSync(join(report, 'tracking.html'), 'utf8')).toContain('<svg');
    const again = await evaluate(pets!, '--format', 'mot', '--results', written, '--json');
    // Written to a hundredth of a pixel.
    expect((JSON.parse(again.stdout) as { idf1: number }).idf1).toBeCloseTo(idf1, 2);
  }, 90_000);
});
