import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { attackedClasses, type AttackOptions, attackPlacement, namedPatch } from '../../src/cli/attack/attack-options.js';
import { readDataset } from '../../src/sources/dataset/read-dataset.js';
import { probeVideo } from '../../src/sources/probe.js';
import { rejectionOf, thrownBy } from '../fixtures/failure.js';
import { runCli, tinyModelFolder } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { tinyDetector } from '../fixtures/tiny-onnx.js';

const home = tempFolder();
const work = tempFolder();
const dataset = join(work, 'cats');
const clip = join(work, 'clip');
let model: string;
/** The same, but it says "person". */
const personModel = join(work, 'persons');

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
  const { manifest, original } = tinyDetector();
  mkdirSync(personModel);
  writeFileSync(join(personModel, manifest.file), original);
  writeFileSync(join(personModel, 'manifest.json'), JSON.stringify({ ...manifest, labels: ['person', 'dog'] }));
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
    // A search of other settings isn't taken for this one; --force lets it overwrite pictures, not that.
    const other = await runCli(args('found', '--queries', '500', '--grid', '5', '--force'), home);
    expect(other.status).toBe(2);
    expect(other.stderr).toContain('differs in grid');
  }, 90_000);

  test('of a recording it makes a video', async () => {
    const out = join(work, 'recording');
    const { status, stdout, stderr } = await runCli(['attack', clip, '--model', personModel, '--patch', 'grey', '--out', out, '--json'], home);
    expect(status, stderr).toBe(0);
    expect((JSON.parse(stdout) as Figures).files.video).toBe(join(out, 'attacked.mp4'));
    expect((await probeVideo(join(out, 'attacked.mp4'))).frameCount).toBe(4);
  }, 60_000);

  test('refuses too few queries before it writes a picture', async () => {
    const { status, stderr } = await runCli(args('refused', '--queries', '3'), home);
    expect(stderr).toContain('ERR_USAGE');
    expect(status).toBe(2);
    expect(existsSync(join(work, 'refused', 'attacked'))).toBe(false);
  }, 60_000);
});

describe('what a command line asks for', () => {
  const usual: AttackOptions = {
    ...{ model: 'tiny', patch: 'optimise', goal: 'hide', method: 'square', queries: 100, grid: 4, evidenceWeight: 0.5 },
    ...{ label: ['cat'], side: 0.25, above: 0.08, rotation: 0, brightness: 1, seed: 1 },
  };

  test('objects appear from the background, unless a place is named', () => {
    expect(attackPlacement(usual)).toMatchObject({ on: 'objects', side: 0.25, above: 0.08 });
    expect(attackPlacement({ ...usual, goal: 'appear' })).toMatchObject({ on: 'background', perImage: 1 });
    expect(attackPlacement({ ...usual, goal: 'appear', at: [0.5, 0.5] })).toMatchObject({ on: 'scene', at: [0.5, 0.5] });
    expect(thrownBy(() => attackPlacement({ ...usual, background: 1 })).code).toBe('ERR_USAGE');
    expect(attackPlacement({ ...usual, patch: 'grey', background: 1 })).toMatchObject({ on: 'background' });
  });

  test('a patch by name, or none where it is to be found', async () => {
    expect(await namedPatch(usual)).toBeUndefined();
    expect((await namedPatch({ ...usual, patch: 'noise', greyscale: true }))!.name).toBe('noise-greyscale');
    expect((await rejectionOf(namedPatch({ ...usual, patch: join(work, 'missing.png') }))).code).toBe('ERR_FILE_NOT_FOUND');
    expect((await rejectionOf(namedPatch({ ...usual, patch: 'grey', adaptive: true }))).code).toBe('ERR_USAGE');
  });

  test('labels that both the dataset and the model know', async () => {
    const cats = await readDataset(dataset);
    expect(attackedClasses(usual, cats, ['dog', 'cat'])).toEqual(new Set([1]));
    expect(thrownBy(() => attackedClasses({ ...usual, label: ['dog'] }, cats, ['dog', 'cat'])).fix).toContain('cat, zebra');
    expect(thrownBy(() => attackedClasses(usual, cats, ['dog'])).fix).toContain('dog');
    expect(thrownBy(() => attackedClasses(usual, { ...cats, boxes: [] }, ['cat'])).code).toBe('ERR_DATASET_INVALID');
  });
});
