import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Detections, NO_DETECTIONS } from '../../src/core/detections.js';
import { AppError } from '../../src/core/errors.js';
import {
  type FrameField,
  clientMessage,
  errorMessage,
  eventMessage,
  FRAME_FIELDS,
  frameMessage,
  MAX_PATCHES,
  MAX_SUPPRESSED,
  partialFrameMessage,
  pickFields,
  statsMessage,
  toErrorMessage,
  toEventMessage,
  toFrameMessage,
  toOperatingPointMessage,
  toStatsMessage,
} from '../../src/protocol/index.js';
import { schemas } from '../../src/protocol/schemas.js';
import { fakeDelivered, fakeFrame, fakeGuardReport, fakeStream } from '../server/fixture.js';
import { streetAt, SyntheticSpace } from '../server/synthetic-space.js';

const without = (...fields: readonly FrameField[]): FrameField[] => FRAME_FIELDS.filter((field) => !fields.includes(field));
const ajv = new Ajv2020.default({ strict: true, allowUnionTypes: true });
addFormats.default(ajv);
const validators = Object.fromEntries(Object.entries(schemas()).map(([name, schema]) => [name, ajv.compile(schema)]));

function errorsOf(name: string, message: unknown): unknown {
  const validate = validators[name]!;
  return validate(message) ? [] : validate.errors;
}

describe('frame messages', () => {
  const stream = fakeStream('yard');

  test.each([
    ['no detections', { detections: 0 }],
    ['several', { detections: 5, dropped: { 'source:pool_exhausted': 2 } }],
    ['guarded', { guard: fakeGuardReport() }],
    ['unguarded, with a reason', { guard: fakeGuardReport({ state: 'unguarded', reason: 'ERR_WORKER_DIED', patches: [], suppressed: NO_DETECTIONS, extraPasses: 0 }) }],
    ['of a dataset', { image: { id: 7, fileName: 'images/7.jpg' } }],
    ['capture time unknown', { capture: { epochMs: undefined, clock: 'container_pts' as const, uncertaintyMs: undefined } }],
  ])('%s: are what the schemas say', (_, options) => {
    const frame = fakeFrame(stream, 3, options);
    const message = toFrameMessage(fakeDelivered(stream, frame, options));
    frame.release();
    expect(frameMessage.parse(message)).toEqual(message);
    expect(errorsOf('frame', message)).toEqual([]);
    expect(JSON.parse(JSON.stringify(message))).toEqual(message);
  });

  test('a picture of a dataset says which it is, a frame of a camera only how large', () => {
    const [named, nameless] = [{ image: { id: 7, fileName: 'images/7.jpg' } }, {}].map((options) => {
      const frame = fakeFrame(stream, 3, options);
      const { image } = toFrameMessage(fakeDelivered(stream, frame));
      frame.release();
      return image;
    });
    expect(named).toEqual({ ...nameless, id: 7, file: 'images/7.jpg' });
    expect(Object.keys(nameless ?? {})).toEqual(['width', 'height']);
  });

  test('a class without a label has its number', () => {
    const frame = fakeFrame(stream, 3);
    const delivered = { ...fakeDelivered(stream, frame, { detections: 3 }), labels: ['person'] };
    expect(toFrameMessage(delivered).detections.map(({ label }) => label)).toEqual(['person', 'class 1', 'class 2']);
    frame.release();
  });

  test('with a tracker, a box of a track says which, and how well it is known', () => {
    const frame = fakeFrame(stream, 3);
    const delivered = fakeDelivered(stream, frame, { detections: 3 });
    const message = toFrameMessage({ ...delivered, result: { ...delivered.result, tracks: { ids: Int32Array.of(7, 12, 0), isConfirmed: Uint8Array.of(1, 0, 0), isCoasted: Uint8Array.of(0, 0, 0), confirmedSoFar: 1 } } });
    frame.release();
    expect(message.detections.map(({ track_id: id, track_state: state }) => [id, state])).toEqual([
      [7, 'confirmed'],
      [12, 'tentative'],
      [undefined, undefined],
    ]);
    expect(errorsOf('frame', message)).toEqual([]);
    expect(frameMessage.parse(message)).toEqual(message);
  });

  test('a box that nobody detected in this frame says so', () => {
    const frame = fakeFrame(stream, 3);
    const delivered = fakeDelivered(stream, frame, { detections: 2 });
    const message = toFrameMessage({ ...delivered, result: { ...delivered.result, tracks: { ids: Int32Array.of(7, 12), isConfirmed: Uint8Array.of(1, 1), isCoasted: Uint8Array.of(0, 1), confirmedSoFar: 2 } } });
    frame.release();
    expect(message.detections.map(({ track_id: id, track_state: state, coasted }) => [id, state, coasted])).toEqual([
      [7, 'confirmed', undefined],
      [12, 'confirmed', true],
    ]);
    expect(errorsOf('frame', message)).toEqual([]);
    expect(frameMessage.parse(message)).toEqual(message);
  });

  test('with a guard, every region and every box says what became of it', () => {
    const frame = fakeFrame(stream, 3);
    const message = toFrameMessage(fakeDelivered(stream, frame, { guard: fakeGuardReport() }));
    frame.release();
    expect(message.guard).toEqual({ state: 'guarded', extra_passes: 1 });
    expect(message.patches).toEqual([
      { id: 3, bbox: [40, 30, 40, 40], score: 0.8765, verdict: 'adversarial', action: 'filled', effect: 'hiding' },
      { bbox: [300, 300, 80.13, 60], score: 0.25, verdict: 'benign', action: 'none' },
    ]);
    expect(message.detections.map(({ guard }) => guard)).toEqual(['recovered', 'untouched']);
    expect(message.suppressed).toEqual([{ id: 0, category_id: 0, label: 'person', score: 0.75, bbox: [500, 100, 120, 200], guard: 'suppressed' }]);
  });

  test('without a guard there is no word of one', () => {
    const frame = fakeFrame(stream, 3);
    const message = toFrameMessage(fakeDelivered(stream, frame));
    frame.release();
    expect(JSON.stringify(message)).not.toMatch(/guard|patches|suppressed/);
  });

  test('a picture full of patches makes no message without bound: the adversarial ones and the highest scores stay', () => {
    const patches = Array.from({ length: 200 }, (_, i) => ({ xyxy: [i, 0, i + 9, 9], score: i / 200, verdict: i === 5 ? 'adversarial' : 'suspicious', action: 'none' }) as const);
    const suppressed: Detections = { count: 300, xyxy: new Float32Array(1200), confidence: new Float32Array(300).fill(0.5), classId: new Int32Array(300), boxesBeforeNms: 300 };
    const frame = fakeFrame(stream, 3);
    const message = toFrameMessage(fakeDelivered(stream, frame, { guard: fakeGuardReport({ patches, suppressed }) }));
    frame.release();
    expect(errorsOf('frame', message)).toEqual([]);
    expect(message.patches!.slice(0, 3).map(({ bbox }) => bbox[0])).toEqual([5, 199, 198]);
    expect([message.patches!.length, message.suppressed!.length]).toEqual([MAX_PATCHES, MAX_SUPPRESSED]);
  });

  test.each([
    ['a guard', { guard: fakeGuardReport() }, without('redundancy', 'operating_point', 'occupancy', 'volumes')],
    ['occupied space', { occupancy: new SyntheticSpace().report(streetAt(0), { boxes: { count: 1, xyxy: Float32Array.of(1, 1, 9, 9) } }) }, without('patches', 'suppressed', 'guard', 'redundancy', 'operating_point')],
    ['a dead camera', { occupancy: { code: 'ERR_STEREO_CAMERA_DEAD', message: 'nothing' } as const }, without('patches', 'suppressed', 'guard', 'redundancy', 'operating_point', 'volumes')],
    ['none', {}, without('patches', 'suppressed', 'guard', 'redundancy', 'operating_point', 'occupancy', 'volumes')],
  ])('with %s, any choice of fields is a valid frame with just those of them that the stream has', (_, options, present) => {
    const frame = fakeFrame(stream, 3);
    const message = toFrameMessage(fakeDelivered(stream, frame, options));
    frame.release();
    fc.assert(
      fc.property(fc.subarray([...FRAME_FIELDS]), (fields) => {
        const picked = pickFields(message, fields);
        expect(partialFrameMessage.parse(picked)).toEqual(picked);
        expect(errorsOf('frame', picked)).toEqual([]);
        expect(Object.keys(picked).sort()).toEqual(['type', 'stream', 'seq', ...fields.filter((field) => present.includes(field))].sort());
      }),
    );
  });
});

describe('other messages', () => {
  test('a summary of nothing has null where there is no value, and percentiles appear with enough samples', () => {
    const stream = fakeStream('yard');
    const empty = toStatsMessage(stream, 0);
    expect(statsMessage.parse(empty).end_to_end).toEqual({ n: 0, mean_ms: null, variance_ms2: null, cv: null, min_ms: null, max_ms: null, p50_ms: null, p90_ms: null, p95_ms: null, p99_ms: null, p999_ms: null });
    expect(errorsOf('stats', JSON.parse(JSON.stringify(empty)))).toEqual([]);
    expect(empty).not.toHaveProperty('guard');
    stream.guard = { frames: [{ state: 'degraded', reason: 'budget', count: 2 }], patches: [{ verdict: 'adversarial', action: 'filled', count: 5 }], extraPasses: 3, recovered: 4, suppressed: 0 };
    const guarded = toStatsMessage(stream, 0);
    expect(statsMessage.parse(guarded).guard).toEqual({ frames: stream.guard.frames, patches: stream.guard.patches, extra_passes: 3, recovered: 4, suppressed: 0 });
    expect(errorsOf('stats', JSON.parse(JSON.stringify(guarded)))).toEqual([]);
    stream.delivered = 700;
    expect(statsMessage.parse(toStatsMessage(stream, 0)).end_to_end).toMatchObject({ n: 700, p90_ms: 19.6, p99_ms: 30.8, p999_ms: null });
  });

  test.each([
    ['running', { epochMs: 0, state: 'running' as const, message: 'frames come' }],
    ['reconnecting', { epochMs: 1.5, state: 'reconnecting' as const, code: 'ERR_SOURCE_TIMEOUT' as const, message: 'no answer', attempt: 4, retryInMs: 1234.56789 }],
  ])('event: %s', (_, event) => {
    const message = toEventMessage('yard', event);
    expect(eventMessage.parse(message)).toEqual(message);
    expect(errorsOf('event', message)).toEqual([]);
  });

  test('error', () => {
    const message = toErrorMessage(new AppError('ERR_NOT_FOUND', 'no', { fix: 'yes' }), '7');
    expect(errorMessage.parse(message)).toEqual({ type: 'error', id: '7', code: 'ERR_NOT_FOUND', message: 'no', fix: 'yes' });
    expect(errorsOf('error', message)).toEqual([]);
  });
});

describe('what a client may say', () => {
  test.each([
    ['the shortest subscription', { type: 'subscribe', streams: ['*'] }, true],
    ['all of it', { type: 'subscribe', id: 'x', streams: ['a', 'b'], fields: ['detections'], max_rate: 0.5, policy: 'all', preview: true }, true],
    ['no fields but the head', { type: 'subscribe', streams: ['a'], fields: [] }, true],
    ['no stream', { type: 'subscribe', streams: [] }, false],
    ['a rate of nothing', { type: 'subscribe', streams: ['a'], max_rate: 0 }, false],
    ['an unknown field of the frame', { type: 'subscribe', streams: ['a'], fields: ['pixels'] }, false],
    ['an unknown key', { type: 'subscribe', streams: ['a'], maxRate: 3 }, false],
    ['an unknown policy', { type: 'subscribe', streams: ['a'], policy: 'newest' }, false],
    ['unsubscribe', { type: 'unsubscribe', streams: ['a'] }, true],
    ['ping', { type: 'ping', id: '1' }, true],
    ['auth', { type: 'auth', token: 't' }, true],
    ['auth without a token', { type: 'auth' }, false],
    ['what only the server says', { type: 'hello' }, false],
    ['no object', 'subscribe', false],
  ])('%s', (_, message, isValid) => {
    expect(clientMessage.safeParse(message).success).toBe(isValid);
    const type = typeof message === 'object' ? message.type : '';
    if (type in validators && type !== 'hello') expect(validators[type]!(message)).toBe(isValid);
  });
});

test('a governed frame says its operating point, and a move says where from, where to and why', () => {
  const frame = fakeFrame(fakeStream('yard'), 3);
  const [from, to] = [
    { index: 4, name: 'm' },
    { index: 2, name: 'm-320x320' },
  ];
  const delivered = fakeDelivered(fakeStream('yard'), frame, {});
  const message = toFrameMessage({ ...delivered, result: { ...delivered.result, operatingPoint: to } });
  frame.release();
  expect(message.operating_point).toEqual(to);
  expect(errorsOf('frame', message)).toEqual([]);
  const move = toOperatingPointMessage('yard', { epochMs: 0, from, to, reason: 'breach', message: 'late' });
  expect(move).toEqual({ type: 'operating_point', stream: 'yard', time: '1970-01-01T00:00:00.000Z', from, to, reason: 'breach', message: 'late' });
  expect(errorsOf('operating_point', move)).toEqual([]);
});
