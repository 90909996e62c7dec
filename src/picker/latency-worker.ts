import { parentPort } from 'node:worker_threads';
import { assert } from '../core/assert.js';
import { monotonicMs } from '../core/clock.js';
import { toAppError } from '../core/errors.js';
import { seededIntegers } from '../evaluation/random.js';
import { Session } from '../inference/session.js';
import type { LatencyAnswer, LatencyRequest } from './latency-bench.js';

const sessions: { readonly session: Session; readonly frame: Uint8Array }[] = [];

async function answer(request: LatencyRequest): Promise<LatencyAnswer> {
  if (request.kind === 'load') {
    const session = await Session.load({ modelPath: request.modelPath, threads: request.threads });
    const below = seededIntegers(1);
    // Noise: nothing that a picture of one colour would spare the network.
    const frame = Uint8Array.from({ length: session.inputLength }, () => below(256));
    return { kind: 'loaded', session: sessions.push({ session, frame }) - 1 };
  }
  const { session, frame } = sessions[request.session]!;
  const samplesUs: number[] = [];
  for (let i = 0; i < request.settleRuns + request.runs; i += 1) {
    const startMs = monotonicMs();
    await session.run(frame);
    if (i >= request.settleRuns) samplesUs.push(Math.round((monotonicMs() - startMs) * 1e3));
  }
  return { kind: 'ran', samplesUs };
}

const port = parentPort;
assert(port, 'runs in a worker thread');
port.on('message', (request: LatencyRequest) => {
  answer(request).then(
    (message) => port.postMessage(message),
    (error: unknown) => {
      const { code, message } = toAppError(error);
      port.postMessage({ kind: 'failed', code, message } satisfies LatencyAnswer);
    },
  );
});
