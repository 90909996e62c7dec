import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../core/assert.js';
import { Session } from '../../inference/session.js';
import type { InferenceFloorData } from './floor.js';

const { modelPath, threads, runs } = workerData as InferenceFloorData;
assert(parentPort, 'runs in a worker thread');
const session = await Session.load({ modelPath, threads, warmupRuns: 10 });
const frame = new Uint8Array(session.inputLength).fill(114);
parentPort.postMessage('ready');
await once(parentPort, 'message');
for (let i = 0; i < runs; i += 1) await session.run(frame);
parentPort.postMessage('done');
