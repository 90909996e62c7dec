import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { definitionOf } from '../../src/cli/definitions.js';
import { DetectorServices } from '../../src/cli/detector-services.js';
import { isSequence } from '../../src/cli/sources.js';
import { checkStages, makeStages, overflowOf } from '../../src/cli/stages.js';
import type { StageDefinition } from '../../src/config/stream-definition.js';
import type { AppError } from '../../src/core/errors.js';
import { ModelStore } from '../../src/model-store/store.js';
import { storePaths } from '../../src/model-store/store-paths.js';
import { tinyModelFolder } from '../fixtures/cli.js';
import { RecordingLog } from '../fixtures/recording-log.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const folder = tempFolder();
const services = new DetectorServices();
afterAll(() => services.close());

const detect: StageDefinition = { id: 'detect', kind: 'detector.yolo' };
const guard: StageDefinition = { id: 'guard', kind: 'guard.patch' };
const gate: StageDefinition = { id: 'gate', kind: 'gate.redundancy' };
const track: StageDefinition = { id: 'track', kind: 'tracker.byte' };

function faultOf(stages: readonly StageDefinition[]): AppError | undefined {
  try {
    checkStages(stages);
    return undefined;
  } catch (error) {
    return error as AppError;
  }
}

describe('stages', () => {
  test.each<[string, StageDefinition[]]>([
    ['a detector', [detect]],
    ['a detector with its guard', [detect, guard]],
    ['a detector with its tracker', [detect, { ...track, options: { lowShare: 1, sureShare: 0.4, beginShare: 0.4, confirmSeconds: 0, keepSeconds: 5, minIou: 0.1 } }]],
    ['a gate, its detector and a tracker', [{ ...gate, options: { maxAgeMs: 500, maxMovedMs: 0, minChange: 5, tiles: false } }, detect, track]],
    ['a guarded detector and a gated one', [detect, guard, gate, { ...detect, id: 'faces' }]],
    ['two detectors, one guarded, both tracked', [detect, guard, track, { ...detect, id: 'faces' }, { ...track, id: 'track-2' }]],
    ['two detectors, the second guarded, with every option', [detect, { ...detect, id: 'faces' }, { ...guard, options: { time: false, maxExtraPassesPerSecond: 0, profile: 'guard.json', method: 'smooth' } }]],
  ])('%s: may be', (_, stages) => {
    expect(faultOf(stages)).toBeUndefined();
  });

  test.each<[string, StageDefinition[], string, RegExp]>([
    ['of an unknown kind', [detect, { id: 'tracker', kind: 'tracker.sort' }], 'ERR_STAGE_UNKNOWN', /'tracker' has the unknown kind 'tracker.sort'/],
    ['a guard alone', [guard], 'ERR_CONFIG_INVALID', /'guard': guard.patch guards the detector right before it, and there is none/],
    ['a guard before its detector', [guard, detect], 'ERR_CONFIG_INVALID', /right before it/],
    ['a guard after a guard', [detect, guard, { ...guard, id: 'again' }], 'ERR_CONFIG_INVALID', /'again': guard.patch guards the detector right before it/],
    ['a gate alone', [gate], 'ERR_CONFIG_INVALID', /'gate': gate.redundancy spares the detector right after it work, and there is none/],
    ['a gate after its detector', [detect, gate], 'ERR_CONFIG_INVALID', /right after it/],
    ['a gate before a guarded detector', [gate, detect, guard], 'ERR_CONFIG_INVALID', /'guard': guard.patch has to see every frame/],
    ['a gate that would lose frames', [{ ...gate, overflow: 'latest' }, detect], 'ERR_CONFIG_INVALID', /gate.redundancy takes no overflow/],
    ['a tracker alone', [track], 'ERR_CONFIG_INVALID', /'track': tracker.byte follows what the detector before it finds, and there is none/],
    ['a tracker before the guard', [detect, track, guard], 'ERR_CONFIG_INVALID', /'guard': guard.patch guards the detector right before it/],
    ['two trackers', [detect, track, { ...track, id: 'again' }], 'ERR_CONFIG_INVALID', /'again': tracker.byte follows/],
    ['a tracker that would lose frames', [detect, { ...track, overflow: 'latest' }], 'ERR_CONFIG_INVALID', /tracker.byte takes no overflow/],
    ['a share over all', [detect, { ...track, options: { lowShare: 1.5 } }], 'ERR_CONFIG_INVALID', /stage 'track', lowShare/],
    ['a guard that would lose frames', [detect, { ...guard, overflow: 'latest' }], 'ERR_CONFIG_INVALID', /takes no overflow/],
    ['a misspelt option', [detect, { ...guard, options: { times: true } }], 'ERR_CONFIG_UNKNOWN_KEY', /stage 'guard'.*times/],
    ['a value that makes no sense', [detect, { ...guard, options: { time: 'sometimes' } }], 'ERR_CONFIG_INVALID', /stage 'guard', time: Expected true, false or auto/],
    ['a negative budget', [detect, { ...guard, options: { maxExtraPassesPerSecond: -1 } }], 'ERR_CONFIG_INVALID', /stage 'guard', maxExtraPassesPerSecond/],
    ["a guard's option at the detector", [{ ...detect, options: { time: true } }, guard], 'ERR_CONFIG_UNKNOWN_KEY', /stage 'detect'.*time/],
  ])('%s: is refused before a model is loaded, with a way out', (_, stages, code, message) => {
    expect(faultOf(stages)).toMatchObject({ code, message: expect.stringMatching(message) as string, fix: expect.stringMatching(/./) as string });
  });

  test('drop frames only in front of the detector', () => {
    expect([overflowOf(detect, 'live'), overflowOf(guard, 'live')]).toEqual(['latest', 'block']);
    expect([overflowOf(detect, 'lossless'), overflowOf({ ...detect, overflow: 'drop' }, 'lossless'), overflowOf(guard, 'lossless')]).toEqual(['block', 'drop', 'block']);
  });

  test('without a guard ask for no profile and no tapped model', async () => {
    const store = new ModelStore(storePaths({ LYNCEUS_HOME: join(folder, 'home') }), {});
    const asked: string[] = [];
    const made = await makeStages([{ ...detect, options: { model: tinyModelFolder(folder), cores: 1 } }], {
      store: {
        list: () => store.list(),
        resolve: (id) => store.resolve(id),
        resized: (model, size) => store.resized(model, size),
        resolveOccupancy: (id) => store.resolveOccupancy(id),
        resolveGuarded: (id) => {
          asked.push(id);
          return store.resolveGuarded(id);
        },
      },
      delivery: 'lossless',
      isPaced: false,
      streamCount: 1,
      services,
      isSequence: () => Promise.reject(new Error('nobody needs to know')),
      log: new RecordingLog(),
    });
    expect(made.map(({ id, stage }) => [id, stage.kind])).toEqual([['detect', 'detector.yolo']]);
    expect(asked).toEqual([]);
  });
});

describe('a tracker', () => {
  const make = async (sequence: boolean): Promise<string[]> => {
    const made = await makeStages([{ ...detect, options: { model: tinyModelFolder(folder), cores: 1 } }, track], {
      store: new ModelStore(storePaths({ LYNCEUS_HOME: join(folder, 'home') }), {}),
      delivery: 'lossless',
      isPaced: false,
      streamCount: 1,
      services,
      isSequence: () => Promise.resolve(sequence),
      log: new RecordingLog(),
    });
    return made.map(({ id, stage, overflow }) => `${id}: ${stage.kind}, ${stage.concurrency > 1 ? 'several' : 'one'}, ${overflow === 'block' ? 'block' : 'another'}`);
  };

  test('comes after its detector, with one frame at a time', async () => {
    expect(await make(true)).toEqual([expect.stringMatching(/^detect: detector\.yolo/), 'track: tracker.byte, one, block']);
  });

  test('is refused where pictures do not follow each other', async () => {
    await expect(make(false)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID', message: expect.stringMatching(/'track'.*unrelated/) as string, fix: expect.stringMatching(/frameRateFps/) as string });
  });
});

describe('--guard', () => {
  const kinds = (stages: readonly StageDefinition[]) => stages.map(({ id, kind }) => `${id}: ${kind}`);

  test('puts a guard after the detector of what is named on the command line', async () => {
    const plain = await definitionOf('rtsp://127.0.0.1/camera', {});
    const guarded = await definitionOf('rtsp://127.0.0.1/camera', { guard: true });
    expect(kinds(plain.stages)).toEqual(['detect: detector.yolo']);
    expect(kinds(guarded.stages)).toEqual(['detect: detector.yolo', 'guard: guard.patch']);
    expect(faultOf(guarded.stages)).toBeUndefined();
  });

  test('leaves the guards of a definition as they are, gives each other detector one, and no id twice', async () => {
    const path = join(folder, 'streams', 'two.yaml');
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(
      path,
      ['name: two', 'source: { kind: file, path: clip.mp4 }', 'stages:', '  - { id: people, kind: detector.yolo }', '  - { id: guard, kind: guard.patch, options: { profile: my/guard.json } }', '  - { id: faces, kind: detector.yolo }'].join('\n'),
    );
    const { stages } = await definitionOf(path, { guard: true });
    expect(kinds(stages)).toEqual(['people: detector.yolo', 'guard: guard.patch', 'faces: detector.yolo', 'guard-2: guard.patch']);
    // Paths in a definition count from its own folder.
    expect(stages[1]!.options).toEqual({ profile: join(folder, 'streams', 'my', 'guard.json') });
  });
});

describe('--track', () => {
  const kinds = (stages: readonly StageDefinition[]) => stages.map(({ id, kind }) => `${id}: ${kind}`);

  test('puts a tracker at the end of what is named on the command line', async () => {
    expect(kinds((await definitionOf('rtsp://127.0.0.1/camera', { track: true })).stages)).toEqual(['detect: detector.yolo', 'track: tracker.byte']);
    const both = await definitionOf('rtsp://127.0.0.1/camera', { track: true, guard: true });
    expect(kinds(both.stages)).toEqual(['detect: detector.yolo', 'guard: guard.patch', 'track: tracker.byte']);
    expect(faultOf(both.stages)).toBeUndefined();
  });

  test('leaves the trackers of a definition as they are; a guard comes before one', async () => {
    const path = join(folder, 'streams', 'tracked.yaml');
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, ['name: tracked', 'source: { kind: file, path: clip.mp4 }', 'stages:', '  - { id: people, kind: detector.yolo }', '  - { id: track, kind: tracker.byte }', '  - { id: faces, kind: detector.yolo }'].join('\n'));
    const { stages } = await definitionOf(path, { track: true, guard: true });
    expect(kinds(stages)).toEqual(['people: detector.yolo', 'guard: guard.patch', 'track: tracker.byte', 'faces: detector.yolo', 'guard-2: guard.patch', 'track-2: tracker.byte']);
    expect(faultOf(stages)).toBeUndefined();
  });
});

test('--governor sets the target, and leaves the floor of a definition as it is', async () => {
  const path = join(folder, 'streams', 'governed.yaml');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, ['name: governed', 'source: { kind: file, path: clip.mp4 }', 'stages:', '  - { id: people, kind: detector.yolo }', 'governor: { target: 40ms, floor: 320 }'].join('\n'));
  expect((await definitionOf(path, { governor: '25ms' })).governor).toEqual({ target: '25ms', floor: 320 });
  expect((await definitionOf('rtsp://127.0.0.1/camera', { governor: '20fps' })).governor).toEqual({ target: '20fps' });
  expect((await definitionOf('rtsp://127.0.0.1/camera', {})).governor).toBeUndefined();
});

describe('time', () => {
  test('is not known of a folder of pictures, until it is said to be a recording', async () => {
    const pictures = join(folder, 'pictures');
    mkdirSync(pictures, { recursive: true });
    writeFileSync(join(pictures, 'a.ppm'), 'P6 1 1 255\n\0\0\0');
    expect(await isSequence({ kind: 'dataset', path: pictures })).toBe(false);
    expect(await isSequence({ kind: 'dataset', path: pictures, frameRateFps: 5 })).toBe(true);
    expect(await isSequence({ kind: 'file', path: 'clip.mp4' })).toBe(true);
    expect(await isSequence({ kind: 'rtsp', url: 'rtsp://127.0.0.1/camera' })).toBe(true);
  });

  test('there is in MOTChallenge, also where nobody says the frame rate', async () => {
    const mot = join(folder, 'mot');
    mkdirSync(join(mot, 'img1'), { recursive: true });
    mkdirSync(join(mot, 'gt'), { recursive: true });
    writeFileSync(join(mot, 'img1', '000001.ppm'), 'P6 1 1 255\n\0\0\0');
    writeFileSync(join(mot, 'gt', 'gt.txt'), '1,1,0,0,1,1,1,1,1\n');
    expect(await isSequence({ kind: 'dataset', path: mot })).toBe(true);
  });
});
