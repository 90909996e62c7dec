import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { readDataset } from '../../src/sources/dataset/read-dataset.js';
import { runCli, tinyModelFolder } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const home = tempFolder();
const work = tempFolder();
const dataset = join(work, 'cats');
const clip = join(work, 'clip');
let model: string;

/** The tiny detector says "cat" at 8..24 in every picture, as certain as its mean of green: 0.9 here. */
beforeAll(async () => {
  mkdirSync(join(dataset, 'images'), { recursive: true });
  mkdirSync(join(clip, 'img1'), { recursive: true });
  mkdirSync(join(clip, 'gt'));
  const ids = [1, 2, 3, 4];
  for (const id of ids) {
    const picture = sharp({ create: { width: 32, height: 32, channels: 3, background: { r: 0, g: 230, b: 0 } } });
    await picture.clone().toFile(join(dataset, 'images', `${id}.png`));
    await picture.clone().toFile(join(clip, 'img1', `${String(id).padStart(6, '0')}.png`));
  }
  const annotations = ids.map((id) => ({ id, image_id: id, category_id: 7, bbox: [8, 8, 16, 16], area: 256, iscrowd: 0 }));
  writeFileSync(join(dataset, 'instances.json'), JSON.stringify({ images: ids.map((id) => ({ id, file_name: `${id}.png`, width: 32, height: 32 })), annotations, categories: [{ id: 7, name: 'cat' }, { id: 8, name: 'zebra' }] }));
  writeFileSync(join(clip, 'gt', 'gt.txt'), ids.map((id) => `${id},1,9,9,16,16,1,1,1\n`).join(''));
  model = tinyModelFolder(work);
});

const args = (out: string, ...more: string[]): string[] => ['attack', dataset, '--model', model, '--label', 'cat', '--side', '1', '--above', '0', '--out', join(work, out), ...more];

interface Figures {
  readonly clean: { readonly ap50: number };
  readonly grey: { readonly ap50: number; readonly disappearance_rate: number };
  readonly attacked: { readonly ap50: number; readonly disappearance_rate: number };
  readonly search: { readonly queries: number; readonly judged: { readonly name: string; readonly searched: { readonly score: number }; readonly held_out: { readonly score: number } }[] } | null;
  readonly files: { readonly video: string | null };
}

describe('lynceus attack', () => {
  test('writes the attacked pictures with their truth, the patch and a page, and says what it did', async () => {
    const { status, stdout, stderr } = await runCli(args('given', '--patch', 'noise', '--json'), home);
    expect(status, stderr).toBe(0);
    const figures = JSON.parse(stdout) as Figures;
    expect(figures.clean.ap50).toBeCloseTo(1, 9);
    expect(figures.search).toBeNull();
    expect(figures.files.video).toBeNull();
    const [before, after] = [await readDataset(dataset), await readDataset(join(work, 'given', 'attacked'))];
    expect(after.boxes).toEqual(before.boxes);
    expect(JSON.parse(readFileSync(join(work, 'given', 'attack.json'), 'utf8'))).toEqual(figures);
    const page = readFileSync(join(work, 'given', 'report.html'), 'utf8');
    expect(page).toContain('The patch takes AP50 from 100.0 %');
    expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
    // Not again over what is there.
    const again = await runCli(args('given', '--patch', 'noise'), home);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain('ERR_OUTPUT_WRITE');
    expect((await runCli(args('given', '--patch', 'grey', '--force'), home)).status).toBe(0);
  }, 90_000);

  test('searches for a patch that does more than a grey one, on pictures that it never saw, too', async () => {
    const { status, stdout, stderr } = await runCli(args('found', '--queries', '500', '--grid', '4', '--json'), home);
    expect(status, stderr).toBe(0);
    const { search, grey, attacked } = JSON.parse(stdout) as Figures;
    expect(search!.queries).toBeLessThanOrEqual(500);
    const [found, grey_] = [search!.judged.find(({ name }) => name === 'optimised')!, search!.judged.find(({ name }) => name === 'grey')!];
    expect(found.searched.score).toBeLessThan(grey_.searched.score - 0.1);
    expect(found.held_out.score).toBeLessThan(grey_.held_out.score - 0.1);
    expect(attacked.ap50).toBeLessThanOrEqual(grey.ap50);
    expect(statSync(join(work, 'found', 'search.json')).size).toBeGreaterThan(0);
    // Green is gone.
    const { channels } = await sharp(join(work, 'found', 'patch.png')).stats();
    expect(channels[1]!.mean).toBeLessThan(80);
    // A search of other settings isn't taken for this one.
    const other = await runCli(args('found', '--queries', '500', '--grid', '5', '--force'), home);
    expect(other.status).toBe(2);
    expect(other.stderr).toContain('differs in grid');
  }, 90_000);

  test('of a recording it makes a video', async () => {
    const out = join(work, 'recording');
    const { status, stderr } = await runCli(['attack', clip, '--model', model, '--label', 'person', '--patch', 'grey', '--out', out], home);
    // The model knows no person.
    expect(status).toBe(2);
    expect(stderr).toContain('ERR_DATASET_INVALID');
    expect(existsSync(out)).toBe(false);
  }, 60_000);

  test.each([
    ['a label that the dataset lacks', ['--label', 'dog'], 'ERR_DATASET_INVALID'],
    ['a label that no picture shows', ['--label', 'zebra'], 'ERR_DATASET_INVALID'],
    ['a patch that is missing', ['--patch', 'missing.png'], 'ERR_FILE_NOT_FOUND'],
    ['a finished patch to be adapted', ['--patch', 'grey', '--adaptive'], 'ERR_USAGE'],
    ['objects to be hidden from the background', ['--background', '1'], 'ERR_USAGE'],
    ['a ground truth for a dataset', ['--gt', 'gt.txt'], 'ERR_USAGE'],
    ['too few queries', ['--queries', '3'], 'ERR_USAGE'],
    ['a model that is missing', ['--model', 'nobody'], 'ERR_MODEL_NOT_FOUND'],
  ])('refuses %s', async (_, more, code) => {
    const { status, stderr } = await runCli(args('refused', ...more), home);
    expect(stderr).toContain(code);
    expect(status).toBe(2);
  }, 60_000);
});
