import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../../core/errors.js';
import { gridOf, type VoxelGrid } from '../../core/voxel-grid.js';
import { readText } from '../../sources/dataset/dataset-files.js';

/** What a set says of the cube that its pairs are scored in. */
export interface SetCube {
  readonly grid: VoxelGrid;
  /** False where a disparity of 0 is an answer (the sky of rendered sets) and no gap. */
  readonly hasGaps: boolean;
}

export interface CubeOptions {
  /** What counts instead of what the set says, metres. */
  readonly rangeM?: number | undefined;
  readonly bottomM?: number | undefined;
}

/** Where nothing is said: what StereoVoxelNet asks of DrivingStereo. */
const RANGE_M = 32;

/** The part of `set.json` that matters here. */
const factsSchema = z.looseObject({ rangeM: z.number().positive().optional(), bottomM: z.number().optional(), zeros: z.enum(['sky', 'unknown']).optional(), rig: z.string().optional() });

/**
 * The cube of a set, from its `set.json` where it has one (`rangeM`, `bottomM`, `"zeros": "unknown"` for truth with gaps). Without one, disparities
 * of 0 are gaps, as those of measured sets are.
 *
 * @throws AppError ERR_DATASET_INVALID
 */
export async function readSetCube(folder: string, { rangeM, bottomM }: CubeOptions = {}): Promise<SetCube> {
  const path = join(folder, 'set.json');
  const text = await readText(path);
  const facts = text === undefined ? undefined : parseFacts(text, path);
  const grid = gridOf(rangeM ?? facts?.rangeM ?? RANGE_M, bottomM ?? (rangeM === undefined ? facts?.bottomM : undefined));
  return { grid, hasGaps: facts === undefined || facts.zeros === 'unknown' };
}

function parseFacts(text: string, path: string): z.output<typeof factsSchema> {
  try {
    return factsSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError('ERR_DATASET_INVALID', `${path} says nothing sensible of the set: ${(cause as Error).message}`, { cause, fix: 'Mend it, or remove it and give --range.' });
  }
}
