import { BORDER_CELLS, REGION_CELLS, TEMPLATE_CELLS, type RegionTemplate } from './region-template.js';

const CELLS = TEMPLATE_CELLS * TEMPLATE_CELLS;
/**
 * How much the surroundings say against the region itself. They change as their carrier moves and have the greater contrast, so they are
 * correlated apart: for a region with a structure they are a hint, for a plain one all there is.
 */
const BORDER_SHARE = 0.2;
/** The smoothing lets the outermost cells of a region see what is beside it. */
const EDGE_WEIGHT = 0.5;
/** Variance that noise and compression make on a plain surface, squared levels: structure below it doesn't count. */
const NOISE_VARIANCE = 9;
/** Chromaticities that far apart are equal for all that a camera does, and ones that much further apart are other colours. */
const EQUAL_CHROMATICITY = 0.05;
const OTHER_CHROMATICITY = 0.25;

/** A template made ready to be laid on many places of a picture's cells. */
export interface TemplateMatcher {
  readonly inside: MatcherPart;
  readonly border: MatcherPart;
}

interface MatcherPart {
  /** Where the cells that are compared lie in a plane of the picture, from the template's first one. */
  readonly offsets: Int32Array;
  readonly weights: Float32Array;
  readonly totalWeight: number;
  /** Planes G, B, R of the template's levels without their mean, weighted. */
  readonly centred: Float32Array;
  /** Weighted sum of their squares, with that of noise. */
  readonly energy: number;
}

/**
 * @param stride cells in a row of the pictures that it will be laid on.
 * @param step compare only every so many-th cell of a row and column: coarser and faster.
 */
export function createMatcher(template: RegionTemplate, stride: number, step: 1 | 2): TemplateMatcher {
  const used = usedCells(step);
  return {
    inside: matcherPart(template, used.filter(isInside), stride),
    border: matcherPart(template, used.filter((cell) => !isInside(cell)), stride),
  };
}

function matcherPart({ cells }: RegionTemplate, used: readonly number[], stride: number): MatcherPart {
  const weights = Float32Array.from(used, cellWeight);
  const totalWeight = weights.reduce((sum, weight) => sum + weight, 0);
  const centred = new Float32Array(3 * used.length);
  let energy = 3 * totalWeight * NOISE_VARIANCE;
  for (let plane = 0; plane < 3; plane += 1) {
    let mean = 0;
    for (let i = 0; i < used.length; i += 1) mean += (weights[i]! * cells[plane * CELLS + used[i]!]!) / totalWeight;
    for (let i = 0; i < used.length; i += 1) {
      const level = cells[plane * CELLS + used[i]!]! - mean;
      centred[plane * used.length + i] = weights[i]! * level;
      energy += weights[i]! * level * level;
    }
  }
  const offsets = Int32Array.from(used, (cell) => Math.floor(cell / TEMPLATE_CELLS) * stride + (cell % TEMPLATE_CELLS));
  return { offsets, weights, totalWeight, centred, energy };
}

/**
 * Zero-mean normalised cross-correlation of a template with a place of a picture's cells, over all three planes, each about its own mean:
 * -1 to 1, four fifths for the region and a fifth for its surroundings.
 *
 * @param cells three planes of `planeCells` levels.
 * @param at first cell of the place.
 */
export function correlate({ inside, border }: TemplateMatcher, cells: Float32Array, planeCells: number, at: number): number {
  return (1 - BORDER_SHARE) * correlatePart(inside, cells, planeCells, at) + BORDER_SHARE * correlatePart(border, cells, planeCells, at);
}

/** Noise is added as if it were common to both, so that two plain surfaces correlate (1) and a plain one with a structure doesn't (0). */
function correlatePart({ offsets, weights, totalWeight, centred, energy }: MatcherPart, cells: Float32Array, planeCells: number, at: number): number {
  const count = offsets.length;
  let common = 3 * totalWeight * NOISE_VARIANCE;
  let seenEnergy = common;
  for (let plane = 0; plane < 3; plane += 1) {
    const first = plane * planeCells + at;
    const firstCentred = plane * count;
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < count; i += 1) {
      const level = cells[first + offsets[i]!]!;
      const weighted = weights[i]! * level;
      sum += weighted;
      squares += weighted * level;
      common += centred[firstCentred + i]! * level;
    }
    seenEnergy += Math.max(0, squares - (sum * sum) / totalWeight);
  }
  return common / Math.sqrt(energy * seenEnergy);
}

/**
 * How alike two regions look, 0 to 1, whatever the brightness and contrast: the correlation of their cells (surroundings count less) times how near
 * their mean colours are. Two regions without any structure are alike if their colours are.
 */
export function templateSimilarity(a: RegionTemplate, b: RegionTemplate): number {
  const correlation = correlate(createMatcher(a, TEMPLATE_CELLS, 1), b.cells, CELLS, 0);
  return Math.min(1, Math.max(0, correlation)) * colourAgreement(a.cells, b.cells);
}

function usedCells(step: number): number[] {
  const used: number[] = [];
  for (let row = 0; row < TEMPLATE_CELLS; row += step) {
    for (let column = 0; column < TEMPLATE_CELLS; column += step) used.push(row * TEMPLATE_CELLS + column);
  }
  return used;
}

function isInside(cell: number): boolean {
  return depth(cell) > BORDER_CELLS;
}

/** 1 deep in the region and for its surroundings, less for the region's edge. */
function cellWeight(cell: number): number {
  return depth(cell) === BORDER_CELLS + 1 ? EDGE_WEIGHT : 1;
}

/** How many-th cell from the template's border it is, from 1. */
function depth(cell: number): number {
  const [column, row] = [cell % TEMPLATE_CELLS, Math.floor(cell / TEMPLATE_CELLS)];
  return 1 + Math.min(column, row, TEMPLATE_CELLS - 1 - column, TEMPLATE_CELLS - 1 - row);
}

/** 1 for the same mean chromaticity, 0 for quite another one. Greys of any brightness agree. */
function colourAgreement(a: Float32Array, b: Float32Array): number {
  const first = chromaticity(a);
  const second = chromaticity(b);
  const apart = Math.max(...first.map((share, plane) => Math.abs(share - second[plane]!)));
  return 1 - Math.min(1, Math.max(0, apart - EQUAL_CHROMATICITY) / OTHER_CHROMATICITY);
}

/** Shares of G, B and R in the region's own cells; in the dark, where noise decides, all go towards a third. */
function chromaticity(cells: Float32Array): number[] {
  const means = [0, 1, 2].map((plane) => regionMean(cells, plane) + 16);
  const total = means[0]! + means[1]! + means[2]!;
  return means.map((mean) => mean / total);
}

function regionMean(cells: Float32Array, plane: number): number {
  let sum = 0;
  for (let row = BORDER_CELLS; row < BORDER_CELLS + REGION_CELLS; row += 1) {
    const start = plane * CELLS + row * TEMPLATE_CELLS + BORDER_CELLS;
    for (let i = start; i < start + REGION_CELLS; i += 1) sum += cells[i]!;
  }
  return sum / REGION_CELLS ** 2;
}
