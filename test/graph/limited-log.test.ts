import { expect, test } from 'vitest';
import { LimitedLog } from '../../src/graph/limited-log.js';
import { RecordingLog } from '../fixtures/recording-log.js';

test('says the same thing once a second, and then how often it happened meanwhile', () => {
  const log = new RecordingLog();
  const limited = new LimitedLog(log);
  for (const nowMs of [0, 1, 500, 999, 1_000, 1_500, 3_000, 4_100]) limited.warn('bad frame', nowMs, { seq: nowMs }, 'bad');
  expect(log.lines.map(({ fields }) => fields)).toEqual([{ seq: 0 }, { seq: 1_000, repeated: 3 }, { seq: 3_000, repeated: 1 }, { seq: 4_100 }]);
});

test('different things do not silence each other', () => {
  const log = new RecordingLog();
  const limited = new LimitedLog(log);
  limited.warn('a', 0, {}, 'first');
  limited.warn('b', 0, {}, 'second');
  limited.warn('a', 1, {}, 'third');
  expect(log.lines.map(({ message }) => message)).toEqual(['first', 'second']);
});
