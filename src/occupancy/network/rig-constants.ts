import type { PlaneKind } from '../../core/occupancy-manifest.js';
import type { Size } from '../../core/size.js';
import type { StereoRig } from '../../core/stereo-rig.js';
import type { VoxelGrid } from '../../core/voxel-grid.js';

/** A matrix or a stack of them, row-major. */
export interface Tensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/**
 * All that the network is told of a rig and its cube, so that no rig is in its weights.
 *
 * `...Planes` `[disparities, planes]` mix whole steps of disparity into planes of depth; `...Rows` and `...Columns` `[slabs, side, h]` and
 * `[slabs, side, w]` carry what is seen along rays to cells: cells of a slab are `rows @ seen @ columns.T`.
 */
export interface RigConstants {
  readonly nearPlanes: Tensor;
  readonly farPlanes: Tensor;
  readonly finePlanes: Tensor;
  /** `[slabs + 1]`: disparities of the faces between slabs of depth, pixels, nearest first: for networks of full pictures. */
  readonly faces: Tensor;
  readonly coarseRows: Tensor;
  readonly coarseColumns: Tensor;
  readonly rows: Tensor;
  readonly columns: Tensor;
}

/** A rig as the network sees it: stretched pictures have a focal length of their own along columns. Disparities are along rows. */
interface StretchedRig extends StereoRig {
  readonly focalYPx: number;
}

/** Whole steps of disparity that are looked at, by the stride of the features that are compared. Part of the network. */
const DISPARITY_STEPS: Readonly<Record<number, number>> = { 8: 32, 4: 48, 2: 40 };
/** Disparities between the near and the far face of a slab: near slabs are many pixels thick. */
const SAMPLES_PER_PLANE = 8;
/** Pictures that are wider are halved by the network itself: strides are counted at the half. */
const MOST_COLUMNS = 600;
const COARSE_SLABS = 32;
const FINE_SLABS = 64;

/**
 * @param rig of the rectified pictures as they come; @param size that they are stretched to.
 */
export function rigConstants(rig: StereoRig, grid: VoxelGrid, size: Size, planes: PlaneKind): RigConstants {
  const seen = stretchRig(rig, size.width > MOST_COLUMNS ? { width: size.width / 2, height: size.height / 2 } : size);
  const mix = (count: number, planeStride: number, stride: number): Tensor => mixture(planesOf(planes, seen, grid, count, planeStride), stride);
  return {
    nearPlanes: mix(COARSE_SLABS, 8, 8),
    farPlanes: mix(COARSE_SLABS, 4, 4),
    finePlanes: mix(FINE_SLABS, 2, 2),
    faces: facesOf(seen, grid, FINE_SLABS),
    coarseRows: rowsToCells(seen, grid, COARSE_SLABS, 16, 8),
    coarseColumns: columnsToCells(seen, grid, COARSE_SLABS, 16, 8),
    rows: rowsToCells(seen, grid, FINE_SLABS, 64, 4),
    columns: columnsToCells(seen, grid, FINE_SLABS, 64, 4),
  };
}

function stretchRig({ size, focalPx, centre, centreShiftPx, baselineM }: StereoRig, to: Size): StretchedRig {
  const x = to.width / size.width;
  const y = to.height / size.height;
  return { size: to, focalPx: focalPx * x, focalYPx: focalPx * y, centre: { x: (centre.x + 0.5) * x - 0.5, y: (centre.y + 0.5) * y - 0.5 }, centreShiftPx: centreShiftPx * x, baselineM };
}

function disparityOf({ focalPx, baselineM, centreShiftPx }: StereoRig, depthM: number): number {
  return (focalPx * baselineM) / depthM - centreShiftPx;
}

/** Disparities `[count * SAMPLES_PER_PLANE]` that are looked at for each of `count` planes, pixels. */
function planesOf(kind: PlaneKind, rig: StereoRig, { rangeM }: VoxelGrid, count: number, stride: number): Float32Array {
  const planes = new Float32Array(count * SAMPLES_PER_PLANE);
  const most = (DISPARITY_STEPS[stride]! - 1) * stride;
  const least = disparityOf(rig, rangeM);
  for (let plane = 0; plane < count; plane += 1) {
    const farM = ((plane + 1) * rangeM) / count;
    // The nearest slab begins at a quarter of its depth: at none disparities have no end.
    const nearM = Math.max((plane * rangeM) / count, farM / 4);
    const from = kind === 'voxel' ? disparityOf(rig, nearM) : most + ((least - most) * plane) / count;
    const to = kind === 'voxel' ? disparityOf(rig, farM) : most + ((least - most) * (plane + 1)) / count;
    for (let i = 0; i < SAMPLES_PER_PLANE; i += 1) planes[plane * SAMPLES_PER_PLANE + i] = from + ((to - from) * (i + 0.5)) / SAMPLES_PER_PLANE;
  }
  return planes;
}

/** Between two whole steps for a far plane, over several for a near one; 0 for what is nearer than all steps. */
function mixture(planes: Float32Array, stride: number): Tensor {
  const steps = DISPARITY_STEPS[stride]!;
  const count = planes.length / SAMPLES_PER_PLANE;
  const data = new Float32Array(steps * count);
  for (let step = 0, at = 0; step < steps; step += 1) {
    for (let plane = 0; plane < count; plane += 1, at += 1) {
      let sum = 0;
      for (let i = 0; i < SAMPLES_PER_PLANE; i += 1) sum += Math.max(0, 1 - Math.abs(planes[plane * SAMPLES_PER_PLANE + i]! / stride - step));
      data[at] = sum / SAMPLES_PER_PLANE;
    }
  }
  return { data, dims: [steps, count] };
}

/** The first face, at no depth at all, has no disparity: it gets that of a quarter of a slab. */
function facesOf(rig: StereoRig, { rangeM }: VoxelGrid, slabs: number): Tensor {
  return { data: Float32Array.from({ length: slabs + 1 }, (_, face) => disparityOf(rig, ((face || 0.25) * rangeM) / slabs)), dims: [slabs + 1] };
}

function rowsToCells({ size, centre, focalYPx }: StretchedRig, { rangeM, bottomM }: VoxelGrid, slabs: number, side: number, stride: number): Tensor {
  return overlaps({ lengthPx: size.height, stride, centre: centre.y, focalPx: focalYPx, slabs, fromM: bottomM - rangeM, rangeM, side });
}

function columnsToCells({ size, centre, focalPx }: StretchedRig, { rangeM }: VoxelGrid, slabs: number, side: number, stride: number): Tensor {
  return overlaps({ lengthPx: size.width, stride, centre: centre.x, focalPx, slabs, fromM: -rangeM / 2, rangeM, side });
}

interface Overlap {
  readonly lengthPx: number;
  /** Pixels of a feature. */
  readonly stride: number;
  readonly centre: number;
  readonly focalPx: number;
  readonly slabs: number;
  /** Where the cells begin. */
  readonly fromM: number;
  readonly rangeM: number;
  readonly side: number;
}

/** `[slabs, side, features]`: which share of a feature's width lies in a cell, at the middle of the slab. */
function overlaps({ lengthPx, stride, centre, focalPx, slabs, fromM, rangeM, side }: Overlap): Tensor {
  const features = Math.ceil(lengthPx / stride);
  const data = new Float32Array(slabs * side * features);
  const cellM = rangeM / side;
  for (let slab = 0; slab < slabs; slab += 1) {
    const scale = ((slab + 0.5) * rangeM) / slabs / focalPx;
    for (let feature = 0; feature < features; feature += 1) {
      const low = (feature * stride - 0.5 - centre) * scale;
      const high = low + stride * scale;
      const first = Math.max(0, Math.floor((low - fromM) / cellM));
      const last = Math.min(side - 1, Math.floor((high - fromM) / cellM));
      for (let cell = first; cell <= last; cell += 1) {
        const inside = Math.min(high, fromM + (cell + 1) * cellM) - Math.max(low, fromM + cell * cellM);
        if (inside > 0) data[(slab * side + cell) * features + feature] = inside / (high - low);
      }
    }
  }
  return { data, dims: [slabs, side, features] };
}
