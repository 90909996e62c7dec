import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Pipeline } from '../../src/cli/pipeline.js';
import type { StageDefinition, StreamDefinition } from '../../src/config/stream-definition.js';
import type { OccupancyReport } from '../../src/core/occupancy-report.js';
import type { DeliveredFrame, FrameResult } from '../../src/core/result.js';
import type { Sink } from '../../src/core/sink.js';
import type { SourceEvent } from '../../src/core/source.js';
import { ModelStore } from '../../src/model-store/store.js';
import { occupiedCells } from '../../src/occupancy/octree.js';
import { tinyModelFolder } from '../fixtures/cli.js';
import { rejectionOf } from '../fixtures/failure.js';
import { ffmpegPath } from '../fixtures/ffmpeg-cache.js';
import { RecordingLog } from '../fixtures/recording-log.js';
import { REPOSITORY } from '../fixtures/repository.js';
import { type GstRtsp, gstMissing, startGstRtsp } from '../fixtures/rtsp/gst.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const DEMO = join(REPOSITORY, 'streams', 'demo');
const SIZE = { width: 440, height: 200 };
const missingModel = existsSync(join(REPOSITORY, 'models', 'stereo-occupancy', 'coarse.onnx')) ? '' : ' (skipped: models/stereo-occupancy has no weights)';

const root = tempFolder();
const calibration = join(root, 'calib.txt');
const tiny: StageDefinition = { id: 'detect', kind: 'detector.yolo', options: { model: tinyModelFolder(root), cores: 1, confidenceThreshold: 0 } };
const space = (options: Record<string, unknown> = {}): StageDefinition => ({ id: 'space', kind: 'occupancy.stereo', options: { cores: 1, level: 16, ...options } });

/** Pictures of the demo's first pairs, at half size, in `left/` and `right/`. */
function pairsFolder(name: string, count: number): string {
  const folder = join(root, name);
  for (const [side, x] of [['left', '0'], ['right', 'iw/2']] as const) {
    mkdirSync(join(folder, side), { recursive: true });
    execFileSync(ffmpegPath(), ['-loglevel', 'error', '-i', join(DEMO, 'stereo.mp4'), '-vf', `crop=iw/2:ih:${x}:0,scale=${SIZE.width}:${SIZE.height}`, '-frames:v', `${count}`, '-start_number', '0', join(folder, side, '%d.png')]);
  }
  return folder;
}

interface Played {
  readonly results: Omit<FrameResult, 'frame'>[];
  readonly sequences: number[];
  readonly events: SourceEvent[];
  readonly delivered: DeliveredFrame[];
  readonly log: RecordingLog;
  readonly graph: string;
  readonly inUse: number[];
}

/** Runs a stream to its end, or until enough frames have come. */
async function play(source: StreamDefinition['source'], stages: StageDefinition[], frames = Infinity, until: (result: FrameResult) => boolean = () => false): Promise<Played> {
  const [results, sequences, events, delivered]: [Played['results'], number[], SourceEvent[], DeliveredFrame[]] = [[], [], [], []];
  let enough: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (enough = resolve));
  const sink: Sink = {
    kind: 'keeper',
    deliver: (frame) => {
      const { frame: { sequence }, ...result } = frame.result;
      results.push(result);
      sequences.push(sequence);
      delivered.push(frame);
      if (results.length >= frames || until(frame.result)) enough();
    },
    event: (_, event) => void events.push(event),
    close: () => undefined,
  };
  const log = new RecordingLog();
  const pipeline = await Pipeline.prepare([{ name: 'rig', source, stages }], { store: new ModelStore(), log, sinksFor: () => [sink] });
  try {
    await pipeline.start();
    await Promise.race([stopped, ...pipeline.streams.map(({ done }) => done)]);
    await pipeline.stop();
    return { results, sequences, events, delivered, log, graph: JSON.stringify(pipeline.streams[0]!.describe()), inUse: pipeline.pools.map((pool) => pool.inUse) };
  } finally {
    await pipeline.close();
  }
}

const codeOf = ({ occupancy }: Pick<FrameResult, 'occupancy'>): string | undefined => (occupancy && 'code' in occupancy ? occupancy.code : undefined);
const reportsOf = ({ results }: Played): OccupancyReport[] => results.flatMap(({ occupancy }) => (occupancy && !('code' in occupancy) ? [occupancy] : []));

beforeAll(() => {
  vi.stubEnv('LYNCEUS_HOME', join(root, 'home'));
  const scaled = (line: string): string => line.replace(/^(P\d:) (.*)$/, (_, key: string, numbers: string) => `${key} ${numbers.split(' ').map((number, i) => (i === 10 ? number : String(Number(number) / 2))).join(' ')}`);
  writeFileSync(calibration, readFileSync(join(DEMO, 'stereo-calib.txt'), 'utf8').split('\n').map(scaled).join('\n'));
});
afterAll(() => vi.unstubAllEnvs());

describe.skipIf(missingModel)(`a stereo stream${missingModel}`, () => {
  test('with nothing but occupancy needs no detector: each pair is told, in order, and all buffers go back', async () => {
    const played = await play({ kind: 'stereo', path: pairsFolder('alone', 4), calibration, frameRateFps: 12 }, [space({ level: 64, motion: join(DEMO, 'stereo-poses.txt') })]);
    expect(played.sequences).toEqual([0, 1, 2, 3]);
    const reports = reportsOf(played);
    expect(reports.map(({ level, update }) => [level, update.kind])).toEqual([[64, 'keyframe'], [64, 'delta'], [64, 'delta'], [64, 'delta']]);
    for (const { computedShare, nearest, boxes } of reports) {
      expect(computedShare).toBeGreaterThan(0);
      expect(computedShare).toBeLessThan(1);
      expect([nearest.distanceM.length, boxes]).toEqual([16, undefined]);
      expect(Math.min(...nearest.distanceM)).toBeLessThan(32);
    }
    const { timings, labels } = played.delivered[0]!;
    expect(timings.find(({ stage }) => stage === 'space')!.parts.map(({ name }) => name)).toEqual(['prepare', 'coarse', 'choose', 'fine', 'map']);
    expect(labels).toEqual([]);
    expect(played.graph).toContain('stereo-occupancy');
    expect(played.inUse).toEqual([0]);
  });

  test('with a detector looks at its boxes, which lie in pixels of the left picture', async () => {
    const played = await play({ kind: 'stereo', path: pairsFolder('boxes', 2), calibration }, [tiny, space()]);
    for (const { detections, occupancy } of played.results) {
      expect(detections!.count).toBeGreaterThan(0);
      expect((occupancy as OccupancyReport).boxes).toHaveLength(detections!.count);
      expect((occupancy as OccupancyReport).volumes).toBeInstanceOf(Array);
    }
    // As large as the picture is, and not as the model's input.
    const corners = played.results.flatMap(({ detections }) => [...detections!.xyxy]);
    expect(Math.max(...corners)).toBeGreaterThan(SIZE.height);
    expect(Math.max(...corners)).toBeLessThanOrEqual(SIZE.width);
  });

  test('with left and right swapped tells so, once, and the detector goes on', async () => {
    const folder = pairsFolder('swapped', 3);
    for (const [from, to] of [['left', 'x'], ['right', 'left'], ['x', 'right']] as const) renameSync(join(folder, from), join(folder, to));
    const played = await play({ kind: 'stereo', path: folder, calibration }, [tiny, space()]);
    expect(played.results.map(codeOf)).toEqual(Array(3).fill('ERR_STEREO_SWAPPED'));
    expect(played.results.every(({ detections }) => detections !== undefined)).toBe(true);
    expect(played.events.filter(({ code }) => code === 'ERR_STEREO_SWAPPED').map(({ message }) => message)).toEqual([expect.stringMatching(/^no occupancy: left and right are swapped/) as string]);
  });

  test('whose right camera fails for a while goes on with the left one, and knows what it knew when it is back', async () => {
    const folder = pairsFolder('fails', 6);
    for (const i of [2, 3]) rmSync(join(folder, 'right', `${i}.png`));
    const played = await play({ kind: 'stereo', path: folder, calibration, frameRateFps: 1 }, [tiny, space({ checkPairs: false, fusion: { halfLifeS: 1000 } })]);
    expect(played.sequences).toEqual([0, 1, 2, 3, 4, 5]);
    // A second after the last pair the camera counts as dead.
    expect(played.results.map(codeOf)).toEqual([undefined, undefined, 'ERR_STEREO_CAMERA_DEAD', 'ERR_STEREO_CAMERA_DEAD', undefined, undefined]);
    expect(played.results.every(({ detections }) => detections !== undefined)).toBe(true);
    const reports = reportsOf(played);
    expect(reports.map(({ update }) => `${update.kind} ${update.epoch}.${update.update}`)).toEqual(['keyframe 0.0', 'delta 0.1', 'delta 0.2', 'delta 0.3']);
  });

  test('that misses a single right picture says unpaired', async () => {
    const folder = pairsFolder('misses', 3);
    rmSync(join(folder, 'right', '1.png'));
    const played = await play({ kind: 'stereo', path: folder, calibration, frameRateFps: 12 }, [space()]);
    expect(played.results.map(codeOf)).toEqual([undefined, 'ERR_STEREO_UNPAIRED', undefined]);
  });

  test('forgets space where its recording starts again', async () => {
    const played = await play({ kind: 'stereo', path: pairsFolder('loops', 3), calibration, loop: true, frameRateFps: 12 }, [space()], 7);
    expect(reportsOf(played).slice(0, 7).map(({ update }) => `${update.kind} ${update.epoch}`)).toEqual(['keyframe 0', 'delta 0', 'delta 0', 'keyframe 1', 'delta 1', 'delta 1', 'keyframe 2']);
  });

  test('under a budget that is too small stays at the coarse level, and says so', async () => {
    const played = await play({ kind: 'stereo', path: pairsFolder('budget', 3), calibration }, [space({ level: 64, budgetMs: 0.001 })]);
    expect(reportsOf(played).map(({ level, tree }) => [level, tree.level])).toEqual(Array(3).fill([16, 64]));
  });

  test('whose calibration is of raw pictures is rectified first: a lens without distortion changes nothing to speak of', async () => {
    const matrix = (name: string, rows: number, columns: number, data: readonly number[]): string => `${name}: !!opencv-matrix\n   rows: ${rows}\n   cols: ${columns}\n   dt: d\n   data: [ ${data.join(', ')} ]\n`;
    const camera = [308, 0, 219.5, 0, 308, 99.5, 0, 0, 1];
    const raw = join(root, 'opencv.yml');
    const cameras = [1, 2].map((i) => matrix(`M${i}`, 3, 3, camera) + matrix(`D${i}`, 5, 1, [0, 0, 0, 0, 0])).join('');
    writeFileSync(raw, `%YAML:1.0\n---\n${cameras}${matrix('R', 3, 3, [1, 0, 0, 0, 1, 0, 0, 0, 1])}${matrix('T', 3, 1, [-0.54, 0, 0])}`);
    const path = pairsFolder('raw', 1);
    const [asTheyCome, rectified] = [await play({ kind: 'stereo', path, calibration }, [tiny, space()]), await play({ kind: 'stereo', path, calibration: raw }, [tiny, space()])];
    expect(rectified.delivered[0]!.timings.find(({ stage }) => stage === 'space')!.parts.map(({ name }) => name)).toEqual(['rectify', 'prepare', 'coarse', 'map']);
    const [one, other] = [reportsOf(asTheyCome)[0]!, reportsOf(rectified)[0]!];
    // But for rounding, where a cell is hardly occupied.
    const [cells, same] = [one, other].map(({ tree }) => new Set(occupiedCells(tree).cells.at(-1))) as [Set<number>, Set<number>];
    const both = [...cells].filter((cell) => same.has(cell)).length;
    expect(both / (cells.size + same.size - both)).toBeGreaterThan(0.9);
    expect(other.boxes).toHaveLength(one.boxes!.length);
  });

  test('reads a side-by-side video too', async () => {
    const played = await play({ kind: 'stereo', path: join(DEMO, 'stereo.mp4'), layout: 'left-right', calibration: join(DEMO, 'stereo-calib.txt') }, [space({ level: 8 })], 3);
    expect(reportsOf(played).slice(0, 3).map(({ level, computedShare }) => [level, computedShare])).toEqual(Array(3).fill([8, 0]));
    expect(played.inUse).toEqual([0]);
  });
});

describe('what is wrong is told before anything runs', () => {
  const fault = async (source: object, stages: StageDefinition[] = [space()]): Promise<unknown> => rejectionOf(play({ kind: 'stereo', calibration, ...source }, stages));
  const broken = join(root, 'broken.txt');
  const narrow = join(root, 'narrow.txt');
  const turned = join(root, 'turned.txt');
  writeFileSync(broken, 'this is no calibration');
  writeFileSync(narrow, 'P2: 308 0 219.5 0 0 308 99.5 0 0 0 1 0\nP3: 308 0 219.5 -0.1 0 308 99.5 0 0 0 1 0\n');
  writeFileSync(turned, 'P2: 308 0 219.5 0 0 308 99.5 0 0 0 1 0\nP3: 308 0 219.5 166 0 308 99.5 0 0 0 1 0\n');
  const folder = pairsFolder('faults', 1);

  test.each<[string, object, string]>([
    ['a folder that is not there', { path: join(root, 'nowhere') }, 'ERR_FILE_NOT_FOUND'],
    ['a calibration that is not there', { path: folder, calibration: join(root, 'nothing.txt') }, 'ERR_FILE_NOT_FOUND'],
    ['a calibration that is none', { path: folder, calibration: broken }, 'ERR_CALIBRATION_FORMAT'],
    ['cameras a third of a millimetre apart', { path: folder, calibration: narrow }, 'ERR_CALIBRATION_BASELINE'],
    ['a calibration with left and right swapped', { path: folder, calibration: turned }, 'ERR_CALIBRATION_BASELINE'],
    ['live cameras whose size nothing tells', { left: { kind: 'rtsp', url: 'rtsp://127.0.0.1:9/a' }, right: { kind: 'rtsp', url: 'rtsp://127.0.0.1:9/b' } }, 'ERR_CALIBRATION_FORMAT'],
    ['videos of two sizes', { left: { kind: 'file', path: join(DEMO, 'demo.mp4') }, right: { kind: 'file', path: join(DEMO, 'faces.mp4') } }, 'ERR_STEREO_SIZES'],
  ])('%s', async (_, source, code) => {
    expect(await fault(source)).toMatchObject({ code });
  });

  test.each<[string, StageDefinition[], RegExp]>([
    ['poses that are not there', [space({ motion: join(root, 'nothing.txt') })], /poses of a camera/],
    ['sectors that turn back', [space({ sectors: { fromDeg: 20, toDeg: -20 } })], /lesser azimuth/],
    ['heights upside down', [space({ lowestM: 2, highestM: 1 })], /lowestM below highestM/],
    ['a level between', [space({ level: 48 })], /8, 16, 32 or 64/],
    ['a guard', [tiny, { id: 'guard', kind: 'guard.patch' }, space()], /guard\.patch works on frames of its model's size/],
    ['two maps', [space(), { ...space(), id: 'again' }], /'again': a stream has one map/],
  ])('%s', async (_, stages, message) => {
    expect(await fault({ path: folder }, stages)).toMatchObject({ message: expect.stringMatching(message) as string });
  });

  test('occupancy of one camera', async () => {
    expect(await rejectionOf(play({ kind: 'file', path: join(DEMO, 'demo.mp4') }, [space()]))).toMatchObject({ code: 'ERR_CONFIG_INVALID', message: expect.stringMatching(/needs two cameras/) as string });
  });
});

const missingGst = (await gstMissing()) ?? (missingModel || undefined);
describe.skipIf(missingGst)(`two live cameras${missingGst ? ` (skipped: ${missingGst})` : ''}`, () => {
  let camera: GstRtsp;
  const PASSWORD = 'tr0ub4dor-and-3';
  beforeAll(async () => {
    const half = join(root, 'left.mp4');
    execFileSync(ffmpegPath(), ['-loglevel', 'error', '-i', join(DEMO, 'stereo.mp4'), '-vf', `crop=iw/2:ih:0:0,scale=${SIZE.width}:${SIZE.height}`, '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', half]);
    camera = (await startGstRtsp({ file: half, fps: 8, user: 'operator', password: PASSWORD }))!;
  });
  afterAll(() => camera.close());

  test('of which the right one is dead: the left one is detected in, the event has the code, and nobody learns the password', async () => {
    const dead = `rtsp://operator:${PASSWORD}@127.0.0.1:9/right`;
    const played = await play(
      { kind: 'stereo', left: { kind: 'rtsp', url: camera.url }, right: { kind: 'rtsp', url: dead }, calibration, pictureSize: SIZE },
      [tiny, space()],
      Infinity,
      (result) => codeOf(result) === 'ERR_STEREO_CAMERA_DEAD',
    );
    expect(codeOf(played.results[0]!)).toBe('ERR_STEREO_UNPAIRED');
    expect(played.results.every(({ detections }) => detections !== undefined)).toBe(true);
    expect(played.events.map(({ code }) => code)).toEqual(expect.arrayContaining(['ERR_SOURCE_REFUSED', 'ERR_STEREO_UNPAIRED']));
    expect(JSON.stringify([played.events, played.log.lines, played.graph])).not.toContain(PASSWORD);
    expect(played.inUse).toEqual([0, 0]);
  });
});
