import { pathToFileURL } from 'node:url';
import { type Worker } from 'node:worker_threads';
import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { AppError } from '../../src/core/errors.js';
import { WorkerPool } from '../../src/inference/worker-pool.js';
import { rejectionOf } from '../fixtures/failure.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { meanModel, slowModel, writeModel } from '../fixtures/tiny-onnx.js';

const folder = tempFolder();

/** Does what each request says. `starts[0]` counts workers that were started: how each of them starts is a list. */
const OBEDIENT_WORKER = `
import { parentPort, workerData } from 'node:worker_threads';
const { starts, plan } = workerData;
const how = plan[Math.min(Atomics.add(starts, 0, 1), plan.length - 1)];
const reply = (message) => parentPort.postMessage(message);
if (how === 'exit') process.exit(7);
if (how === 'throw') throw new Error('no memory');
if (how === 'fail') reply({ type: 'failed', id: undefined, code: 'ERR_MODEL_CORRUPT', message: 'not a model', fix: 'Add it again.' });
if (how !== 'fail') {
  parentPort.on('message', (message) => {
    if (message === 'end') process.exit();
    const { id, request } = message;
    if (request.order === 'echo') reply({ type: 'done', id, response: request.value });
    if (request.order === 'fail') reply({ type: 'failed', id, code: 'ERR_INFERENCE_FAILED', message: 'bad frame' });
    if (request.order === 'exit') process.exit(3);
    if (request.order === 'throw') throw new Error('out of luck');
  });
  if (how !== 'never') reply({ type: 'ready' });
}
`;

type Start = 'ready' | 'exit' | 'throw' | 'fail' | 'never';
interface Order {
  readonly order: 'echo' | 'fail' | 'exit' | 'throw' | 'hold';
  readonly value?: unknown;
}

const script = writeScript('obedient.mjs', OBEDIENT_WORKER);
const workers: Worker[] = [];
const pools: WorkerPool<Order, unknown>[] = [];
process.on('worker', (worker: Worker) => workers.push(worker));

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  // A worker that has ended has no thread.
  expect(workers.splice(0).map(({ threadId }) => threadId).filter((id) => id !== -1)).toEqual([]);
});

function writeScript(name: string, text: string): URL {
  writeFileSync(`${folder}/${name}`, text);
  return pathToFileURL(`${folder}/${name}`);
}

async function startPool(size: number, plan: readonly Start[] = ['ready']): Promise<WorkerPool<Order, unknown>> {
  const starts = new Int32Array(new SharedArrayBuffer(4));
  const pool = await WorkerPool.start<Order, unknown>({ script, size, workerData: { starts, plan }, name: 'w' });
  pools.push(pool);
  return pool;
}

const echo = (value: unknown): Order => ({ order: 'echo', value });

describe('requests', () => {
  test('are answered with who served them', async () => {
    const pool = await startPool(1);
    await expect(pool.run(echo('hello'))).resolves.toEqual({ response: 'hello', worker: 'w-0' });
  });

  test('go to the worker with the fewest', async () => {
    const pool = await startPool(2);
    const held = rejectionOf(pool.run({ order: 'hold' }));
    const served = await Promise.all([pool.run(echo(1)), pool.run(echo(2))]);
    // The first of the two makes both even; by the second, the holding one is as good as the other.
    expect(served[0].worker).toBe('w-1');
    const later = await pool.run(echo(3));
    expect(later.worker).toBe('w-1');
    await pool.close();
    expect((await held).code).toBe('ERR_WORKER_DIED');
  });

  test('fail by themselves: the next one is served by the same worker', async () => {
    const pool = await startPool(1);
    const error = await rejectionOf(pool.run({ order: 'fail' }));
    expect([error.code, error.message]).toEqual(['ERR_INFERENCE_FAILED', 'bad frame']);
    await expect(pool.run(echo(1))).resolves.toEqual({ response: 1, worker: 'w-0' });
    expect(workers).toHaveLength(1);
  });

  test('that cannot be sent are refused and weigh nothing', async () => {
    const pool = await startPool(2);
    await expect(pool.run(echo(() => 1))).rejects.toThrow('could not be cloned');
    const { worker } = await pool.run(echo(1));
    expect(worker).toBe('w-0');
  });
});

describe('a worker that dies', () => {
  test.each<[Order['order'], string]>([
    ['exit', 'w-0 ended with status 3'],
    ['throw', 'w-0: out of luck'],
  ])('by %s fails its requests and is replaced; the next request waits for the replacement', async (order, message) => {
    const pool = await startPool(1);
    const [first, behind] = [pool.run({ order }), pool.run(echo('behind'))];
    const errors = await Promise.all([rejectionOf(first), rejectionOf(behind)]);
    expect(errors.map((error) => [error.code, error.message])).toEqual([
      ['ERR_WORKER_DIED', message],
      ['ERR_WORKER_DIED', message],
    ]);
    await expect(pool.run(echo('next'))).resolves.toEqual({ response: 'next', worker: 'w-0' });
    expect(workers).toHaveLength(2);
  });

  test('leaves the others alone, and they get the requests until its replacement is ready', async () => {
    const pool = await startPool(2, ['ready', 'ready', 'never']);
    const dead = await rejectionOf(pool.run({ order: 'exit' }));
    expect(dead.code).toBe('ERR_WORKER_DIED');
    const served = await Promise.all([pool.run(echo(1)), pool.run(echo(2)), pool.run(echo(3))]);
    expect(new Set(served.map(({ worker }) => worker)).size).toBe(1);
  });

  test('five times without a served request in between is given up', async () => {
    const pool = await startPool(1);
    for (let death = 1; death <= 5; death += 1) expect((await rejectionOf(pool.run({ order: 'exit' }))).message).toContain('status 3');
    const error = await rejectionOf(pool.run(echo(1)));
    expect([error.code, error.message]).toEqual(['ERR_WORKER_DIED', 'w: no worker is alive']);
    expect(workers).toHaveLength(5);
  });

  test('now and then in a long run is replaced for ever', async () => {
    const pool = await startPool(1);
    for (let death = 1; death <= 7; death += 1) {
      await rejectionOf(pool.run({ order: 'exit' }));
      await expect(pool.run(echo(death))).resolves.toMatchObject({ response: death });
    }
  });

  test('and whose replacements cannot start: who waits for one is told why', async () => {
    const pool = await startPool(1, ['ready', 'fail']);
    await rejectionOf(pool.run({ order: 'exit' }));
    const error = await rejectionOf(pool.run(echo(1)));
    expect([error.code, error.message, error.fix]).toEqual(['ERR_MODEL_CORRUPT', 'not a model', 'Add it again.']);
  });
});

describe('starting', () => {
  test.each<[Start, string, string]>([
    ['fail', 'ERR_MODEL_CORRUPT', 'not a model'],
    ['exit', 'ERR_WORKER_DIED', 'w-0 ended with status 7'],
    ['throw', 'ERR_WORKER_DIED', 'w-0: no memory'],
  ])('a worker that starts with %s: start rejects with %s', async (how, code, message) => {
    const error = await rejectionOf(startPool(1, [how]));
    expect([error.code, error.message]).toEqual([code, message]);
    expect(workers).toHaveLength(1);
  });

  test('one that fails ends those that are still loading', async () => {
    const error = await rejectionOf(startPool(3, ['fail', 'never', 'never']));
    expect(error.code).toBe('ERR_MODEL_CORRUPT');
    expect(workers).toHaveLength(3);
  });
});

describe('closing', () => {
  test('fails what is pending and refuses what comes later', async () => {
    const pool = await startPool(2);
    const pending = [1, 2, 3].map(() => rejectionOf(pool.run({ order: 'hold' })));
    await pool.close();
    for (const error of await Promise.all(pending)) expect(error.code).toBe('ERR_WORKER_DIED');
    expect((await rejectionOf(pool.run(echo(1)))).message).toBe('w: no worker is alive');
    expect(workers).toHaveLength(2);
  });

  test('while a replacement loads ends it too, and twice is as good as once', async () => {
    const pool = await startPool(1, ['ready', 'never']);
    await rejectionOf(pool.run({ order: 'exit' }));
    const waiting = rejectionOf(pool.run(echo(1)));
    await pool.close();
    await pool.close();
    expect((await waiting).code).toBe('ERR_WORKER_DIED');
    expect(workers).toHaveLength(2);
  });
});

/** Turns of the event loop while `work` runs. */
async function loopTurnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  const turn = () => {
    turns += 1;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  isDone = true;
  return turns;
}

describe('inference in a worker', () => {
  const dist = new URL('../../dist/inference/session.js', import.meta.url).href;
  const inferring = writeScript(
    'inferring.mjs',
    `
import { parentPort, workerData } from 'node:worker_threads';
import { Session } from '${dist}';
const session = await Session.load({ modelPath: workerData.modelPath, threads: 1, warmupRuns: 0 });
parentPort.on('message', async ({ id, request }) => {
  const { mean } = await session.run(request);
  parentPort.postMessage({ type: 'done', id, response: mean.data });
});
parentPort.postMessage({ type: 'ready' });
`,
  );

  test('reads frames in shared memory', async () => {
    const pool = await WorkerPool.start<Uint8Array, Float32Array>({ script: inferring, size: 1, workerData: { modelPath: writeModel(folder, 'mean.onnx', meanModel()) }, name: 'i' });
    const frame = new Uint8Array(new SharedArrayBuffer(48)).fill(7);
    const { response } = await pool.run(frame);
    expect(Array.from(response)).toEqual([7, 7, 7]);
    await pool.close();
  });

  test('leaves the event loop of the main thread to others', async () => {
    const pool = await WorkerPool.start<Uint8Array, Float32Array>({ script: inferring, size: 1, workerData: { modelPath: writeModel(folder, 'slow.onnx', slowModel()) }, name: 'i' });
    // The same call on the main thread would let two or three turns pass.
    expect(await loopTurnsDuring(() => pool.run(new Uint8Array(48).fill(1)))).toBeGreaterThan(20);
    await pool.close();
  });
});

test('errors of a pool are AppErrors in this thread, not copies of another one', async () => {
  const pool = await startPool(1);
  expect(await rejectionOf(pool.run({ order: 'throw' }))).toBeInstanceOf(AppError);
});
