import { workerData } from 'node:worker_threads';
import sharp from 'sharp';
import { serveRequests } from '../../inference/serve-requests.js';
import type { Layout } from '../../stereo-scenes/layouts.js';
import { renderPair } from '../../stereo-scenes/render-pair.js';
import { pairRequest, type StereoSet } from '../../stereo-scenes/stereo-set.js';
import { writePair } from './write-pair.js';

/** What the workers are started with. */
export interface RenderWorkerData {
  readonly folder: string;
  readonly set: StereoSet;
}

/** What the worker drew for the pair that it was asked for by its number. */
export interface RenderedScene {
  readonly layout: Layout;
}

const { folder, set } = workerData as RenderWorkerData;

await serveRequests<number, RenderedScene>(
  () => {
    // A worker a core is at work already.
    sharp.concurrency(1);
    sharp.cache(false);
    return Promise.resolve({
      handle: async (index) => {
        const request = pairRequest(set, index);
        const pair = renderPair(request);
        await writePair(folder, index, request.rig, pair);
        return { layout: pair.layout };
      },
      transfer: () => [],
    });
  },
  'ERR_OUTPUT_WRITE',
);
