import type { OccupancyManifest, Span } from '../../core/occupancy-manifest.js';
import type { StereoRig } from '../../core/stereo-rig.js';
import type { VoxelGrid } from '../../core/voxel-grid.js';

/** Rigs beyond the trained ones by so much are no news. */
const TOLERANCE = 1.1;

/** What of a rig is beyond those that a network was trained with: a sentence for people, or nothing. */
export function rigDoubt({ id, trained }: OccupancyManifest, { focalPx, size, baselineM }: StereoRig, { rangeM }: VoxelGrid): string | undefined {
  const beyond = [
    beyondText('a focal length', focalPx / size.width, 'picture widths', trained.focalLengthWidths),
    beyondText('a baseline', baselineM, 'm', trained.baselineM),
    beyondText('a range', rangeM, 'm', trained.rangeM),
  ].filter((text) => text !== undefined);
  return beyond.length === 0 ? undefined : `${id} was trained with others: here is ${beyond.join(' and ')}`;
}

function beyondText(what: string, value: number, unit: string, [least, most]: Span): string | undefined {
  if (value >= least / TOLERANCE && value <= most * TOLERANCE) return undefined;
  return `${what} of ${Number(value.toPrecision(3))} ${unit} (trained: ${least} to ${most})`;
}
