import type { Thumbnail } from '../thumbnail.js';

/** A box's own part: near its border there is background, which stays where it is. */
const INNER_SHARE_X = 0.7;
const INNER_SHARE_Y = 0.85;
/** Samples to a side: a larger box is sampled more coarsely, so that each costs the same. */
const MAX_SIDE_SAMPLES = 12;
const LEAST_SIDE_SAMPLES = 3;
/** How far from where it is expected a box is looked for: a share of its mean side (who walks is narrow and fast), and cells. */
const REACH_SHARE = 0.25;
const LEAST_REACH_CELLS = 2;
const MAX_REACH_CELLS = 8;
/** Grey levels that a place at the end of the reach has to fit better than the expected one. */
const DISTANCE_PENALTY = 1;

/** Grey levels that noise and compression account for. */
export const SMALL_DIFFERENCE = 6;

/** What a box shows: cells of a thumbnail, and their grey. */
export interface BoxTemplate {
  readonly left: number;
  readonly top: number;
  /** Cells between samples, 1 or more. */
  readonly stepX: number;
  readonly stepY: number;
  readonly columns: number;
  readonly rows: number;
  readonly greys: Uint8Array;
  /** Mean absolute deviation of the greys from their mean: what there is to recognise. */
  readonly contrast: number;
  /** How far it is looked for, cells to each side. */
  readonly reach: number;
}

/** Where a template was found again, against where it was taken. */
export interface BoxMatch {
  /** Cells, with fractions. */
  readonly dx: number;
  readonly dy: number;
  /** Mean absolute difference at the best place, and where it was taken, grey levels. */
  readonly difference: number;
  readonly differenceUnmoved: number;
  /** Work: cells that were compared for it. */
  readonly comparedCells: number;
}

/**
 * Takes the template of a box.
 *
 * @param cells of the box: left, top, right, bottom. @returns undefined where it has no cell of its own in the picture.
 */
export function takeTemplate(thumbnail: Thumbnail, cells: Float32Array, at: number): BoxTemplate | undefined {
  const x = innerSpan(cells[at]!, cells[at + 2]!, INNER_SHARE_X, thumbnail.columns);
  const y = innerSpan(cells[at + 1]!, cells[at + 3]!, INNER_SHARE_Y, thumbnail.rows);
  const meanSide = (cells[at + 2]! - cells[at]! + cells[at + 3]! - cells[at + 1]!) / 2;
  const reach = Math.min(MAX_REACH_CELLS, Math.max(LEAST_REACH_CELLS, Math.ceil(REACH_SHARE * meanSide)));
  if (x.samples === 0 || y.samples === 0) return undefined;
  const greys = new Uint8Array(x.samples * y.samples);
  let sum = 0;
  for (let row = 0, i = 0; row < y.samples; row += 1) {
    let cell = (y.start + row * y.step) * thumbnail.columns + x.start;
    for (let column = 0; column < x.samples; column += 1, i += 1, cell += x.step) {
      const grey = thumbnail.cells[cell]!;
      greys[i] = grey;
      sum += grey;
    }
  }
  const mean = sum / greys.length;
  let deviation = 0;
  for (let i = 0; i < greys.length; i += 1) deviation += Math.abs(greys[i]! - mean);
  return { left: x.start, top: y.start, stepX: x.step, stepY: y.step, columns: x.samples, rows: y.samples, greys, contrast: deviation / greys.length, reach };
}

/**
 * Finds a template again: mean absolute difference, at every second place around the expected one, then around the best of them, then a
 * parabola for fractions of a cell.
 *
 * @param expectedX cells from where it was taken. @param light how much brighter the picture is than the template's, grey levels.
 */
export function matchTemplate(thumbnail: Thumbnail, template: BoxTemplate, expectedX: number, expectedY: number, light: number): BoxMatch {
  const scores = new PlaceScores(thumbnail, template, light);
  const centreX = Math.round(expectedX);
  const centreY = Math.round(expectedY);
  const penalty = (x: number, y: number): number => DISTANCE_PENALTY * (((x - expectedX) / template.reach) ** 2 + ((y - expectedY) / template.reach) ** 2);
  let bestX = centreX;
  let bestY = centreY;
  let best = scores.at(bestX, bestY) + penalty(bestX, bestY);
  const consider = (x: number, y: number): void => {
    const distance = penalty(x, y);
    if (distance >= best) return;
    const candidate = scores.at(x, y, best - distance) + distance;
    if (candidate >= best) return;
    best = candidate;
    bestX = x;
    bestY = y;
  };
  // What stands still is found where it was, whatever was expected; what is there when it has gone on is not that much like it.
  if (scores.at(0, 0) <= SMALL_DIFFERENCE) consider(0, 0);
  for (let y = -template.reach; y <= template.reach; y += 2) {
    for (let x = -template.reach; x <= template.reach; x += 2) consider(centreX + x, centreY + y);
  }
  const coarseX = bestX;
  const coarseY = bestY;
  for (let y = -1; y <= 1; y += 1) for (let x = -1; x <= 1; x += 1) consider(coarseX + x, coarseY + y);
  const middle = scores.at(bestX, bestY);
  return {
    dx: bestX + vertex(scores.at(bestX - 1, bestY), middle, scores.at(bestX + 1, bestY)),
    dy: bestY + vertex(scores.at(bestX, bestY - 1), middle, scores.at(bestX, bestY + 1)),
    difference: middle,
    differenceUnmoved: scores.at(0, 0),
    comparedCells: scores.comparedCells,
  };
}

/** Mean absolute differences of places of a template; infinite where nothing of it would lie in the picture. */
class PlaceScores {
  readonly #thumbnail: Thumbnail;
  readonly #template: BoxTemplate;
  readonly #light: number;

  constructor(thumbnail: Thumbnail, template: BoxTemplate, light: number) {
    this.#thumbnail = thumbnail;
    this.#template = template;
    this.#light = Math.round(light);
  }

  comparedCells = 0;

  /** @param limit a place that is worse need not be told how much worse: infinite. */
  at(dx: number, dy: number, limit = Number.POSITIVE_INFINITY): number {
    const { columns, rows } = this.#thumbnail;
    const { left, top, stepX, stepY } = this.#template;
    const right = left + dx + (this.#template.columns - 1) * stepX;
    const bottom = top + dy + (this.#template.rows - 1) * stepY;
    const isInside = left + dx >= 0 && top + dy >= 0 && right < columns && bottom < rows;
    return isInside ? this.#inside(dx, dy, limit) : this.#cut(dx, dy);
  }

  #inside(dx: number, dy: number, limit: number): number {
    const { cells, columns } = this.#thumbnail;
    const { left, top, stepX, stepY, greys, columns: side } = this.#template;
    const light = this.#light;
    const most = limit * greys.length;
    let sum = 0;
    let i = 0;
    for (let line = (top + dy) * columns + left + dx; i < greys.length; line += stepY * columns) {
      const end = i + side;
      for (let cell = line; i < end; i += 1, cell += stepX) {
        const difference = cells[cell]! - greys[i]! - light;
        sum += difference < 0 ? -difference : difference;
      }
      if (sum > most) break;
    }
    this.comparedCells += i;
    return sum > most ? Number.POSITIVE_INFINITY : sum / greys.length;
  }

  /** Of the part that lies in the picture. */
  #cut(dx: number, dy: number): number {
    const { columns, rows, cells } = this.#thumbnail;
    const { left, top, stepX, stepY, greys } = this.#template;
    const light = this.#light;
    let sum = 0;
    let count = 0;
    for (let row = 0; row < this.#template.rows; row += 1) {
      const y = top + dy + row * stepY;
      if (y < 0 || y >= rows) continue;
      let i = row * this.#template.columns;
      let x = left + dx;
      const line = y * columns;
      for (let column = 0; column < this.#template.columns; column += 1, i += 1, x += stepX) {
        if (x < 0 || x >= columns) continue;
        const difference = cells[line + x]! - greys[i]! - light;
        sum += difference < 0 ? -difference : difference;
        count += 1;
      }
    }
    this.comparedCells += count;
    // Half out of the picture there is too little to compare.
    return 2 * count < greys.length ? Number.POSITIVE_INFINITY : sum / count;
  }
}

interface Span {
  readonly start: number;
  readonly step: number;
  readonly samples: number;
}

function innerSpan(low: number, high: number, share: number, cells: number): Span {
  const length = high - low;
  const middle = (low + high) / 2;
  const half = Math.max((length * share) / 2, LEAST_SIDE_SAMPLES / 2);
  const start = Math.max(0, Math.round(middle - half));
  const end = Math.min(cells, Math.round(middle + half));
  const step = Math.max(1, Math.ceil((end - start) / MAX_SIDE_SAMPLES));
  return { start, step, samples: Math.max(0, Math.ceil((end - start) / step)) };
}

/** Where between -0.5 and 0.5 the parabola through three equidistant values has its bottom; 0 where the middle one isn't the least or one is infinite. */
function vertex(before: number, middle: number, after: number): number {
  if (!Number.isFinite(before) || !Number.isFinite(after)) return 0;
  const curvature = before - 2 * middle + after;
  if (curvature <= 0 || middle > before || middle > after) return 0;
  return (0.5 * (before - after)) / curvature;
}
