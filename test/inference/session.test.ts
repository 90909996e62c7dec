import { describe, expect, test } from 'vitest';
import { Session } from '../../src/inference/session.js';
import { GRAPH_OPTIMIZATIONS, type SessionTuning, tuningOptions } from '../../src/inference/session-tuning.js';
import { rejectionOf } from '../fixtures/failure.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { failingModel, floatInputModel, meanModel, writeModel } from '../fixtures/tiny-onnx.js';

const folder = tempFolder();
const PLANE_BYTES = 16;

/** Planes of one value each. */
function flatFrame(bytes: Uint8Array, g: number, b: number, r: number): Uint8Array {
  [g, b, r].forEach((value, plane) => bytes.fill(value, plane * PLANE_BYTES, (plane + 1) * PLANE_BYTES));
  return bytes;
}

describe('a prepared model', () => {
  test.each([
    ['private memory', new Uint8Array(3 * PLANE_BYTES)],
    ['shared memory', new Uint8Array(new SharedArrayBuffer(3 * PLANE_BYTES))],
    ['a part of a larger shared buffer', new Uint8Array(new SharedArrayBuffer(4 * PLANE_BYTES), PLANE_BYTES, 3 * PLANE_BYTES)],
  ])('takes frames from %s', async (_, bytes) => {
    const session = await Session.load({ modelPath: writeModel(folder, 'mean.onnx', meanModel()), threads: 1 });
    const outputs = await session.run(flatFrame(bytes, 10, 20, 30));
    expect(Array.from(outputs['mean']!.data)).toEqual([10, 20, 30]);
    expect(outputs['mean']!.dims).toEqual([1, 3]);
    await session.release();
  });

  test('gives each frame its own result, also after the warm-up on zeros', async () => {
    const session = await Session.load({ modelPath: writeModel(folder, 'mean.onnx', meanModel()), threads: 2, warmupRuns: 0 });
    expect(session.inputLength).toBe(3 * PLANE_BYTES);
    const first = await session.run(flatFrame(new Uint8Array(48), 1, 2, 3));
    const second = await session.run(flatFrame(new Uint8Array(48), 4, 5, 6));
    expect([Array.from(first['mean']!.data), Array.from(second['mean']!.data)]).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    await session.release();
  });

  test.each([47, 49, 0])('refuses a frame of %i bytes: the rest of the one before it would be looked at', async (length) => {
    const session = await Session.load({ modelPath: writeModel(folder, 'mean.onnx', meanModel()), threads: 1, warmupRuns: 0 });
    await expect(session.run(new Uint8Array(length))).rejects.toThrow(`expected a frame of 48 bytes, got ${length}`);
    await session.release();
  });

  test('a failure of the runtime is coded, and the session serves the next frame', async () => {
    const session = await Session.load({ modelPath: writeModel(folder, 'failing.onnx', failingModel()), threads: 1 });
    await expect(session.run(new Uint8Array(48).fill(9))).rejects.toMatchObject({ code: 'ERR_INFERENCE_FAILED' });
    expect(Array.from((await session.run(new Uint8Array(48)))['row']!.data)).toEqual([1]);
    await session.release();
  });
});

describe('how a session is made', () => {
  test.each<[string, SessionTuning]>([
    ['threads that spin', { spinning: true }],
    ['without a memory arena', { memoryArena: false }],
    ...GRAPH_OPTIMIZATIONS.map((optimization): [string, SessionTuning] => [`graph optimisation ${optimization}`, { optimization }]),
  ])('%s: the same results', async (_, tuning) => {
    const session = await Session.load({ modelPath: writeModel(folder, 'mean.onnx', meanModel()), threads: 2, tuning });
    expect(Array.from((await session.run(flatFrame(new Uint8Array(48), 1, 2, 3)))['mean']!.data)).toEqual([1, 2, 3]);
    await session.release();
  });

  test('in the words of onnxruntime, and as in every stream where nothing is said', () => {
    const sleeping = { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } };
    expect(tuningOptions({})).toEqual({ graphOptimizationLevel: 'all', enableCpuMemArena: true, extra: sleeping });
    expect(tuningOptions({ spinning: true, memoryArena: false, optimization: 'none' })).toMatchObject({
      graphOptimizationLevel: 'disabled',
      enableCpuMemArena: false,
      extra: { session: { intra_op: { allow_spinning: '1' } } },
    });
  });
});

describe('what is no prepared model', () => {
  test.each([
    ['an empty file', new Uint8Array(0)],
    ['a web page', new TextEncoder().encode('<!doctype html>')],
    ['a model that was cut off', meanModel().subarray(0, 100)],
  ])('%s: ERR_MODEL_CORRUPT with a way out', async (_, bytes) => {
    const modelPath = writeModel(folder, 'corrupt.onnx', bytes);
    const error = await rejectionOf(Session.load({ modelPath, threads: 1 }));
    expect(error.code).toBe('ERR_MODEL_CORRUPT');
    expect(error.message).toContain('corrupt.onnx');
    expect(error.fix).toContain('models add');
  });

  test('no file at all: the message names it', async () => {
    const error = await rejectionOf(Session.load({ modelPath: `${folder}/absent.onnx`, threads: 1 }));
    expect(error.code).toBe('ERR_MODEL_CORRUPT');
    expect(error.message).toContain('absent.onnx');
  });

  test('a float input: ERR_MODEL_MANIFEST', async () => {
    const modelPath = writeModel(folder, 'float.onnx', floatInputModel());
    await expect(Session.load({ modelPath, threads: 1 })).rejects.toMatchObject({ code: 'ERR_MODEL_MANIFEST' });
  });
});
