import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calibrationPictures } from '../../src/cli/guard/calibration-pictures.js';
import { chooseSearch, learnProfile } from '../../src/cli/guard/learn-profile.js';
import { anyPictures, spreadPictures } from '../../src/cli/picture-sets.js';
import type { StreamDefinition } from '../../src/config/stream-definition.js';
import type { FrameFormat } from '../../src/core/frame.js';
import type { FittedPicture, PictureSet } from '../../src/core/picture-set.js';
import type { SearchKind } from '../../src/guard/profile.js';
import { parseGuardProfile } from '../../src/guard/profile-schema.js';
import { ModelStore } from '../../src/model-store/store.js';
import { storePaths } from '../../src/model-store/store-paths.js';
import { runCli } from '../fixtures/cli.js';
import { makeClip } from '../fixtures/index.js';
import { readFrameCounter } from '../fixtures/rtsp/frame-counter.js';
import { type RtspFixture, startRtspServer } from '../fixtures/rtsp/rtsp-server.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { finderModel, writeModel } from '../fixtures/tiny-onnx.js';
import { detector, VARIANTS } from '../model-store/export-variants.js';

const home = tempFolder();
const work = tempFolder();
const store = new ModelStore(storePaths({ LYNCEUS_HOME: home, LYNCEUS_FINDER: writeModel(work, 'finder.onnx', finderModel()) }), {});
const MODEL = 'made';
let clip: string;

/** A small detector that finds something everywhere; its boxes are as good as its random weights. */
beforeAll(async () => {
  const made = detector({ width: 160, height: 128, strides: [4, 8, 16, 32], classes: 3, seed: 5 });
  VARIANTS[0]!.outputs(made);
  writeFileSync(join(work, 'made.onnx'), made.graph.build());
  await store.add(join(work, 'made.onnx'), { head: 'yolov8' });
  clip = await makeClip({ frames: 24, source: 'mandelbrot', counter: false });
});

describe('lynceus guard', () => {
  const profilePath = join(home, 'models', MODEL, 'guard.json');

  it('learns from a video what is ordinary, keeps it with the model and shows it', async () => {
    const before = await runCli(['guard', 'show', '--model', MODEL], home);
    expect(before).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('ERR_GUARD_PROFILE_MISSING') as string });

    const { status, stdout, stderr } = await runCli(['guard', 'calibrate', clip, '--model', MODEL, '--limit', '10', '--json'], home);
    expect(status, stderr).toBe(0);
    const made = JSON.parse(stdout) as { readonly check: Readonly<Record<string, number>>; readonly report_path: string };
    expect(made).toMatchObject({ model: MODEL, calibrated_on: { pictures: 10 }, check: { pictures: 10 }, profile_path: profilePath });
    for (const share of ['with_candidates', 'verified', 'flagged']) {
      expect(made.check[share]).toBeGreaterThanOrEqual(0);
      expect(made.check[share]).toBeLessThanOrEqual(1);
    }
    const profile = parseGuardProfile(readFileSync(profilePath, 'utf8'), 'guard.json', '');
    expect(profile).toMatchObject({ modelId: MODEL, search: 'finder', tap: { stride: 4 }, calibratedOn: { pictures: 10 } });
    const report = readFileSync(made.report_path, 'utf8');
    expect(report).toContain('Clean profile: made');
    expect(report).not.toMatch(/<script|src="http/);

    const [shown, json, list, inspected] = await Promise.all([
      runCli(['guard', 'show', '--model', MODEL], home),
      runCli(['guard', 'show', '--model', MODEL, '--json'], home),
      runCli(['models', 'list'], home),
      runCli(['models', 'inspect', MODEL, '--json'], home),
    ]);
    expect(shown).toMatchObject({ status: 0, stdout: expect.stringContaining('calibrated here') as string });
    for (const name of Object.keys(profile.thresholds)) expect(shown.stdout).toContain(name);
    expect(JSON.parse(json.stdout)).toMatchObject({ origin: 'calibrated', search: 'finder', finder_sha256: profile.finder?.sha256, profile_path: profilePath, thresholds: profile.thresholds });
    expect(list.stdout).toMatch(/made +added +boxes +- +calibrated/);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ guard: { tap: { stride: 4 }, profile: { origin: 'calibrated', pictures: 10 }, problem: null } });
  });

  it('takes the model of a stream definition, and prints tables for people', async () => {
    writeFileSync(join(work, 'stream.yaml'), `name: yard\nsource: { kind: file, path: ${clip} }\nstages:\n  - { id: detect, kind: detector.yolo, options: { model: ${MODEL} } }\n`);
    const { status, stdout, stderr } = await runCli(['guard', 'calibrate', join(work, 'stream.yaml'), '--limit', '8'], home);
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringMatching(/written .*made\/guard\.json/) as string });
    expect(stdout).toMatch(/8 ordinary pictures/);
    expect(stdout).toMatch(/false alarm +[\d.]+ %/);
  });

  it('says what is wrong, and keeps what there was', async () => {
    const before = existsSync(profilePath) && readFileSync(profilePath, 'utf8');
    const cases: readonly (readonly [args: readonly string[], code: string])[] = [
      [[clip, '--model', MODEL, '--limit', '2'], 'ERR_DATASET_EMPTY'],
      [[clip, '--model', MODEL, '--limit', '0'], 'ERR_USAGE'],
      [[join(work, 'gone.mp4'), '--model', MODEL], 'ERR_FILE_NOT_FOUND'],
      [[clip, '--model', 'nobody'], 'ERR_MODEL_NOT_FOUND'],
    ];
    const results = await Promise.all(cases.map(([args]) => runCli(['guard', 'calibrate', ...args], home)));
    results.forEach(({ status, stdout, stderr }, i) => {
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toContain(cases[i]![1]);
    });
    expect(existsSync(profilePath) && readFileSync(profilePath, 'utf8')).toEqual(before);
  });

  it('a damaged profile is named, by inspect as well', async () => {
    writeFileSync(profilePath, '{"version": 1}');
    const [shown, inspected] = await Promise.all([runCli(['guard', 'show', '--model', MODEL], home), runCli(['models', 'inspect', MODEL], home)]);
    expect(shown).toMatchObject({ status: 2, stderr: expect.stringContaining('ERR_GUARD_PROFILE_INVALID') as string });
    expect(inspected).toMatchObject({ status: 0, stdout: expect.stringMatching(/guard .*version 1/) as string });
  });

  it('the same pictures and seed give the same profile, another seed another', async () => {
    const tapped = await store.resolveTapped(MODEL);
    const choice = await chooseSearch(store, 'both');
    const learn = async (seed?: number): Promise<string> => JSON.stringify(await learnProfile(tapped, choice, { pictures: await anyPictures(clip, 8), threads: 1, ...(seed === undefined ? {} : { seed }) }));
    const first = await learn();
    expect(await learn()).toBe(first);
    expect(await learn(2)).not.toBe(first);
  });
});

describe('lynceus guard calibrate --search', () => {
  it.each<[SearchKind, readonly string[], readonly string[]]>([
    ['evidence', ['cells', 'windows'], ['colour', 'grey']],
    ['finder', ['finder'], ['finder']],
    ['both', ['finder', 'cells', 'windows'], ['colour', 'grey', 'finder']],
  ])('%s learns what this search needs, and no more', async (search, parts, views) => {
    const tapped = await store.resolveTapped(MODEL);
    const profile = await learnProfile(tapped, await chooseSearch(store, search), { pictures: await anyPictures(clip, 8), threads: 1 });
    expect(parseGuardProfile(JSON.stringify(profile), 'guard.json', '')).toEqual(profile);
    expect(['finder', 'cells', 'windows'].filter((part) => part in profile)).toEqual(parts);
    expect(Object.keys(profile.region)).toEqual(views);
    expect(profile.search).toBe(search);
  });

  it('says which there are, and what is wrong with a finder before any picture is read', async () => {
    const finder = join(work, 'not-a-finder.onnx');
    writeFileSync(finder, 'nothing');
    const args = ['guard', 'calibrate', clip, '--model', MODEL, '--limit', '8'];
    const [unknown, missing, broken] = await Promise.all([
      runCli([...args, '--search', 'luck'], home),
      runCli(args, home, { LYNCEUS_FINDER: join(work, 'gone.onnx') }),
      runCli(args, home, { LYNCEUS_FINDER: finder }),
    ]);
    expect(unknown).toMatchObject({ status: 2, stderr: expect.stringContaining('evidence, finder, both') as string });
    expect(missing).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(/ERR_MODEL_NOT_FOUND[\s\S]*--search evidence/) as string });
    expect(broken).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('ERR_MODEL_CORRUPT') as string });
  });
});

const FORMAT: FrameFormat = { size: { width: 320, height: 240 }, fit: 'stretch', padValue: 0 };

async function read(set: PictureSet): Promise<FittedPicture[]> {
  const all: FittedPicture[] = [];
  for await (const picture of set.read(FORMAT)) all.push(picture);
  return all;
}

function counterOf({ pixels }: FittedPicture): number | undefined {
  const { width, height } = FORMAT.size;
  return readFrameCounter(pixels.subarray(0, width * height), width, height);
}

describe('calibrationPictures', () => {
  const definition = (source: StreamDefinition['source']): StreamDefinition => ({ name: 'test', source, stages: [{ id: 'detect', kind: 'detector.yolo' }] });

  it('of a video are from all over it', async () => {
    const path = await makeClip({ frames: 25 });
    const set = await calibrationPictures(definition({ kind: 'file', path }), { limit: 5, durationMs: 1000 });
    expect(set.count).toBe(5);
    const counters = (await read(set)).map(counterOf);
    expect(counters).toEqual([0, 5, 10, 15, 20]);
    expect((await read(set)).map(counterOf)).toEqual(counters);
  });

  it('of as many as there are, are all; of how many nobody knows, too', () => {
    const set: PictureSet = {
      description: 'x',
      count: 5,
      read: () => {
        throw new Error('nothing was asked for');
      },
    };
    expect(spreadPictures(set, 5)).toBe(set);
    expect(spreadPictures({ ...set, count: Number.POSITIVE_INFINITY }, 5).count).toBe(Number.POSITIVE_INFINITY);
  });

  describe('of a camera', () => {
    let camera: RtspFixture | undefined;
    beforeAll(async () => {
      camera = await startRtspServer({ width: 320, height: 240, auth: { scheme: 'basic', user: 'operator', password: 'tr0ub4dor' } });
    });
    afterAll(() => camera?.close());

    it('are taken over the time given, and are the same when read again', async () => {
      const set = await calibrationPictures(definition({ kind: 'rtsp', url: camera!.url }), { limit: 4, durationMs: 1200 });
      expect(set.description).not.toContain('tr0ub4dor');
      const first = await read(set);
      expect(first.length).toBeGreaterThan(1);
      expect(first.length).toBeLessThanOrEqual(4);
      const counters = first.map((picture) => counterOf(picture)!);
      expect(counters).toEqual(counters.toSorted((a, b) => a - b));
      // 25 pictures a second, one each 300 ms: the first four in a row would be the wrong ones.
      expect(counters.at(-1)! - counters[0]!).toBeGreaterThan(counters.length);
      expect((await read(set)).map(counterOf)).toEqual(counters);
    });
  });
});
