import { InvalidArgumentError } from 'commander';
import { GRID_LEVELS, type GridLevel } from '../../core/voxel-grid.js';
import type { AssumedRig } from '../../evaluation/occupancy/stereo-set.js';

/** Of `eval --format stereo`. */
export interface StereoEvalOptions {
  /** Id or path of an occupancy network. */
  readonly model: string;
  readonly limit?: number;
  readonly level: GridLevel;
  readonly threads: number;
  readonly allCells?: boolean;
  readonly disparity?: string;
  readonly rig?: AssumedRig;
  readonly range?: number;
  readonly bottom?: number;
  readonly disparityScale?: number;
  readonly report?: string;
  readonly json?: boolean;
}

/** `721.5,0.533` or `935,0.16,12`: focal length in pixels, baseline in metres, and how many columns the right axis lies further right. */
export function parseRig(text: string): AssumedRig {
  const [focalPx, baselineM, centreShiftPx, ...more] = text.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));
  const isKnown = focalPx !== undefined && baselineM !== undefined && [focalPx, baselineM, centreShiftPx ?? 0].every(Number.isFinite) && more.length === 0;
  if (!isKnown || focalPx <= 0 || baselineM <= 0) throw new InvalidArgumentError('Expected a focal length in pixels and a baseline in metres, such as 721.5,0.533.');
  return { focalPx, baselineM, ...(centreShiftPx !== undefined && { centreShiftPx }) };
}

/** 8, 16, 32 or 64. */
export function parseLevel(text: string): GridLevel {
  const level = GRID_LEVELS.find((side) => String(side) === text);
  if (level === undefined) throw new InvalidArgumentError(`Expected one of ${GRID_LEVELS.join(', ')}.`);
  return level;
}
