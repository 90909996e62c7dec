import type { LineageStep } from './manifest.js';
import type { GridLevel } from './voxel-grid.js';

/** One of the graphs of a model: an ONNX file beside the manifest and its SHA-256, lower-case hex. */
export interface GraphFile {
  readonly file: string;
  readonly sha256: string;
}

/**
 * How the disparities that are looked at lie: `voxel` at the slabs of cells (StereoVoxelNet's voxel cost volume), `uniform` at equal steps.
 * Part of what the weights were trained with.
 */
export type PlaneKind = 'voxel' | 'uniform';

/** From the least to the most. */
export type Span = readonly [least: number, most: number];

/** Which answer tells the cells of a level, and above which probability they are occupied. Of 8 a side `...16` is the most probable of the eight within. */
export interface LevelRule<Source extends string> {
  readonly source: Source;
  readonly above: number;
}

/** How probabilities become cells, chosen on pairs like those of training. */
export interface LevelRules {
  /** Where both parts have run. */
  readonly all: {
    readonly '8': LevelRule<'coarse8' | 'coarse16' | 'fine16'>;
    readonly '16': LevelRule<'coarse16' | 'fine16'>;
    readonly '32': LevelRule<'fine32'>;
    readonly '64': LevelRule<'fine64'>;
  };
  /** Where the coarse part has run alone. */
  readonly coarse: { readonly '8': LevelRule<'coarse8' | 'coarse16'>; readonly '16': LevelRule<'coarse16'> };
}

/** Which cells of the coarse part's 16 a side the fine part is asked for. */
export interface RefineRule {
  /** Probability from which on: lower than the one that decides, so that little is lost. */
  readonly threshold: number;
  /** Neighbours in all directions that come with such a cell, cells. */
  readonly margin: number;
}

/** What an occupancy network is. Checked by the schema in `config/occupancy-manifest-schema.ts`. */
export interface OccupancyManifest {
  readonly id: string;
  readonly task: 'stereo-occupancy';
  readonly title: string;
  readonly licence: string;
  /** The coarse part answers 8 and 16 cells a side and gives the features that the fine part goes on from to 16, 32 and 64. */
  readonly files: { readonly coarse: GraphFile; readonly fine: GraphFile };
  /** Pictures are stretched to this, pixels. */
  readonly input: { readonly width: number; readonly height: number };
  readonly planes: PlaneKind;
  readonly levels: LevelRules;
  readonly refine: RefineRule;
  /** Rigs that it was trained with: focal length in picture widths, baseline and range in metres. */
  readonly trained: { readonly focalLengthWidths: Span; readonly baselineM: Span; readonly rangeM: Span };
  readonly lineage: { readonly parent: string | null; readonly origin: string; readonly operations: readonly LineageStep[] };
  /** Written by a measured run, never by hand; null is not measured yet. */
  readonly baseline: { readonly dataset: string; readonly pairs: number; readonly iou: Readonly<Record<`${GridLevel}`, number>> } | null;
}

/** An occupancy network on this machine, verified. Plain data: goes to workers as it is. */
export interface InstalledOccupancyModel {
  readonly manifest: OccupancyManifest;
  readonly folder: string;
  readonly coarsePath: string;
  readonly finePath: string;
}
