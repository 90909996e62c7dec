import { workerData } from 'node:worker_threads';
import { monotonicMs } from '../../core/clock.js';
import type { Size } from '../../core/frame.js';
import type { MissingOccupancy, OccupancyReport } from '../../core/occupancy-report.js';
import { serveRequests } from '../../inference/serve-requests.js';
import { PairLook } from './pair-look.js';
import { OccupancyMap, type OccupancyMapOptions, type PairSighting } from './occupancy-map.js';

/** What the worker of a stream's map is started with. */
export interface MapWorkerData extends OccupancyMapOptions {
  /** Of the frames that come. */
  readonly frameSize: Size;
  /** Look for what is wrong with pairs. */
  readonly checkPairs: boolean;
}

/** A pair, in the order of the frames. */
export interface MapRequest {
  /** Planes G, B, R of the frame's size, in shared memory. */
  readonly left: Uint8Array;
  readonly right: Uint8Array;
  readonly sighting: PairSighting;
  /** Time jumped since the pair before, or the recording starts again. */
  readonly isRestart: boolean;
}

/** Monotonic milliseconds. */
export interface MapResponse {
  readonly occupancy: OccupancyReport | MissingOccupancy;
  readonly startedMs: number;
  readonly endedMs: number;
}

await serveRequests<MapRequest, MapResponse>(() => {
  const options = workerData as MapWorkerData;
  const map = new OccupancyMap(options);
  const look = options.checkPairs ? new PairLook(options.calibration, options.frameSize) : undefined;
  const see = ({ left, right, sighting, isRestart }: MapRequest): OccupancyReport | MissingOccupancy => {
    if (isRestart) {
      map.reset();
      look?.reset();
    }
    return look?.see(left, right, sighting.ptsUs) ?? map.see(sighting);
  };
  return Promise.resolve({
    handle: (request) => {
      const startedMs = monotonicMs();
      const occupancy = see(request);
      return { occupancy, startedMs, endedMs: monotonicMs() };
    },
    transfer: () => [],
  });
}, 'ERR_STAGE_FAILED');
