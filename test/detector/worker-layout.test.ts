import { expect, test } from 'vitest';
import { checkStages, workerSettingsOf } from '../../src/cli/stages.js';
import { layoutOf } from '../../src/detector/model-workers.js';

test.each([
  ['latency: all cores on one frame', { mode: 'latency', cores: 4 }, { sessions: 1, threads: 4 }],
  ['throughput: a frame on each core', { mode: 'throughput', cores: 4 }, { sessions: 4, threads: 1 }],
  ['two sessions of two threads', { mode: 'throughput', cores: 4, sessions: 2, threads: 2 }, { sessions: 2, threads: 2 }],
  ['as many threads as said, sessions as usual', { mode: 'throughput', cores: 2, threads: 2 }, { sessions: 2, threads: 2 }],
] as const)('%s', (_, settings, layout) => {
  expect(layoutOf(settings)).toEqual(layout);
});

const detect = (session: object) => ({ id: 'detect', kind: 'detector.yolo', options: { session } });

test('a stage says how its sessions are made', () => {
  expect(workerSettingsOf(detect({ count: 2, threads: 1, memoryArena: false }), 'live')).toMatchObject({ sessions: 2, threads: 1, tuning: { memoryArena: false } });
  expect(workerSettingsOf({ id: 'detect', kind: 'detector.yolo' }, 'live')).not.toHaveProperty('tuning');
});

test.each([
  ['an option that there is not', { spin: true }, 'ERR_CONFIG_UNKNOWN_KEY'],
  ['no level of optimisation', { optimization: 'most' }, 'ERR_CONFIG_INVALID'],
  ['no thread', { threads: 0 }, 'ERR_CONFIG_INVALID'],
])('%s is refused', (_, session, code) => {
  expect(() => checkStages([detect(session)])).toThrow(expect.objectContaining({ code }) as Error);
});

test('a governor makes sessions of its own', () => {
  expect(() => checkStages([detect({ spinning: true })], { target: '25ms' })).toThrow(/a governor makes the sessions/);
});
