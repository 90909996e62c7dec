import { workerData } from 'node:worker_threads';
import type { ModelManifest } from '../core/manifest.js';
import type { Size } from '../core/size.js';
import { serveRequests } from '../inference/serve-requests.js';
import { prepareInput } from '../onnx/prepare/prepare-input.js';
import { resizeInput } from '../onnx/resize/resize-input.js';
import { openElastic } from './elastic.js';

/** Which model a worker slices. */
export interface SlicedModel {
  readonly manifest: ModelManifest;
  readonly modelPath: string;
  readonly elasticPath: string;
}

export interface SliceRequest {
  readonly ratio: string;
  readonly size: Size;
}

export interface SliceResponse {
  /** Of a prepared network, in shared memory: as many workers as like load it. */
  readonly onnx: Uint8Array;
  readonly tookMs: number;
}

await serveRequests<SliceRequest, SliceResponse>(async () => {
  const model = workerData as SlicedModel;
  const elastic = await openElastic(model);
  const { input } = model.manifest;
  return {
    handle: ({ ratio, size: { width, height } }) => {
      const startedMs = performance.now();
      const network = { onnx: elastic.slice(ratio), input };
      const isOwnSize = width === input.width && height === input.height;
      const sized = isOwnSize ? network : resizeInput(network.onnx, input, { width, height });
      return { onnx: shared(prepareInput(sized.onnx, sized.input)), tookMs: performance.now() - startedMs };
    },
    transfer: () => [],
  };
}, 'ERR_INTERNAL');

function shared(bytes: Uint8Array): Uint8Array {
  const memory = new Uint8Array(new SharedArrayBuffer(bytes.length));
  memory.set(bytes);
  return memory;
}
