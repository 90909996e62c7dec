import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../core/assert.js';
import { monotonicMs } from '../core/clock.js';
import type { Detections } from '../core/detections.js';
import { AppError, toAppError } from '../core/errors.js';
import type { Size } from '../core/frame.js';
import type { ImageFit } from '../core/image-fit.js';
import type { ModelManifest } from '../core/manifest.js';
import { Session } from '../inference/session.js';
import type { WorkerReply, WorkerRequest } from '../inference/worker-pool.js';
import { createDecoder, type DecodeThresholds } from './decoder.js';

/** What a detector worker is started with. */
export interface DetectorWorkerData {
  readonly manifest: ModelManifest;
  /** The prepared model: uint8 input, planes G, B, R. */
  readonly modelPath: string;
  readonly threads: number;
}

export interface DetectRequest {
  /** Shared memory: the worker copies it into the model's input when its turn comes. */
  readonly pixels: Uint8Array;
  readonly fit: ImageFit;
  readonly sourceSize: Size;
  readonly thresholds: DecodeThresholds;
}

/** Monotonic milliseconds. */
export interface DetectResponse {
  readonly detections: Detections;
  readonly startedMs: number;
  readonly inferredMs: number;
  readonly decodedMs: number;
  readonly endedMs: number;
}

const { manifest, modelPath, threads } = workerData as DetectorWorkerData;
const port = parentPort;
assert(port, 'the detector worker runs in a worker thread');
const reply = (message: WorkerReply<DetectResponse>, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

try {
  const session = await Session.load({ modelPath, threads });
  checkInput(session.inputLength);
  const decoder = createDecoder(manifest);

  const detect = async ({ pixels, fit, sourceSize, thresholds }: DetectRequest): Promise<DetectResponse> => {
    const startedMs = monotonicMs();
    const outputs = await session.run(pixels);
    const inferredMs = monotonicMs();
    decoder.scan(outputs, thresholds);
    const decodedMs = monotonicMs();
    const detections = decoder.select(thresholds, fit, sourceSize);
    return { detections, startedMs, inferredMs, decodedMs, endedMs: monotonicMs() };
  };

  let last: Promise<void> = Promise.resolve();
  port.on('message', ({ id, request }: WorkerRequest<DetectRequest>) => {
    // One after the other: a session has one input buffer, and inference would block this thread anyway.
    last = last.then(async () => {
      try {
        const response = await detect(request);
        const { count, xyxy, confidence, classId } = response.detections;
        // Frames without a finding share one empty result, which stays here.
        const transfer = count === 0 ? [] : ([xyxy.buffer, confidence.buffer, classId.buffer] as ArrayBuffer[]);
        reply({ type: 'done', id, response }, transfer);
      } catch (error) {
        fail(id, error);
      }
    });
  });
  reply({ type: 'ready' });
} catch (error) {
  fail(undefined, error);
}

function checkInput(bytes: number): void {
  const { width, height } = manifest.input;
  if (bytes === width * height * 3) return;
  throw new AppError('ERR_MODEL_MANIFEST', `${manifest.id}: the manifest says an input of ${width}x${height}, the prepared model takes ${bytes} bytes`, {
    fix: 'Add the model again: lynceus models remove, then lynceus models add.',
  });
}

function fail(id: number | undefined, thrown: unknown): void {
  const { code, message, fix } = toAppError(thrown, 'ERR_INFERENCE_FAILED');
  reply({ type: 'failed', id, code, message, fix });
}
