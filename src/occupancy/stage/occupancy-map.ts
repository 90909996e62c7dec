import type { Detections } from '../../core/detections.js';
import type { OccupancyReport } from '../../core/occupancy-report.js';
import type { Size } from '../../core/size.js';
import { scaleRig, type StereoRig } from '../../core/stereo-rig.js';
import type { GridLevel, VoxelGrid } from '../../core/voxel-grid.js';
import type { StereoCalibration } from '../calibration/calibration.js';
import { type CameraPose, motionBetween } from '../camera-path.js';
import { markFreeSpace } from '../free-space.js';
import { type FusionOptions, OccupancyFusion } from '../fusion.js';
import { type BoxLook, lookAtBoxes, type OccupiedLevel } from '../look-at-boxes.js';
import { nestedCells, octreeOf } from '../octree.js';
import { OctreeDeltas } from '../octree-deltas.js';
import { type RawLeft, rectifyBoxes, unrectifyBox } from '../raw-boxes.js';
import { nearestBySector, type SectorOptions } from '../sectors.js';

export interface OccupancyMapOptions {
  readonly calibration: StereoCalibration;
  readonly grid: VoxelGrid;
  /** Cells a side of the map. */
  readonly level: GridLevel;
  /** False: each pair stands alone. */
  readonly fusion: Partial<FusionOptions> | false;
  readonly sectors: SectorOptions;
  readonly keyframeEvery?: number | undefined;
}

/** What one pair showed. */
export interface PairSighting {
  /** Finest level that was computed; `cells` are of it, one byte each, 1 where occupied. */
  readonly level: GridLevel;
  readonly cells: Uint8Array;
  readonly computedShare: number;
  readonly ptsUs: number;
  /** Where the camera was, where that is known. */
  readonly pose?: CameraPose | undefined;
  /** Of a detector before, in pixels of the left picture as it was recorded. */
  readonly boxes?: Pick<Detections, 'count' | 'xyxy'> | undefined;
  /** Of the left picture as it was recorded. */
  readonly sourceSize: Size;
}

/** What is known of occupied space, over time: the state of one stereo stream. */
export class OccupancyMap {
  readonly #options: OccupancyMapOptions;
  readonly #fusion: OccupancyFusion;
  readonly #deltas: OctreeDeltas;
  readonly #occupiedAbove: number;
  readonly #free: Uint8Array;
  #ptsUs: number | undefined;
  #pose: CameraPose | undefined;

  constructor(options: OccupancyMapOptions) {
    const { grid, level, fusion, keyframeEvery } = options;
    this.#options = options;
    this.#fusion = new OccupancyFusion(grid, level, fusion || {});
    this.#occupiedAbove = this.#fusion.occupiedAbove;
    this.#deltas = new OctreeDeltas(keyframeEvery === undefined ? {} : { keyframeEvery });
    this.#free = new Uint8Array(level ** 3);
  }

  /** Forgets all: a recording starts again, or time jumped. */
  reset(): void {
    this.#fusion.reset();
    this.#deltas.requestKeyframe();
    this.#ptsUs = undefined;
    this.#pose = undefined;
  }

  see(sighting: PairSighting): OccupancyReport {
    this.#fuse(sighting);
    const { grid, level, sectors } = this.#options;
    const { cells, confidence } = this.#fusion.occupied();
    const tree = octreeOf(nestedCells(level, cells, confidence));
    return {
      grid,
      level: sighting.level,
      tree,
      update: this.#deltas.next(tree, grid),
      nearest: nearestBySector(cells, grid, level, sectors),
      computedShare: sighting.computedShare,
      ...(sighting.boxes && this.#lookAt(sighting.boxes, sighting.sourceSize, { grid, side: level, cells })),
    };
  }

  #fuse(sighting: PairSighting): void {
    const { ptsUs, pose } = sighting;
    if (this.#options.fusion === false) this.#fusion.reset();
    const elapsedS = this.#ptsUs === undefined ? 0 : (ptsUs - this.#ptsUs) / 1e6;
    const motion = this.#pose && pose ? motionBetween(this.#pose, pose) : undefined;
    this.#fusion.see({ ...this.#atMapLevel(sighting), elapsedS, ...(motion && { motion }) });
    this.#ptsUs = ptsUs;
    // A frame without a pose moves nothing; the next one with a pose moves by all that was meanwhile.
    if (pose) this.#pose = pose;
  }

  /** What is occupied and what is free, in the map's own cells. */
  #atMapLevel({ level, cells, sourceSize }: PairSighting): { readonly occupied: Uint8Array; readonly free: Uint8Array } {
    const { grid, level: side } = this.#options;
    const rig = this.#rigFor(sourceSize);
    this.#free.fill(0);
    if (level === side) {
      markFreeSpace(rig, grid, side, cells, this.#free);
      return { occupied: cells, free: this.#free };
    }
    const free = new Uint8Array(level ** 3);
    markFreeSpace(rig, grid, level, cells, free);
    return { occupied: refineSighting(cells, free, level, { side, logOdds: this.#fusion.logOdds, occupiedAbove: this.#occupiedAbove }, this.#free), free: this.#free };
  }

  #rigFor(sourceSize: Size): StereoRig {
    return scaleRig(this.#options.calibration.rig, sourceSize);
  }

  #lookAt({ count, xyxy }: Pick<Detections, 'count' | 'xyxy'>, sourceSize: Size, occupied: OccupiedLevel): BoxLook {
    const { calibration, sectors } = this.#options;
    const rig = this.#rigFor(sourceSize);
    if (!calibration.raw) return lookAtBoxes({ count, xyxy }, rig, occupied, sectors);
    const raw: RawLeft = { camera: calibration.raw.left, from: sourceSize, rig };
    const { boxes, volumes } = lookAtBoxes({ count, xyxy: rectifyBoxes(xyxy.subarray(0, 4 * count), raw) }, rig, occupied, sectors);
    return { boxes, volumes: volumes.map((volume) => ({ ...volume, xyxy: unrectifyBox(volume.xyxy, raw) })) };
  }
}

/** What is believed of finer cells. */
interface Believed {
  readonly side: GridLevel;
  readonly logOdds: Float32Array;
  readonly occupiedAbove: number;
}

/**
 * Says of finer cells what was only seen of coarser ones. Free is free. In a coarse cell that is occupied something is solid, not all of it: if
 * the map already knows what, nothing is said of its cells; else all of them count as occupied until somebody looks closer.
 *
 * @param free of the coarse cells; `finerFree` of the finer ones, all 0, is written. @returns which of the finer ones are occupied.
 */
export function refineSighting(occupied: Uint8Array, free: Uint8Array, level: GridLevel, { side, logOdds, occupiedAbove }: Believed, finerFree: Uint8Array): Uint8Array {
  const finer = new Uint8Array(side ** 3);
  const isKnown = new Uint8Array(level ** 3);
  forEachCell(side, level, (cell, coarse) => {
    if (logOdds[cell]! > occupiedAbove) isKnown[coarse] = 1;
  });
  forEachCell(side, level, (cell, coarse) => {
    if (occupied[coarse] !== 0) finer[cell] = 1 - isKnown[coarse]!;
    else finerFree[cell] = free[coarse]!;
  });
  return finer;
}

/** Each cell and the one of the coarser level that it lies in. */
function forEachCell(side: number, level: number, visit: (cell: number, coarse: number) => void): void {
  const shift = Math.log2(side / level);
  for (let z = 0, cell = 0; z < side; z += 1) {
    for (let y = 0; y < side; y += 1) {
      const row = level * ((y >> shift) + level * (z >> shift));
      for (let x = 0; x < side; x += 1, cell += 1) visit(cell, row + (x >> shift));
    }
  }
}
