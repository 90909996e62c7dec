import type { Detections } from '../core/detections.js';
import type { BoxDepth, ExtentM, UnboxedVolume } from '../core/occupancy-report.js';
import type { StereoRig } from '../core/stereo-rig.js';
import type { GridLevel, VoxelGrid } from '../core/voxel-grid.js';
import { castRay, maskOf, type RayHit } from './free-space.js';
import { boundsOf, isWithinHeights, type CellBounds } from './sectors.js';

/** Occupied cells of one level. */
export interface OccupiedLevel {
  readonly grid: VoxelGrid;
  readonly side: GridLevel;
  readonly cells: Uint32Array;
}

export interface BoxLook {
  /** One for each box, in their order. */
  readonly boxes: readonly BoxDepth[];
  /** The nearest first. */
  readonly volumes: readonly UnboxedVolume[];
}

export interface BoxLookOptions {
  /** What a volume without a box reaches into, metres above the left camera: without limits, the ground is one. */
  readonly lowestM: number;
  readonly highestM: number;
  /** Fewer cells are no volume; 4 where absent. */
  readonly leastCells?: number;
}

/** Rays across a box, and down it. */
const RAYS = 12;
/** A thing in a box takes at least this share of its rays; less is what reaches in from beside it. */
const LEAST_SHARE = 0.2;
/** Cells that follow on each other at no more than this distance, in cells, are of one thing. */
const GREATEST_GAP_CELLS = 1.5;
/** A volume has a box where at least this share of its cells is seen in some box. */
const BOXED_SHARE = 0.3;

/**
 * Compares a detector's boxes, in pixels of the left rectified picture, with occupied space: how far each is, how large what is seen of it is, which has
 * nothing behind it, and what is there that has no box. Nothing in a box may also be something beyond the cube's range.
 */
export function lookAtBoxes({ count, xyxy }: Pick<Detections, 'count' | 'xyxy'>, rig: StereoRig, occupancy: OccupiedLevel, options: BoxLookOptions): BoxLook {
  const mask = maskOf(occupancy.side, occupancy.cells);
  const boxes = Array.from({ length: count }, (_, i) => lookInto(xyxy.subarray(4 * i, 4 * i + 4), rig, occupancy, mask));
  return { boxes, volumes: volumesWithoutBox(xyxy.subarray(0, 4 * count), rig, occupancy, options) };
}

function lookInto(box: Float32Array, rig: StereoRig, occupancy: OccupiedLevel, mask: Uint8Array): BoxDepth {
  const hits = castThrough(box, rig, occupancy, mask).filter(({ cell }) => cell !== -1);
  hits.sort((a, b) => a.zM - b.zM);
  const hitShare = hits.length / RAYS ** 2;
  const thing = nearestThing(hits, (GREATEST_GAP_CELLS * occupancy.grid.rangeM) / occupancy.side);
  if (thing === undefined) return { hitShare, distanceM: undefined, extentM: undefined, hasVolume: false };
  const bounds = around(thing.map(({ cell }) => boundsOf(occupancy.grid, occupancy.side, cell)));
  return { hitShare, distanceM: thing[0]!.zM, extentM: extentOf(bounds), hasVolume: true };
}

function castThrough([left, top, right, bottom]: Float32Array, rig: StereoRig, { grid, side }: OccupiedLevel, mask: Uint8Array): RayHit[] {
  const along = (from: number, to: number, i: number): number => from + ((to - from) * (i + 0.5)) / RAYS;
  return Array.from({ length: RAYS ** 2 }, (_, i) => castRay(rig, grid, side, mask, along(left!, right!, i % RAYS), along(top!, bottom!, Math.floor(i / RAYS))));
}

/** Of hits by rising depth, the first run without a gap that has enough rays. */
function nearestThing(hits: readonly RayHit[], gapM: number): readonly RayHit[] | undefined {
  let start = 0;
  for (let i = 1; i <= hits.length; i += 1) {
    if (i < hits.length && hits[i]!.zM - hits[i - 1]!.zM <= gapM) continue;
    if (i - start >= LEAST_SHARE * RAYS ** 2) return hits.slice(start, i);
    start = i;
  }
  return undefined;
}

function volumesWithoutBox(xyxy: Float32Array, rig: StereoRig, { grid, side, cells }: OccupiedLevel, options: BoxLookOptions): UnboxedVolume[] {
  const seen = Array.from(cells).filter((cell) => {
    const bounds = boundsOf(grid, side, cell);
    return isWithinHeights(bounds, options) && isInPicture(centreOf(bounds, rig), rig);
  });
  const volumes = components(seen, side).filter((members) => members.length >= (options.leastCells ?? 4) && boxedShare(members.map((cell) => centreOf(boundsOf(grid, side, cell), rig)), xyxy) < BOXED_SHARE);
  return volumes.map((members) => describe(members.map((cell) => boundsOf(grid, side, cell)), rig)).sort((a, b) => a.distanceM - b.distanceM);
}

/** Cells that touch, if only at a corner. */
function components(cells: readonly number[], side: number): number[][] {
  const left = new Set(cells);
  const found: number[][] = [];
  for (const first of cells) {
    if (!left.delete(first)) continue;
    const members = [first];
    // Grows while it is gone through.
    for (const cell of members) {
      for (const neighbour of neighboursOf(cell, side)) if (left.delete(neighbour)) members.push(neighbour);
    }
    found.push(members);
  }
  return found;
}

function neighboursOf(cell: number, side: number): number[] {
  const at = [cell % side, Math.floor(cell / side) % side, Math.floor(cell / (side * side))] as const;
  const around = (i: number): number[] => [i - 1, i, i + 1].filter((j) => j >= 0 && j < side);
  return around(at[2]).flatMap((z) => around(at[1]).flatMap((y) => around(at[0]).map((x) => x + side * (y + side * z))));
}

type Pixel = readonly [number, number];

/** Where a cell's centre is in the left picture. */
function centreOf({ left, right, top, bottom, near, far }: CellBounds, rig: StereoRig): Pixel {
  return project((left + right) / 2, (top + bottom) / 2, (near + far) / 2, rig);
}

function project(xM: number, yM: number, zM: number, { focalPx, centre }: StereoRig): Pixel {
  return [(focalPx * xM) / zM + centre.x, (focalPx * yM) / zM + centre.y];
}

function isInPicture([column, row]: Pixel, { size }: StereoRig): boolean {
  return column >= 0 && row >= 0 && column < size.width && row < size.height;
}

function boxedShare(pixels: readonly Pixel[], xyxy: Float32Array): number {
  const boxed = pixels.filter(([column, row]) => {
    for (let i = 0; i < xyxy.length; i += 4) if (column >= xyxy[i]! && row >= xyxy[i + 1]! && column <= xyxy[i + 2]! && row <= xyxy[i + 3]!) return true;
    return false;
  });
  return boxed.length / pixels.length;
}

function describe(members: readonly CellBounds[], rig: StereoRig): UnboxedVolume {
  const bounds = around(members);
  return { xyxy: inPicture(members.map((cell) => pixelsOf(cell, rig)).reduce(union), rig), distanceM: bounds.near, extentM: extentOf(bounds), cells: members.length };
}

type PixelBox = readonly [number, number, number, number];

/** The square that a cell takes in the picture, by its centre's distance. */
function pixelsOf(cell: CellBounds, rig: StereoRig): PixelBox {
  const [column, row] = centreOf(cell, rig);
  const halfPx = (rig.focalPx * (cell.right - cell.left)) / (cell.near + cell.far);
  return [column - halfPx, row - halfPx, column + halfPx, row + halfPx];
}

function union(a: PixelBox, b: PixelBox): PixelBox {
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
}

function inPicture([left, top, right, bottom]: PixelBox, { size }: StereoRig): PixelBox {
  return [Math.max(0, left), Math.max(0, top), Math.min(size.width, right), Math.min(size.height, bottom)];
}

function around(all: readonly CellBounds[]): CellBounds {
  return all.reduce((a, b) => ({
    left: Math.min(a.left, b.left),
    right: Math.max(a.right, b.right),
    top: Math.min(a.top, b.top),
    bottom: Math.max(a.bottom, b.bottom),
    near: Math.min(a.near, b.near),
    far: Math.max(a.far, b.far),
  }));
}

function extentOf({ left, right, top, bottom, near, far }: CellBounds): ExtentM {
  return [right - left, bottom - top, far - near];
}
