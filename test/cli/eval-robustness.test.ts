import { mkdirSync, readdirSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseRange, placementOf } from '../../src/cli/placement-options.js';
import { placedPatches } from '../../src/cli/robustness/measure.js';
import type { GroundTruthBox } from '../../src/sources/dataset/dataset.js';
import { runCli, startCli } from '../fixtures/cli.js';
import { missingShared, sharedFile } from '../fixtures/index.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { tinyDetector } from '../fixtures/tiny-onnx.js';

const home = tempFolder();
const work = tempFolder();
const dataset = join(work, 'cats');
const model = join(work, 'tiny');
const black = join(work, 'black.png');

/** A grey level of the G plane, in a picture of the tiny detector's own size. */
async function writePicture(path: string, green: number): Promise<void> {
  await sharp({ create: { width: 32, height: 32, channels: 3, background: { r: 0, g: green, b: 0 } } })
    .png()
    .toFile(path);
}

/**
 * The tiny detector says "cat" at 8..24 in every picture, as certain as its mean of green. Picture 1 has a cat and is at 0.9, picture 2
 * has none and is at 0.5: clean, the right box comes first (AP50 1). A black patch of the box's diagonal covers half of picture 1:
 * 0.45, so the wrong box comes first (AP50 of one hit in second place: 0.5).
 */
beforeAll(async () => {
  mkdirSync(join(dataset, 'images'), { recursive: true });
  await writePicture(join(dataset, 'images', '1.png'), 230);
  await writePicture(join(dataset, 'images', '2.png'), 128);
  const images = [1, 2].map((id) => ({ id, file_name: `${id}.png`, width: 32, height: 32 }));
  writeFileSync(join(dataset, 'instances.json'), JSON.stringify({ images, annotations: [{ id: 1, image_id: 1, category_id: 7, bbox: [8, 8, 16, 16], area: 256, iscrowd: 0 }], categories: [{ id: 7, name: 'cat' }] }));
  await sharp({ create: { width: 20, height: 20, channels: 3, background: '#000' } }).png().toFile(black);
  const { manifest, original } = tinyDetector({ tap: 'tap' });
  mkdirSync(model);
  writeFileSync(join(model, manifest.file), original);
  writeFileSync(join(model, 'manifest.json'), JSON.stringify(manifest));
});

const attackArgs = (): string[] => ['eval', dataset, '--model', model, '--attack', black, '--label', 'cat', '--side', '1', '--above', '0', '--threshold', '0.6'];

interface RunJson {
  readonly ap50: number;
  readonly images: number;
  readonly boxes: number;
  readonly detections: number;
  readonly disappearance_rate: number | null;
  readonly hallucinations_per_image: number;
}

describe('lynceus eval --attack', () => {
  test('measures what a patch does, beside grey and noise, and writes a page that holds everything', async () => {
    const folder = join(work, 'report');
    const { status, stdout, stderr } = await runCli([...attackArgs(), '--guard', 'off', '--json', '--report', folder], home);
    expect(status, stderr).toBe(0);
    const figures = JSON.parse(stdout) as Record<string, unknown> & Record<'clean' | 'attacked' | 'grey' | 'noise', RunJson> & { patches: { name: string; attacked: RunJson }[] };
    expect(figures.clean.ap50).toBeCloseTo(1, 9);
    expect(figures.clean).toMatchObject({ images: 2, boxes: 1, detections: 1, disappearance_rate: null, hallucinations_per_image: 0 });
    // One hit behind one miss: precision 0.5 at all recalls.
    expect(figures.attacked.ap50).toBeCloseTo(0.5, 9);
    expect(figures.attacked).toMatchObject({ images: 2, boxes: 1, detections: 0, disappearance_rate: 1 });
    // Grey and noise leave about 0.9 / 2 + 0.5 / 2 of the green.
    for (const control of [figures.grey, figures.noise]) {
      expect(control.ap50).toBeCloseTo(1, 9);
      expect(control).toMatchObject({ detections: 1, disappearance_rate: 0 });
    }
    expect(figures.patches.map(({ name }) => name)).toEqual(['black']);
    const absent = ['clean_guarded', 'guarded', 'grey_guarded', 'noise_guarded', 'recovered', 'hit_rate', 'hit_rate_harmful', 'region_precision', 'flagged_clean', 'extra_passes', 'extra_passes_clean', 'latency', 'profile'];
    expect(Object.fromEntries(absent.map((key) => [key, figures[key]]))).toEqual(Object.fromEntries(absent.map((key) => [key, null])));
    const page = readFileSync(join(folder, 'robustness.html'), 'utf8');
    expect(page).toContain('The patch takes AP50 from 100.0 % to 50.0 %');
    expect(page).toContain('of 1 found in the clean picture, 1 lost under attack');
    expect(page).toContain('data:image/jpeg;base64,');
    expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
  }, 60_000);

  test('leaves nothing behind when it is interrupted', async () => {
    const temporary = join(work, 'tmp');
    mkdirSync(temporary);
    // The runtime's library leaves a log there while it loads: what we make comes after.
    const begun = new Promise<void>((resolve) => {
      const watcher = watch(temporary, (_, name) => {
        if (!name?.startsWith('lynceus')) return;
        watcher.close();
        resolve();
      });
    });
    const running = startCli([...attackArgs(), '--guard', 'off'], home, { TMPDIR: temporary });
    await begun;
    running.child.kill('SIGINT');
    const { status } = await running.finished;
    expect(status).toBe(130);
    expect(readdirSync(temporary).filter((name) => name.startsWith('lynceus'))).toEqual([]);
  }, 60_000);

  test.concurrent.each<[string, string[], string]>([
    ['a label that the dataset does not have', ['--label', 'person'], 'ERR_DATASET_INVALID'],
    ['a patch that is not there', ['--attack', '/nowhere.png'], 'ERR_FILE_NOT_FOUND'],
    ['two kinds of places', ['--at', '0.5,0.5', '--background', '2'], 'ERR_USAGE'],
    ['a side of nothing', ['--side', '0'], 'ERR_USAGE'],
    ['results of several runs', ['--results', '/tmp/never.json'], 'ERR_USAGE'],
    ['ground truth for a dataset that has its own', ['--gt', '/nowhere.txt'], 'ERR_USAGE'],
    ['a profile that is not there', ['--guard', 'on', '--profile', '/nowhere.json'], 'ERR_FILE_NOT_FOUND'],
  ])('%s', async (_, extra, code) => {
    const { status, stdout, stderr } = await runCli([...attackArgs(), ...extra], home);
    expect(stderr).toContain(code);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  }, 30_000);

  test('a folder without patches, a patch that is no picture', async () => {
    const folder = join(work, 'no-patches');
    mkdirSync(folder);
    const without = await runCli([...attackArgs(), '--attack', folder], home);
    expect(without.stderr).toContain('ERR_DATASET_EMPTY');
    expect(without.status).toBe(2);
    const text = join(work, 'text.png');
    writeFileSync(text, 'no picture');
    const unreadable = await runCli([...attackArgs(), '--attack', text], home);
    expect(unreadable.stderr).toContain('ERR_SOURCE_FORMAT');
    expect(unreadable.status).toBe(1);
  }, 30_000);
});

describe('placement options', () => {
  test.each([
    ['.25', 0.25],
    ['-20..20', [-20, 20]],
    ['.15...35', [0.15, 0.35]],
    ['0.15..0.35', [0.15, 0.35]],
  ])('%s', (text, expected) => {
    expect(parseRange(text)).toEqual(expected);
  });

  test.each(['', 'x', '1..', '..2', '2..1', '1..2..3', 'NaN'])('%j is no range', (text) => {
    expect(() => parseRange(text)).toThrow('Expected');
  });

  test('say where patches go', () => {
    const options = { label: ['person'], side: 0.25, above: 0.08, rotation: 0, brightness: 1, seed: 1 };
    expect(placementOf(options)).toEqual({ on: 'objects', side: 0.25, above: 0.08, rotationDeg: 0, brightness: 1 });
    expect(placementOf({ ...options, at: [0.5, 0.4] })).toEqual({ on: 'scene', at: [0.5, 0.4], side: 0.25, rotationDeg: 0, brightness: 1 });
    expect(placementOf({ ...options, background: 2 })).toEqual({ on: 'background', perImage: 2, side: 0.25, rotationDeg: 0, brightness: 1 });
  });
});

describe('placedPatches', () => {
  const box = (imageId: number, trackId?: number): GroundTruthBox => ({ imageId, categoryId: 1, xywh: [0, 0, 1, 1], areaPx: 1, crowd: false, ignore: false, ...(trackId === undefined ? {} : { trackId }) });
  const region = (imageId: number, objectId?: number) => new Map([[imageId, [{ imageId, objectId, xyxy: [0, 0, 1, 1] as const }]]]);

  test.each<[string, GroundTruthBox[], ReturnType<typeof region>, number | undefined]>([
    ['the place in the dataset, from 1, where nothing is tracked', [box(1), box(2)], region(2, 2), 1],
    ['the track in its picture', [box(1, 5), box(2, 9), box(2, 5)], region(2, 5), 2],
    ['nobody in the scene', [box(1)], region(1), undefined],
  ])('a carrier is %s', (_, boxes, regions, carrier) => {
    expect(placedPatches({ boxes }, regions)).toEqual([{ imageId: [...regions.keys()][0], xyxy: [0, 0, 1, 1], carrier }]);
  });
});

const fudan = sharedFile('data/fudanped');
const patch = sharedFile('data/patches/object_score.png');
const darknet = sharedFile('models/yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.cfg');

describe.skipIf(!fudan || !patch || !darknet)(`lynceus eval on people with a published patch${fudan && patch && darknet ? '' : ` (skipped: ${missingShared('data/fudanped')}, or the patch or the model is)`}`, () => {
  test('smoothing and its cost, on eight pictures', async () => {
    const few = join(work, 'few');
    const all = JSON.parse(readFileSync(join(fudan!, 'instances.json'), 'utf8')) as { images: { id: number; file_name: string }[]; annotations: { image_id: number }[]; categories: unknown };
    const images = all.images.slice(0, 8);
    mkdirSync(join(few, 'images'), { recursive: true });
    for (const { file_name: name } of images) writeFileSync(join(few, 'images', name), readFileSync(join(fudan!, 'images', name)));
    writeFileSync(join(few, 'instances.json'), JSON.stringify({ ...all, images, annotations: all.annotations.filter(({ image_id: id }) => images.some((image) => image.id === id)) }));
    const { status, stdout, stderr } = await runCli(['eval', few, '--model', darknet!, '--attack', patch!, '--guard', 'lgs', '--json'], home);
    expect(status, stderr).toBe(0);
    const figures = JSON.parse(stdout) as Record<string, unknown> & Record<'clean' | 'attacked' | 'guarded', RunJson> & { latency: { n: number; p50_ms: number; p99_ms: number | null } };
    expect(figures.attacked.ap50).toBeLessThan(figures.clean.ap50 - 0.2);
    expect(figures.guarded.ap50).not.toBe(figures.attacked.ap50);
    // Clean and attacked pictures; too few for the hundredth. Smoothing finds no regions.
    expect(figures.latency).toMatchObject({ n: 16, p99_ms: null });
    expect(figures.latency.p50_ms).toBeGreaterThan(0);
    expect(figures).toMatchObject({ guard: 'lgs', hit_rate: null, region_precision: null, flagged_clean: 0, extra_passes: 0 });
  }, 120_000);
});
