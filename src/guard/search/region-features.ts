import { assert } from '../../core/assert.js';
import type { InputRegion } from '../region.js';
import type { CellMaps } from './cell-maps.js';
import { EVIDENCE_VIEWS, type EvidenceView, type SearchView, type WindowProfile } from '../profile.js';
import { type FinderMap, finderLogOdds } from './finder-map.js';
import type { IntegralImage } from './integral-image.js';
import type { EdgeReader } from './refine-region.js';

/** What the log odds of a region are computed from, in this order: each view has those of what it looks with. */
export const REGION_FEATURES = [
  'logContrastColour',
  'logContrastGrey',
  'insideColour',
  'insideGrey',
  'weakestQuarter',
  'edgeMean',
  'edgeLeast',
  'chromaContrast',
  'lumaContrast',
  'saturationContrast',
  'logSide',
  'aspect',
  'nearlyFound',
  'room',
  'finder',
] as const;
export type RegionFeature = (typeof REGION_FEATURES)[number];

const OF_EVIDENCE: readonly RegionFeature[] = ['logContrastColour', 'logContrastGrey', 'insideColour', 'insideGrey', 'weakestQuarter', 'chromaContrast', 'lumaContrast', 'saturationContrast'];

/** The features that a view has, in the order of `regionFeatures`. */
export function regionFeatureNames(view: SearchView): readonly RegionFeature[] {
  return REGION_FEATURES.filter((name) => (view === 'finder' ? !OF_EVIDENCE.includes(name) : name !== 'finder'));
}

/** What the detector makes of the object that a region lies on. */
export interface ObjectBelow {
  /** Confidence of the most confident box that a patch of this size would lie on, in units of the score scale; 0 where there is none. */
  readonly confidence: number;
}

/** A cell of which less is covered doesn't count as covered. */
const SLACK = 0.25;
/** Of windows that don't stand out: their logarithm would run away. */
const LEAST_CONTRAST = 0.05;

/** Evidence of the cells of a picture. */
export interface RegionEvidence {
  readonly stride: number;
  readonly windows: WindowProfile;
  readonly views: Readonly<Record<EvidenceView, IntegralImage>>;
  readonly maps: CellMaps;
}

/** What a region is looked at with. */
export interface RegionView {
  readonly edges: EdgeReader;
  /** Pixels. */
  readonly inputWidth: number;
  /** Where the search has it. */
  readonly evidence?: RegionEvidence | undefined;
  /** Where the search has it. */
  readonly finder?: FinderMap | undefined;
}

/** The numbers that a region is judged by in a view: those of `regionFeatureNames`. */
export function regionFeatures(region: InputRegion, judgedIn: SearchView, { confidence }: ObjectBelow, { edges, inputWidth, evidence, finder }: RegionView): number[] {
  const sides = edges.sides(region);
  const width = region.right - region.left;
  const height = region.bottom - region.top;
  const looks = [Math.log((width * height) ** 0.5 / inputWidth), Math.abs(Math.log(width / height)), confidence > 0 ? 1 : 0, confidence > 0 ? Math.max(0, 1 - confidence) : 0];
  if (judgedIn === 'finder') {
    assert(finder, 'a view of the finder has what it says');
    return [sides.mean, sides.least, ...looks, finderLogOdds(finder, region)];
  }
  assert(evidence, 'a view of the evidence has it');
  const cells = cellsOf(region, evidence.stride, evidence.maps);
  return [...contrasts(evidence, cells, judgedIn), sides.mean, sides.least, ...pixelContrasts(evidence, cells), ...looks];
}

type Cells = readonly [left: number, top: number, right: number, bottom: number];

function contrasts({ windows, views }: RegionEvidence, cells: Cells, judgedIn: EvidenceView): number[] {
  const [left, top, right, bottom] = cells;
  const middleX = (left + right) >> 1;
  const middleY = (top + bottom) >> 1;
  const [colour, grey] = EVIDENCE_VIEWS.map((view) => ({ inside: meanOf(views[view], left, top, right, bottom), contrast: views[view].contrast(left, top, right, bottom), scale: scaleOf(windows, view, cells) })) as [Contrast, Contrast];
  const judged = judgedIn === 'colour' ? colour : grey;
  const weakest = Math.min(
    meanOf(views[judgedIn], left, top, middleX, middleY),
    meanOf(views[judgedIn], middleX, top, right, middleY),
    meanOf(views[judgedIn], left, middleY, middleX, bottom),
    meanOf(views[judgedIn], middleX, middleY, right, bottom),
  );
  return [
    Math.log(Math.max(LEAST_CONTRAST, colour.contrast / colour.scale)),
    Math.log(Math.max(LEAST_CONTRAST, grey.contrast / grey.scale)),
    colour.inside,
    grey.inside,
    weakest - (judged.inside - judged.contrast),
  ];
}

function pixelContrasts({ maps }: RegionEvidence, cells: Cells): number[] {
  return [maps.chromaGradient, maps.lumaGradient, maps.saturation].map((map) => mapContrast(map, maps, cells));
}

interface Contrast {
  readonly inside: number;
  readonly contrast: number;
  readonly scale: number;
}

/** Of the window size that is nearest to the region's. */
function scaleOf({ sizes, scale }: WindowProfile, view: EvidenceView, [left, top, right, bottom]: Cells): number {
  const side = ((right - left) * (bottom - top)) ** 0.5;
  let nearest = 0;
  sizes.forEach((size, i) => {
    if (Math.abs(size - side) < Math.abs(sizes[nearest]! - side)) nearest = i;
  });
  return scale[view][nearest]!;
}

/** The cells that a region covers, at least two by two, inside of the map. */
export function cellsOf({ left, top, right, bottom }: InputRegion, stride: number, { width, height }: Pick<CellMaps, 'width' | 'height'>): [number, number, number, number] {
  // Cells that are partly covered belong to it: in the ring they would hide a small patch behind its own rim.
  const l = Math.min(Math.max(0, Math.floor(left / stride + SLACK)), width - 2);
  const t = Math.min(Math.max(0, Math.floor(top / stride + SLACK)), height - 2);
  return [l, t, Math.min(width, Math.max(l + 2, Math.ceil(right / stride - SLACK))), Math.min(height, Math.max(t + 2, Math.ceil(bottom / stride - SLACK)))];
}

function meanOf(evidence: IntegralImage, left: number, top: number, right: number, bottom: number): number {
  return evidence.sum(left, top, right, bottom) / ((right - left) * (bottom - top));
}

/** Mean inside minus mean of the ring; summed directly, since only few regions are asked for. */
function mapContrast(map: Float32Array, { width, height }: CellMaps, [left, top, right, bottom]: Cells): number {
  const ringX = Math.max(1, Math.floor((right - left) / 3));
  const ringY = Math.max(1, Math.floor((bottom - top) / 3));
  let inside = 0;
  let around = 0;
  let aroundCells = 0;
  for (let y = Math.max(0, top - ringY); y < Math.min(height, bottom + ringY); y += 1) {
    for (let x = Math.max(0, left - ringX); x < Math.min(width, right + ringX); x += 1) {
      const value = map[y * width + x]!;
      if (x >= left && x < right && y >= top && y < bottom) inside += value;
      else {
        around += value;
        aroundCells += 1;
      }
    }
  }
  return inside / ((right - left) * (bottom - top)) - (aroundCells > 0 ? around / aroundCells : 0);
}
