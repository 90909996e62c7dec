import { basename, join, resolve } from 'node:path';
import { AppError } from '../../core/errors.js';
import type { InstalledOccupancyModel } from '../../core/occupancy-manifest.js';
import type { GridLevel } from '../../core/voxel-grid.js';
import { disparityCells } from '../../evaluation/occupancy/cell-truth.js';
import { readDisparity } from '../../evaluation/occupancy/disparity-file.js';
import { readPlanes } from '../../evaluation/occupancy/read-planes.js';
import { OccupancyNetwork, type OccupancySpan } from '../../occupancy/network/occupancy-network.js';
import { rigDoubt } from '../../occupancy/network/rig-doubt.js';
import { isFile, isFolder } from '../../sources/dataset/dataset-files.js';
import type { StereoMethod } from './stereo-evaluation.js';

export interface NetworkMethodOptions {
  readonly level: GridLevel;
  readonly threads: number;
  /** See `InferOptions`. */
  readonly isWhole: boolean;
}

/** A network; its first pair is run twice, because the first run of a session is slower. @throws AppError ERR_MODEL_CORRUPT */
export async function networkMethod(model: InstalledOccupancyModel, { level, threads, isWhole }: NetworkMethodOptions): Promise<StereoMethod> {
  const network = await OccupancyNetwork.load(model, { threads });
  let isWarm = false;
  return {
    name: model.manifest.id,
    kind: 'model',
    doubt: (pair, grid) => rigDoubt(model.manifest, pair.rig, grid),
    async find(pair, grid) {
      const [left, right] = await Promise.all([readPlanes(pair.left, pair.rig.size), readPlanes(pair.right, pair.rig.size)]);
      network.setRig(pair.rig, grid);
      if (!isWarm) await network.infer(left, right, { level, isWhole });
      isWarm = true;
      const { cells, computedShare, spans } = await network.infer(left, right, { level, isWhole });
      return { cells, computedShare, coarseMs: endOf(spans, 'coarse') - spans[0]!.startMs, allMs: spans.at(-1)!.endMs - spans[0]!.startMs };
    },
    close: () => network.close(),
  };
}

function endOf(spans: readonly OccupancySpan[], wanted: OccupancySpan['name']): number {
  return spans.find(({ name }) => name === wanted)?.endMs ?? NaN;
}

/** Disparities that were computed elsewhere: `ID.png` (16 bits, 256ths of a pixel) or `ID.pfm`. @throws AppError ERR_FILE_NOT_FOUND */
export async function disparityMethod(folder: string): Promise<StereoMethod> {
  const root = resolve(folder);
  if (!(await isFolder(root))) throw new AppError('ERR_FILE_NOT_FOUND', `Expected a folder of disparity pictures at ${folder} but there is none.`, { fix: 'Check the path.' });
  return {
    name: basename(root),
    kind: 'disparity',
    doubt: () => undefined,
    async find({ id, rig }, grid) {
      const places = [`${id}.png`, `${id}.pfm`, join(id, 'disp0.pfm'), join(id, 'disp0.png')].map((name) => join(root, name));
      for (const path of places) if (await isFile(path)) return { cells: disparityCells(await readDisparity(path, 1), rig, grid) };
      throw new AppError('ERR_FILE_NOT_FOUND', `Expected ${id}.png or ${id}.pfm in ${folder} but there is neither.`, { fix: 'Name disparities as the left pictures (KITTI) or scenes (Middlebury).' });
    },
    close: () => Promise.resolve(),
  };
}
