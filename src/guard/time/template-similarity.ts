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

/** Which cells of a template are compared, and how much each counts. */
interface ComparedCells {
  readonly used: Int32Array;
  readonly weights: Float32Array;
  readonly totalWeight: number;
}

const COMPARED = { 1: comparedCells(1), 2: comparedCells(2) };

function comparedCells(step: number): { readonly inside: ComparedCells; readonly border: ComparedCells } {
  const used = Array.from({ length: CELLS }, (_, cell) => cell).filter((cell) => (cell % TEMPLATE_CELLS) % step === 0 && Math.floor(cell / TEMPLATE_CELLS) % step === 0);
  const weighted = (cells: number[]): ComparedCells => {
    const weights = Float32Array.from(cells, (cell) => (depth(cell) === BORDER_CELLS ? EDGE_WEIGHT : 1));
    return { used: Int32Array.from(cells), weights, totalWeight: weights.reduce((sum, weight) => sum + weight, 0) };
  };
  return { inside: weighted(used.filter((cell) => depth(cell) >= BORDER_CELLS)), border: weighted(used.filter((cell) => depth(cell) < BORDER_CELLS)) };
}

/** How many cells lie between a cell and the template's border. */
function depth(cell: number): number {
  const [column, row] = [cell % TEMPLATE_CELLS, Math.floor(cell / TEMPLATE_CELLS)];
  return Math.min(column, row, TEMPLATE_CELLS - 1 - column, TEMPLATE_CELLS - 1 - row);
}

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
 * @param cells planes of a template.
 * @param stride cells in a row of the pictures that it will be laid on.
 * @param step compare only every so many-th cell of a row and column: coarser and faster.
 */
export function createMatcher(cells: Float32Array, stride: number, step: 1 | 2): TemplateMatcher {
  const { inside, border } = COMPARED[step];
  return { inside: matcherPart(cells, inside, stride), border: matcherPart(cells, border, stride) };
}

function matcherPart(cells: Float32Array, { used, weights, totalWeight }: ComparedCells, stride: number): MatcherPart {
  const count = used.length;
  const offsets = new Int32Array(count);
  for (let i = 0; i < count; i += 1) {
    const column = used[i]! % TEMPLATE_CELLS;
    offsets[i] = ((used[i]! - column) / TEMPLATE_CELLS) * stride + column;
  }
  const centred = new Float32Array(3 * count);
  let energy = 3 * totalWeight * NOISE_VARIANCE;
  for (let plane = 0; plane < 3; plane += 1) {
    let sum = 0;
    for (let i = 0; i < count; i += 1) sum += weights[i]! * cells[plane * CELLS + used[i]!]!;
    const mean = sum / totalWeight;
    for (let i = 0; i < count; i += 1) {
      const level = cells[plane * CELLS + used[i]!]! - mean;
      centred[plane * count + i] = weights[i]! * level;
      energy += weights[i]! * level * level;
    }
  }
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
  const correlation = correlate(createMatcher(a.cells, TEMPLATE_CELLS, 1), b.cells, CELLS, 0);
  return Math.min(1, Math.max(0, correlation)) * colourAgreement(a.cells, b.cells);
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
