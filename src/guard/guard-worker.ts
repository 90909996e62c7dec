import { workerData } from 'node:worker_threads';
import { type DetectorModel, loadDetector, memoryOf } from '../detector/detector-session.js';
import { serveRequests } from '../inference/serve-requests.js';
import { PassRunner, type PassRunnerOptions } from './pass-runner.js';
import type { PassRequest, PassResponse } from './passes.js';

/** What a guard worker is started with: the tapped model and what its passes are made with. */
export type GuardWorkerData = DetectorModel & PassRunnerOptions;

await serveRequests<PassRequest, PassResponse>(async () => {
  const data = workerData as GuardWorkerData;
  const runner = new PassRunner(await loadDetector(data), data);
  return { handle: (request) => runner.run(request), transfer: ({ detections }) => memoryOf(detections) };
});
