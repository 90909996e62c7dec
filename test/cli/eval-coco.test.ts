import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { tinyDetector } from '../fixtures/tiny-onnx.js';

const home = tempFolder();
const work = tempFolder();
const dataset = join(work, 'cats');
const model = join(work, 'tiny');
const other = join(work, 'other');

function writeModel(folder: string, labels: readonly string[]): void {
  const { manifest, original } = tinyDetector({ tap: 'tap' });
  mkdirSync(folder);
  writeFileSync(join(folder, manifest.file), original);
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, labels }));
}

/** The tiny detector says its first label at 8..24 in every picture, as certain as its mean of green. */
beforeAll(async () => {
  mkdirSync(join(dataset, 'images'), { recursive: true });
  const images = [1, 2, 3].map((id) => ({ id, file_name: `${id}.png`, width: 32, height: 32 }));
  for (const { file_name: name } of images) await sharp({ create: { width: 32, height: 32, channels: 3, background: { r: 0, g: 200, b: 0 } } }).png().toFile(join(dataset, 'images', name));
  const annotations = [...images.map(({ id }) => ({ id, image_id: id, category_id: 7, bbox: [8, 8, 16, 16] })), { id: 9, image_id: 1, category_id: 8, bbox: [0, 0, 10, 10] }];
  writeFileSync(join(dataset, 'instances.json'), JSON.stringify({ images, annotations, categories: [{ id: 7, name: 'cat' }, { id: 8, name: 'tree' }] }));
  const { manifest } = tinyDetector({ tap: 'tap' });
  writeModel(model, manifest.labels);
  writeModel(other, manifest.labels.map((_, index) => `thing ${index}`));
});

interface Change {
  readonly before: number;
  readonly after: number;
  readonly difference: number;
  readonly interval: { readonly low: number; readonly high: number };
}

describe('lynceus eval', () => {
  test('--classes scores those alone', async () => {
    const all = await runCli(['eval', dataset, '--model', model, '--json'], home);
    const cats = await runCli(['eval', dataset, '--model', model, '--classes', 'cat', '--json'], home);
    expect(JSON.parse(all.stdout)).toMatchObject({ objects: 4, map50: 0.5 });
    expect(JSON.parse(cats.stdout)).toMatchObject({ objects: 3, map50: 1 });
  });

  test('--against holds two models against each other, on the classes that both know', async () => {
    const { status, stdout, stderr } = await runCli(['eval', dataset, '--model', model, '--against', model, '--json'], home);
    expect(status, stderr).toBe(0);
    const figures = JSON.parse(stdout) as { objects: number; map50: Change; per_class: { label: string; ap50: Change }[] };
    expect(figures).toMatchObject({ objects: 3, map50: { before: 1, after: 1, difference: 0, interval: { low: 0, high: 0 } } });
    expect(figures.per_class.map(({ label }) => label)).toEqual(['cat']);
    const told = await runCli(['eval', dataset, '--model', model, '--against', model], home);
    expect(told.stdout).toMatch(/AP50 cat.*100\.0.*100\.0.*\+0\.0.*a tie/);
  });

  test('says which classes there are, and that two models have none in common', async () => {
    const unknown = await runCli(['eval', dataset, '--model', model, '--classes', 'cat,cow'], home);
    expect(unknown.status).not.toBe(0);
    expect(unknown.stderr).toMatch(/ERR_USAGE.*cow[\s\S]*cat, tree/);
    const missing = await runCli(['eval', dataset, '--model', model, '--against', 'nobody'], home);
    expect(missing.stderr).toMatch(/ERR_MODEL_NOT_FOUND.*nobody/);
    expect(missing.stderr, 'said before any work').not.toContain('running');
    const apart = await runCli(['eval', dataset, '--model', model, '--against', other], home);
    expect(apart.status).not.toBe(0);
    expect(apart.stderr).toMatch(/ERR_DATASET_INVALID.*No label of .*other/);
  });
});
