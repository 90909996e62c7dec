import { workerData } from 'node:worker_threads';
import { type DetectorModel, loadDetector, memoryOf } from '../detector/detector-session.js';
import { serveRequests } from '../inference/serve-requests.js';
import { PassRunner, type PassRunnerOptions } from './pass-runner.js';
import type { PassRequest, PassResponse } from './passes.js';
import { PatchFinder } from './search/patch-finder.js';

/** What a guard worker is started with: the tapped model and what its passes are made with. */
export type GuardWorkerData = DetectorModel & PassRunnerOptions & { /** Of the patch finder, where the profile's search wants it. */ readonly finderPath?: string | undefined };

await serveRequests<PassRequest, PassResponse>(async () => {
  const data = workerData as GuardWorkerData;
  const { finderPath, threads, tuning, manifest } = data;
  const finder = finderPath === undefined ? undefined : await PatchFinder.load({ modelPath: finderPath, threads, tuning }, manifest.input);
  const runner = new PassRunner(await loadDetector(data), data, finder);
  return { handle: (request) => runner.run(request), transfer: ({ detections }) => memoryOf(detections) };
});
