import { parentPort } from 'node:worker_threads';
import { assert } from '../core/assert.js';
import { type ErrorCode, toAppError } from '../core/errors.js';
import { END, type WorkerReply, type WorkerRequest } from './worker-pool.js';

/** What a worker does with its requests. */
export interface RequestHandler<Request, Response> {
  handle(request: Request): Response | Promise<Response>;
  /** Memory of a response that goes to the asker instead of being copied. */
  transfer(response: Response): ArrayBuffer[];
}

/**
 * The worker's side of a `WorkerPool`: prepares itself, says that it is ready, and answers requests one after the other: a session has
 * one input buffer, and inference would block this thread anyway.
 *
 * @param prepare a failure of it ends the worker, and is why.
 * @param failure the code of what fails without one.
 */
export async function serveRequests<Request, Response>(prepare: () => Promise<RequestHandler<Request, Response>>, failure: ErrorCode = 'ERR_INFERENCE_FAILED'): Promise<void> {
  const port = parentPort;
  assert(port, 'a worker of a pool runs in a worker thread');
  const reply = (message: WorkerReply<Response>, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  const fail = (id: number | undefined, thrown: unknown) => {
    const { code, message, fix } = toAppError(thrown, failure);
    reply({ type: 'failed', id, code, message, fix });
  };
  try {
    const handler = await prepare();
    let last: Promise<void> = Promise.resolve();
    let isEnding = false;
    port.on('message', (message: WorkerRequest<Request> | typeof END) => {
      if (message === END) {
        isEnding = true;
        void last.then(() => process.exit());
        return;
      }
      const { id, request } = message;
      last = last.then(async () => {
        if (isEnding) return;
        try {
          const response = await handler.handle(request);
          reply({ type: 'done', id, response }, handler.transfer(response));
        } catch (error) {
          fail(id, error);
        }
      });
    });
    reply({ type: 'ready' });
  } catch (error) {
    fail(undefined, error);
  }
}
