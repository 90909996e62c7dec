import type { Size } from '../../core/size.js';
import { sampleGrid } from './cell-grid.js';
import type { RegionBox } from './region-box.js';
import { describeRegion, gridAround, REGION_CELLS, TEMPLATE_CELLS, type RegionTemplate } from './region-template.js';
import { correlate, createMatcher, templateSimilarity, type TemplateMatcher } from './template-similarity.js';

/** How far from where it is expected a region is looked for, as a share of its size; small ones move by a pixel or two in any case. */
const REACH_SHARE = 0.4;
const LEAST_REACH_PX = 4;
/** The work grows with the square of the reach. */
const MAX_REACH_CELLS = 12;
/** Shrinking, constant and growing, in the order of sizes. */
const SCALES: readonly [number, number, number] = [0.94, 1, 1.06];
/** Another size has to correlate that much better: an edge looks the same in all sizes, and a smaller, smoother view even a little better. */
const SIZE_PENALTY = 0.03;
/** What of the measured growth is believed at once: that of a single picture is mostly noise. */
const GROWTH_TRUST = 0.3;
/** Growth is measured against the first sighting, where that can still be recognised. */
const RECOGNISED_ABOVE = 0.5;
/** A place at the end of the reach has to correlate that much better than the expected one. */
const DISTANCE_PENALTY = 0.05;

export interface FollowOptions {
  /** Pixels of the model input, to each side of where the region is expected; 40 % of its size and 4 by default. */
  readonly reachPx?: number;
  /** Sizes to try, against the expected one: below 1, 1, above 1; 0.94, 1, 1.06 by default. */
  readonly scales?: readonly [number, number, number];
}

export interface FollowedRegion {
  readonly box: RegionBox;
  /** With the template, 0 to 1 (see `templateSimilarity`): below about 0.5 it's something else. */
  readonly similarity: number;
  /** What is there now, in the expected size, to learn from (`updateTemplate`). */
  readonly seen: RegionTemplate;
}

/**
 * Finds a region again in the next picture: lays its template on the places around where it is expected (zero-mean normalised cross-correlation; first
 * a quarter of the cells at every place, then all cells around the best two), fits parabolas for fractions of a cell, then tries sizes.
 *
 * Everything happens in cells of the template, ten for the region whatever its size, so the cost depends on the reach alone.
 *
 * @param planes three planes G, B, R of `size` bytes each, as the camera gave them: where the region is filled it can't be found.
 * @param expected by the track's prediction; without one where it was last seen.
 */
export function followRegion(planes: Uint8Array, size: Size, template: RegionTemplate, expected: RegionBox, { reachPx, scales = SCALES }: FollowOptions = {}): FollowedRegion {
  const window = searchWindow(planes, size, expected, reachPx);
  const { x, y } = bestPlace(window, template);
  const moved = {
    ...expected,
    centreX: expected.centreX + (x * expected.width) / REGION_CELLS,
    centreY: expected.centreY + (y * expected.height) / REGION_CELLS,
  };
  const seen = describeRegion(planes, size, moved);
  const scale = measureScale(planes, size, template, moved, seen, scales);
  const box = { ...moved, width: moved.width * scale, height: moved.height * scale };
  return { box, similarity: templateSimilarity(template, seen), seen };
}

/** The cells of the picture that the template is laid on. */
interface SearchWindow {
  readonly cells: Float32Array;
  /** To each side, in cells. */
  readonly reachX: number;
  readonly reachY: number;
  readonly columns: number;
  readonly rows: number;
}

function searchWindow(planes: Uint8Array, size: Size, expected: RegionBox, reachPx: number | undefined): SearchWindow {
  const reachX = reachCells(expected.width, reachPx);
  const reachY = reachCells(expected.height, reachPx);
  const columns = TEMPLATE_CELLS + 2 * reachX;
  const rows = TEMPLATE_CELLS + 2 * reachY;
  const cells = new Float32Array(3 * columns * rows);
  sampleGrid(planes, size, gridAround(expected, columns, rows), cells);
  return { cells, reachX, reachY, columns, rows };
}

function reachCells(lengthPx: number, reachPx = Math.max(LEAST_REACH_PX, REACH_SHARE * lengthPx)): number {
  return Math.min(MAX_REACH_CELLS, Math.max(1, Math.ceil((reachPx * REGION_CELLS) / lengthPx)));
}

/** Scores of the places in the window, less the farther they are from the middle; each is only computed once. */
class PlaceScores {
  readonly columns: number;
  readonly rows: number;
  readonly #window: SearchWindow;
  readonly #matcher: TemplateMatcher;
  readonly #scores: Float64Array;

  constructor(window: SearchWindow, template: RegionTemplate, step: 1 | 2) {
    this.#window = window;
    this.columns = 2 * window.reachX + 1;
    this.rows = 2 * window.reachY + 1;
    this.#matcher = createMatcher(template.cells, window.columns, step);
    this.#scores = new Float64Array(this.columns * this.rows).fill(Number.NaN);
  }

  at(x: number, y: number): number {
    if (x < 0 || y < 0 || x >= this.columns || y >= this.rows) return Number.NEGATIVE_INFINITY;
    const place = y * this.columns + x;
    const known = this.#scores[place]!;
    if (!Number.isNaN(known)) return known;
    const { cells, columns, rows, reachX, reachY } = this.#window;
    const distance = ((x - reachX) / reachX) ** 2 + ((y - reachY) / reachY) ** 2;
    const score = correlate(this.#matcher, cells, columns * rows, y * columns + x) - DISTANCE_PENALTY * distance;
    this.#scores[place] = score;
    return score;
  }
}

/** Where the template fits best, in cells from the middle of the window. */
function bestPlace(window: SearchWindow, template: RegionTemplate): { readonly x: number; readonly y: number } {
  const coarse = new PlaceScores(window, template, 2);
  const fine = new PlaceScores(window, template, 1);
  let best = { x: window.reachX, y: window.reachY };
  for (const start of bestCoarsePlaces(coarse)) {
    const top = climb(fine, start);
    if (fine.at(top.x, top.y) > fine.at(best.x, best.y)) best = top;
  }
  const { x, y } = best;
  return {
    x: x - window.reachX + vertex(fine.at(x - 1, y), fine.at(x, y), fine.at(x + 1, y)),
    y: y - window.reachY + vertex(fine.at(x, y - 1), fine.at(x, y), fine.at(x, y + 1)),
  };
}

/** The two best of the places that none of their neighbours beats. */
function bestCoarsePlaces(scores: PlaceScores): Place[] {
  const peaks: (Place & { readonly score: number })[] = [];
  for (let y = 0; y < scores.rows; y += 1) {
    for (let x = 0; x < scores.columns; x += 1) {
      const score = scores.at(x, y);
      if (NEIGHBOURS.every(([dx, dy]) => scores.at(x + dx, y + dy) <= score)) peaks.push({ x, y, score });
    }
  }
  return peaks.sort((a, b) => b.score - a.score).slice(0, 2);
}

interface Place {
  readonly x: number;
  readonly y: number;
}

const NEIGHBOURS = [
  [0, -1],
  [-1, 0],
  [1, 0],
  [0, 1],
  [-1, -1],
  [1, -1],
  [-1, 1],
  [1, 1],
] as const;

/** Goes to the best neighbour until there is none. */
function climb(scores: PlaceScores, { x, y }: Place): Place {
  let best: Place = { x, y };
  for (const [dx, dy] of NEIGHBOURS) {
    if (scores.at(x + dx, y + dy) > scores.at(best.x, best.y)) best = { x: x + dx, y: y + dy };
  }
  return best.x === x && best.y === y ? best : climb(scores, best);
}

/**
 * Growth against the expected size: the vertex of a parabola through three sizes, of which a part is believed. Measured against the first sighting: smaller,
 * smoother views correlate a little better, so against a template that learns the region would shrink and shrink.
 */
function measureScale(planes: Uint8Array, size: Size, { firstCells }: RegionTemplate, box: RegionBox, seen: RegionTemplate, scales: readonly [number, number, number]): number {
  const [smaller, same, larger] = scales;
  const matcher = createMatcher(firstCells, TEMPLATE_CELLS, 1);
  const score = ({ cells }: RegionTemplate): number => correlate(matcher, cells, cells.length / 3, 0);
  const scored = (scale: number): number => score(describeRegion(planes, size, { ...box, width: box.width * scale, height: box.height * scale }));
  const middle = score(seen);
  if (middle < RECOGNISED_ABOVE) return same;
  const before = scored(smaller) - SIZE_PENALTY;
  const after = scored(larger) - SIZE_PENALTY;
  const step = before > middle && before >= after ? -1 : after > middle ? 1 : vertex(before, middle, after);
  const growth = step < 0 ? -step * Math.log(smaller / same) : step * Math.log(larger / same);
  return same * Math.exp(GROWTH_TRUST * growth);
}

/** Where between -0.5 and 0.5 the parabola through three equidistant scores has its top; 0 where the middle one isn't the best or one is missing. */
function vertex(before: number, middle: number, after: number): number {
  if (!Number.isFinite(before) || !Number.isFinite(after)) return 0;
  const curvature = before - 2 * middle + after;
  if (curvature >= 0 || middle < before || middle < after) return 0;
  return (0.5 * (before - after)) / curvature;
}
