import { workerData } from 'node:worker_threads';
import { monotonicMs } from '../../core/clock.js';
import type { Size } from '../../core/frame.js';
import type { InstalledOccupancyModel } from '../../core/occupancy-manifest.js';
import { scaleRig } from '../../core/stereo-rig.js';
import type { GridLevel, VoxelGrid } from '../../core/voxel-grid.js';
import { serveRequests } from '../../inference/serve-requests.js';
import type { StereoCalibration } from '../calibration/calibration.js';
import { OccupancyNetwork } from '../network/occupancy-network.js';
import { RectifiedSide } from './rectified-side.js';

/** What a worker of the network is started with. */
export interface NetworkWorkerData {
  readonly model: InstalledOccupancyModel;
  readonly threads: number;
  readonly calibration: StereoCalibration;
  readonly grid: VoxelGrid;
  /** Of the frames that come. */
  readonly frameSize: Size;
}

export interface NetworkRequest {
  /** Planes G, B, R of the frame's size, in shared memory: they are read while the caller holds the frames. */
  readonly left: Uint8Array;
  readonly right: Uint8Array;
  readonly level: GridLevel;
  readonly budgetMs: number | undefined;
}

/** Monotonic milliseconds. */
export interface NetworkResponse {
  /** Finest level that was computed; `cells` are of it, one byte each, 1 where occupied. */
  readonly level: GridLevel;
  readonly cells: Uint8Array;
  readonly computedShare: number;
  readonly spans: readonly { readonly name: string; readonly startMs: number; readonly endMs: number }[];
  readonly startedMs: number;
  readonly endedMs: number;
}

/** The level whose inference warms up all parts of the network. */
const FINEST = 64;

await serveRequests<NetworkRequest, NetworkResponse>(async () => {
  const { model, threads, calibration, grid, frameSize } = workerData as NetworkWorkerData;
  const rig = scaleRig(calibration.rig, frameSize);
  const network = await OccupancyNetwork.load(model, { threads });
  network.setRig(rig, grid);
  const rectified = calibration.raw && { left: new RectifiedSide(calibration, 'left', frameSize), right: new RectifiedSide(calibration, 'right', frameSize) };
  const nothing = new Uint8Array(3 * frameSize.width * frameSize.height);
  await network.infer(nothing, nothing, { level: FINEST });
  return {
    handle: async ({ left, right, level, budgetMs }) => {
      const startedMs = monotonicMs();
      const pair = rectified ? { left: rectified.left.rectify(left), right: rectified.right.rectify(right) } : { left, right };
      const preparedMs = monotonicMs();
      const found = await network.infer(pair.left, pair.right, { level, ...(budgetMs === undefined ? {} : { budgetMs: budgetMs - (preparedMs - startedMs) }) });
      const spans = rectified ? [{ name: 'rectify', startMs: startedMs, endMs: preparedMs }, ...found.spans] : found.spans;
      return { level: found.level, cells: found.cells[found.level]!, computedShare: found.computedShare, spans, startedMs, endedMs: monotonicMs() };
    },
    transfer: ({ cells }) => [cells.buffer as ArrayBuffer],
  };
});
