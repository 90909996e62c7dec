import type { Size } from '../../core/size.js';
import { sampleGrid, type CellGrid } from './cell-grid.js';
import type { RegionBox } from './region-box.js';

/** Cells of a template along each axis; the region itself takes those between the border cells. */
export const TEMPLATE_CELLS = 14;
/** Cells of surroundings on each side: small regions are found again by what they are on, too. */
export const BORDER_CELLS = 2;
/** How many cells the region itself is wide and high. */
export const REGION_CELLS = TEMPLATE_CELLS - 2 * BORDER_CELLS;

/** Above this a sighting is good enough to learn from. */
const LEARN_ABOVE = 0.8;
/** Share of a sighting in the new template. */
const LEARNING_RATE = 0.05;
/** Share of the first sighting: half as much, so that a third of it stays for good and the template can't creep off what was confirmed. */
const ANCHOR_RATE = 0.025;

/** What a region and a little of its surroundings look like: a few kilobytes, to be kept or posted to a worker. */
export interface RegionTemplate {
  /** Planes G, B, R of 14 x 14 cells, row by row: levels from 0 to 255, with fractions so that slow changes add up. */
  readonly cells: Float32Array;
  /** What it looked like when it was first described. */
  readonly firstCells: Float32Array;
}

/**
 * What a region of the picture looks like.
 *
 * @param planes three planes G, B, R of `size` bytes each; beyond the border the picture goes on as it ends.
 */
export function describeRegion(planes: Uint8Array, size: Size, box: RegionBox): RegionTemplate {
  const cells = new Float32Array(3 * TEMPLATE_CELLS * TEMPLATE_CELLS);
  sampleGrid(planes, size, gridAround(box, TEMPLATE_CELLS, TEMPLATE_CELLS), cells);
  return { cells, firstCells: cells };
}

/** A grid with the cells of a region's template, reaching as far as one wants. */
export function gridAround({ centreX, centreY, width, height }: RegionBox, columns: number, rows: number): CellGrid {
  return { centreX, centreY, pitchX: width / REGION_CELLS, pitchY: height / REGION_CELLS, columns, rows };
}

/**
 * The template after another sighting: blended in slowly, and only where the sighting is good, so that neither a passer-by nor the background is learnt.
 *
 * @param similarity of the sighting with the template, as `followRegion` says.
 */
export function updateTemplate(template: RegionTemplate, seen: RegionTemplate, similarity: number): RegionTemplate {
  if (similarity < LEARN_ABOVE) return template;
  const { cells, firstCells } = template;
  const learnt = cells.map((level, i) => level + LEARNING_RATE * (seen.cells[i]! - level) + ANCHOR_RATE * (firstCells[i]! - level));
  return { cells: learnt, firstCells };
}
