import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { streamDefinitionSchema, streamJsonSchema } from '../../src/config/stream-definition.js';

const isValidBySchema = new Ajv2020({ strict: true }).compile(streamJsonSchema());
const calibration = 'calib.txt';
const file = { kind: 'file', path: 'left.mp4' };
const camera = { kind: 'rtsp', url: 'rtsp://a/b' };
const definition = (source: object) => ({ name: 'a', source: { kind: 'stereo', calibration, ...source }, stages: [{ id: 'space', kind: 'occupancy.stereo' }] });

describe('a stereo source may be', () => {
  test.each<[string, object]>([
    ['a folder or a video', { path: 'pairs' }],
    ['a video with all options', { path: 'a.mp4', layout: 'top-bottom', rangeM: 6.4, bottomM: -0.1, realtime: true, loop: false, unit: 'mm' }],
    ['a folder with a rate', { path: 'pairs', frameRateFps: 12.5 }],
    ['two files', { left: file, right: { ...file, path: 'right.mp4' }, toleranceMs: 5, pairBy: 'pts', realtime: true, loop: true }],
    ['two cameras of any kind', { left: { ...camera, transport: 'udp', stallTimeoutMs: 1000 }, right: { kind: 'http', url: 'http://a/b' }, pairBy: 'capture', pictureSize: { width: 640, height: 480 } }],
    ['with a calibration of two files', { path: 'pairs', calibration: ['left.yaml', 'right.yaml'] }],
  ])('%s', (_, source) => {
    expect(streamDefinitionSchema.parse(definition(source))).toEqual(definition(source));
    expect(isValidBySchema(definition(source)), JSON.stringify(isValidBySchema.errors)).toBe(true);
  });
});

describe('what is refused, by the parser and by the published schema', () => {
  test.each<[string, object]>([
    ['no calibration', { calibration: undefined, path: 'pairs' }],
    ['three files of calibration', { calibration: ['a', 'b', 'c'], path: 'pairs' }],
    ['an unknown layout', { path: 'a.mp4', layout: 'diagonal' }],
    ['a range of nothing', { path: 'pairs', rangeM: 0 }],
    ['a camera that is a dataset', { left: { kind: 'dataset', path: 'a' }, right: file }],
    ['a camera with a pace of its own', { left: { ...file, realtime: true }, right: file }],
    ['a tolerance below 0', { left: file, right: file, toleranceMs: -1 }],
    ['a live side-by-side camera', { url: 'rtsp://a/b', layout: 'left-right' }],
  ])('%s', (_, source) => {
    const wrong = JSON.parse(JSON.stringify(definition(source))) as unknown;
    expect(streamDefinitionSchema.safeParse(wrong).success).toBe(false);
    expect(isValidBySchema(wrong)).toBe(false);
  });
});

describe('what does not go together, by the parser alone', () => {
  test.each<[string, object, string]>([
    ['nothing at all', {}, 'left'],
    ['one side', { left: file }, 'right'],
    ['the other side', { right: file }, 'left'],
    ['both ways', { path: 'pairs', left: file, right: file }, 'path'],
    ['a file and a camera', { left: file, right: camera }, 'right'],
    ['two files with a layout', { left: file, right: file, layout: 'left-right' }, 'layout'],
    ['two files with a rate', { left: file, right: file, frameRateFps: 10 }, 'frameRateFps'],
    ['a folder with a tolerance', { path: 'pairs', toleranceMs: 5 }, 'toleranceMs'],
    ['a folder with a time to pair by', { path: 'pairs', pairBy: 'pts' }, 'pairBy'],
    ['cameras in real time', { left: camera, right: camera, realtime: true }, 'realtime'],
    ['cameras that loop', { left: camera, right: camera, loop: true }, 'loop'],
  ])('%s', (_, source, at) => {
    const { success, error } = streamDefinitionSchema.safeParse(definition(source));
    expect(success).toBe(false);
    expect(error?.issues.map(({ path }) => path.join('.'))).toEqual([`source.${at}`]);
  });
});
