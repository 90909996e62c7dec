import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import type { StageDefinition } from '../../config/stream-definition.js';
import { AppError } from '../../core/errors.js';
import type { InstalledOccupancyModel } from '../../core/occupancy-manifest.js';
import type { Overflow } from '../../core/overflow.js';
import type { Stage } from '../../core/stage.js';
import type { StereoRig } from '../../core/stereo-rig.js';
import type { VoxelGrid } from '../../core/voxel-grid.js';
import { type CameraPath, parseCameraPath } from '../../occupancy/camera-path.js';
import type { SectorOptions } from '../../occupancy/sectors.js';
import { OccupancyService } from '../../occupancy/stage/occupancy-service.js';
import { OccupancyStage } from '../../occupancy/stage/occupancy-stage.js';
import { parseOptions } from '../stage-options.js';
import { occupancyOptions, type OccupancyOptions } from './occupancy-options.js';
import type { StereoInput } from './stereo-input.js';

/** What an occupancy stage is made with. */
export interface OccupancyMaking {
  readonly input: StereoInput;
  readonly overflow: Overflow;
  readonly streamCount: number;
  /** Whether the source starts again at its end. */
  readonly isLooped: boolean;
  readonly resolve: (id: string) => Promise<InstalledOccupancyModel>;
}

/** Things above this part of the range are no obstacles: 2 m of 32. */
const HIGHEST_SHARE = 1 / 16;

/** @throws AppError of options, motion file, model or rig */
export async function makeOccupancy(definition: StageDefinition, { input, overflow, streamCount, isLooped, resolve }: OccupancyMaking): Promise<{ readonly stage: Stage; readonly model: InstalledOccupancyModel }> {
  const options = parseOptions(definition, occupancyOptions);
  const sectors = sectorsOf(options, input.calibration.rig, input.grid);
  const path = options.motion === undefined ? undefined : await readPath(options.motion);
  if (path?.isByTime && isLooped) throw new AppError('ERR_CONFIG_INVALID', `Stage '${definition.id}': poses by time don't fit a recording that is looped: its presentation times go on rising`, { fix: "Give KITTI's poses, a line a frame." });
  const model = await resolve(options.model);
  const { calibration, grid, format, passLength } = input;
  const service = await OccupancyService.start({
    network: { model, calibration, grid, frameSize: format.size },
    map: { calibration, grid, level: options.level, fusion: options.fusion, sectors, keyframeEvery: options.keyframeEvery, frameSize: format.size, checkPairs: options.checkPairs },
    ...workersOf(options, overflow, streamCount),
  });
  const { level, budgetMs } = options;
  return { model, stage: new OccupancyStage(service, { level, budgetMs, prefetch: overflow === 'block', calibratedSize: calibration.rig.size, passLength, path }) };
}

/** Where freshness counts one pair after the other with all cores; where nothing may be lost a pair on each core. */
function workersOf({ mode, cores = availableParallelism() }: OccupancyOptions, overflow: Overflow, streamCount: number): { readonly sessions: number; readonly threads: number } {
  const isLatency = mode === 'auto' ? overflow !== 'block' && streamCount === 1 : mode === 'latency';
  return isLatency ? { sessions: 1, threads: cores } : { sessions: cores, threads: 1 };
}

/**
 * Where nothing else is said: the directions that the left picture shows, and heights from half way down to the bottom of the cube, which the ground
 * reaches into on a slope.
 */
function sectorsOf({ sectors, lowestM, highestM }: OccupancyOptions, { focalPx, centre, size }: StereoRig, { rangeM, bottomM }: VoxelGrid): SectorOptions {
  const azimuthDeg = (column: number): number => (Math.atan2(column - centre.x, focalPx) * 180) / Math.PI;
  const { count, fromDeg = azimuthDeg(0), toDeg = azimuthDeg(size.width - 1) } = sectors;
  if (!(fromDeg < toDeg)) throw new AppError('ERR_CONFIG_INVALID', `Expected sectors from a lesser azimuth to a greater one but found ${fromDeg} to ${toDeg} degrees`);
  const heights = { lowestM: lowestM ?? -bottomM / 2, highestM: highestM ?? rangeM * HIGHEST_SHARE };
  if (!(heights.lowestM < heights.highestM)) throw new AppError('ERR_CONFIG_INVALID', `Expected lowestM below highestM but found ${heights.lowestM} and ${heights.highestM} m`);
  return { sectors: count, fromDeg, toDeg, ...heights };
}

async function readPath(path: string): Promise<CameraPath> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new AppError('ERR_FILE_NOT_FOUND', `Expected the poses of a camera at ${path} but they can't be read.`, { cause, fix: 'Check the path: it counts from the folder of the stream file.' });
  }
  return parseCameraPath(text, basename(path));
}
