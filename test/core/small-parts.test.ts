import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { epochMs, monotonicMs } from '../../src/core/clock.js';
import { canonicalLabels, COCO_LABELS } from '../../src/core/coco-labels.js';
import { NO_DETECTIONS } from '../../src/core/detections.js';
import { workerUrl } from '../../src/core/worker-url.js';

describe('clock', () => {
  test('never goes back, and has parts of milliseconds', () => {
    const readings = Array.from({ length: 1_000 }, monotonicMs);
    expect(readings).toEqual([...readings].sort((a, b) => a - b));
    expect(readings.some((ms) => !Number.isInteger(ms))).toBe(true);
  });

  test('is the same in all threads', async () => {
    const beforeMs = monotonicMs();
    const worker = new Worker(`require('node:worker_threads').parentPort.postMessage(process.hrtime())`, { eval: true });
    const [[seconds, nanoseconds]] = (await once(worker, 'message')) as [[number, number]];
    const insideMs = seconds * 1e3 + nanoseconds / 1e6;
    expect(insideMs).toBeGreaterThan(beforeMs);
    expect(insideMs).toBeLessThan(monotonicMs());
    await worker.terminate();
  });

  test('of the wall counts from 1970', () => {
    expect(Math.abs(epochMs() - Date.now())).toBeLessThan(60_000);
  });
});

describe('workerUrl', () => {
  test.each([
    ['compiled code beside its worker', 'file:///app/dist/detector/service.js', 'file:///app/dist/detector/worker.js'],
    ['sources lead to compiled code', 'file:///app/src/detector/service.ts', 'file:///app/dist/detector/worker.js'],
    ['a project inside a folder called src', 'file:///home/src/app/src/detector/service.ts', 'file:///home/src/app/dist/detector/worker.js'],
    ['compiled code inside a folder called src', 'file:///home/src/app/dist/detector/service.js', 'file:///home/src/app/dist/detector/worker.js'],
    ['sources in a folder of a room', 'file:///home/src/app/src/occupancy/stage/service.ts', 'file:///home/src/app/dist/occupancy/stage/worker.js'],
    ['compiled code in a folder of a room', 'file:///home/src/app/dist/occupancy/stage/service.js', 'file:///home/src/app/dist/occupancy/stage/worker.js'],
    ['compiled code of a project that is itself called src', 'file:///home/src/dist/detector/service.js', 'file:///home/src/dist/detector/worker.js'],
    ['a path with a space', 'file:///my%20app/src/detector/service.ts', 'file:///my%20app/dist/detector/worker.js'],
  ])('%s', (_, base, expected) => {
    expect(workerUrl(base, './worker.js').href).toBe(expected);
  });
});

describe('labels', () => {
  const DARKNET = ['motorbike', 'aeroplane', 'sofa', 'pottedplant', 'diningtable', 'tvmonitor'];
  const MODERN = ['motorcycle', 'airplane', 'couch', 'potted plant', 'dining table', 'tv'];

  test('are the 80 of COCO, each once', () => {
    expect(COCO_LABELS).toHaveLength(80);
    expect(new Set(COCO_LABELS).size).toBe(80);
    expect([COCO_LABELS[0], COCO_LABELS[62], COCO_LABELS[79]]).toEqual(['person', 'tv', 'toothbrush']);
  });

  test('under Darknet’s names are the same classes', () => {
    const darknet = COCO_LABELS.map((label) => DARKNET[MODERN.indexOf(label)] ?? label);
    expect(darknet).not.toEqual(COCO_LABELS);
    expect(canonicalLabels(darknet)).toBe(COCO_LABELS);
  });

  test.each([
    ['others', ['cat', 'dog']],
    ['the same in another order', [...COCO_LABELS].reverse()],
    ['one more', [...COCO_LABELS, 'ambulance']],
    ['none', []],
  ])('%s stay as they are', (_, labels) => {
    expect(canonicalLabels(labels)).toBe(labels);
  });
});

test('NO_DETECTIONS has none', () => {
  expect(NO_DETECTIONS).toMatchObject({ count: 0, boxesBeforeNms: 0 });
});
