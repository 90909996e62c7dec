import { describe, expect, test } from 'vitest';
import type { HeadKind } from '../../src/core/manifest.js';
import { parseNames } from '../../src/onnx/recognise/names-metadata.js';
import { recogniseHead, type HeadFacts } from '../../src/onnx/recognise/recognise-head.js';

const facts = (dims: readonly (readonly number[])[], size: number | [number, number] = 640, more: Partial<HeadFacts> = {}): HeadFacts => ({
  outputs: dims.map((shape, i) => ({ name: `output${i}`, dims: shape })),
  size: typeof size === 'number' ? { width: size, height: size } : { width: size[0], height: size[1] },
  metadata: {},
  ...more,
});

test.each<[string, HeadFacts, HeadKind, number]>([
  ['YOLOv5 at 640', facts([[1, 25200, 85]]), 'yolov5', 80],
  ['YOLOv5 at 320x192, three classes', facts([[1, 3 * (40 * 24 + 20 * 12 + 10 * 6), 8]], [320, 192]), 'yolov5', 3],
  ['YOLOv5 with one class has 6 columns as YOLOv10 has', facts([[1, 25200, 6]]), 'yolov5', 1],
  ['YOLOv5 P6 at 1280', facts([[1, 102000, 85]], 1280), 'yolov5', 80],
  ['YOLOv5 that also gives its raw heads', facts([[1, 25200, 85], [1, 3, 80, 80, 85], [1, 3, 40, 40, 85]]), 'yolov5', 80],
  ['YOLOv3-tiny of the same family: two strides', facts([[1, 3 * (40 * 40 + 20 * 20), 85]]), 'yolov5', 80],
  ['YOLOv8 at 640', facts([[1, 84, 8400]]), 'yolov8', 80],
  ['YOLOv8 with one class', facts([[1, 5, 8400]]), 'yolov8', 1],
  ['YOLOv10', facts([[1, 300, 6]]), 'yolov10', 80],
  ['YOLOv10 with names', facts([[1, 300, 6]], 640, { metadata: { names: "{0: 'a', 1: 'b'}" } }), 'yolov10', 2],
  ['YOLOX at 416', facts([[1, 3549, 85]], 416), 'yolox', 80],
  ['Tiny-YOLOv2 of VOC', facts([[1, 125, 13, 13]], 416), 'tiny-yolov2', 20],
])('%s', (_, given, kind, classCount) => {
  const found = recogniseHead(given);
  expect([found.head.kind, found.classCount]).toEqual([kind, classCount]);
});

test('YOLOX gets the strides of its cells, Tiny-YOLOv2 its anchors in pixels', () => {
  expect(recogniseHead(facts([[1, 3549, 85]], 416)).head).toEqual({ kind: 'yolox', output: 'output0', scales: [{ stride: 8 }, { stride: 16 }, { stride: 32 }] });
  expect(recogniseHead(facts([[1, 125, 13, 13]], 416)).head.scales![0]!.anchors![0]).toEqual([1.08 * 32, 1.19 * 32]);
});

describe('raw heads', () => {
  const heads = JSON.stringify([{ name: 'output0', anchors: [[115, 73]], stride: 32, classes: 2, scale_x_y: 1.1 }]);

  test('are known by the facts that an importer left in the file', () => {
    expect(recogniseHead(facts([[1, 7, 10, 10]], 320, { metadata: { heads } }))).toEqual({
      head: { kind: 'darknet', scales: [{ output: 'output0', stride: 32, anchors: [[115, 73]], scaleXy: 1.1 }] },
      classCount: 2,
    });
  });

  test.each([
    ['no JSON', 'oops'],
    ['another meaning of the key', '{"count": 8}'],
    ['anchors that are none', heads.replace('[[115,73]]', '"many"')],
  ])('%s is no such fact', (_, text) => {
    expect(() => recogniseHead(facts([[1, 7, 10, 10]], 320, { metadata: { heads: text } }))).toThrow(expect.objectContaining({ code: 'ERR_MODEL_HEAD_UNKNOWN', fix: expect.stringContaining('anchors') as string }) as Error);
  });
});

describe('what the shapes do not tell', () => {
  test.each<[string, HeadFacts, RegExp]>([
    ['nothing known', facts([[1, 1000]]), /none that is known: output0 \[1,1000\]/],
    ['another number of rows', facts([[1, 25201, 85]]), /none that is known/],
    ['another input size than it was made for', facts([[1, 25200, 85]], 320), /320x320/],
    ['rows that fit two kinds', facts([[1, 300, 6], [1, 84, 8400]]), /could be yolov8 or yolov10/],
    ['not what the user says', facts([[1, 84, 8400]], 640, { head: 'yolov5' }), /don't look like yolov5/],
  ])('%s: the error names the flag', (_, given, message) => {
    expect(() => recogniseHead(given)).toThrow(expect.objectContaining({ code: 'ERR_MODEL_HEAD_UNKNOWN', message: expect.stringMatching(message) as string, fix: expect.stringContaining('--head') as string }) as Error);
  });

  test('class names in the file decide between two', () => {
    const given = facts([[1, 252, 85]], 64);
    expect(() => recogniseHead(given)).toThrow(/could be yolov5 or yolov8/);
    const names = JSON.stringify(Array.from({ length: 80 }, (_, i) => `c${i}`));
    expect(recogniseHead({ ...given, metadata: { names } }).head.kind).toBe('yolov5');
  });

  test("the user's word decides between two", () => {
    expect(recogniseHead(facts([[1, 300, 6], [1, 84, 8400]], 640, { head: 'yolov8' })).head).toEqual({ kind: 'yolov8', output: 'output1' });
  });
});

describe('names in metadata', () => {
  test.each<[string, string, string[] | undefined]>([
    ['a Python dict', "{0: 'person', 1: 'bicycle'}", ['person', 'bicycle']],
    ['a Python list', "['person', 'bicycle']", ['person', 'bicycle']],
    ['an apostrophe brings double quotes', `{0: "driver's seat", 1: 'b'}`, ["driver's seat", 'b']],
    ['escapes', String.raw`['a\'b', 'caf\xe9', '\u4eba', 'back\\slash']`, ["a'b", 'café', '人', 'back\\slash']],
    ['JSON', '{"0": "person", "1": "car"}', ['person', 'car']],
    ['any order of ids', "{1: 'b', 0: 'a'}", ['a', 'b']],
    ['a comma and braces inside names', "{0: 'a, {b}: c'}", ['a, {b}: c']],
    ['a comma at the end', "['a', 'b',]", ['a', 'b']],
    ['a missing id', "{0: 'a', 2: 'c'}", undefined],
    ['a huge id', "{99999999: 'a'}", undefined],
    ['nothing', '', undefined],
    ['an empty dict', '{}', undefined],
    ['no list', 'person', undefined],
    ['an open end', "['a'", undefined],
    ['numbers for names', '[1, 2]', undefined],
  ])('%s', (_, text, names) => {
    expect(parseNames(text)).toEqual(names);
  });
});
