import { assert } from '../../core/assert.js';
import type { PictureSet } from '../../core/picture-set.js';
import { sigmoid } from '../../detector/logit.js';
import type { ModelOutputs } from '../../detector/output-tensor.js';
import { seededIntegers } from '../../evaluation/random.js';
import { addOutputs } from '../../onnx/head-layers.js';
import { type OnPicture, runModel } from '../score-model.js';
import type { AnchorModel } from './anchor-head.js';
import { boxFormula, type BoxFormula } from './box-formula.js';

/** Objectness over which a cell is kept for fitting whatever comes of it. */
const ACTIVE_OBJECTNESS = 0.01;
/** Cells of plain background that are kept of each scale of a picture. */
const BACKGROUND_CELLS = 48;

/** Cells of one scale of one picture: what the last layer reads there and what the full head says. */
export interface ScaleCells {
  /** Place in the grid, rising. */
  readonly cells: Int32Array;
  /** `cells * features` numbers. */
  readonly features: Float32Array;
  /** `cells * filters` raw numbers of the full head. */
  readonly raw: Float32Array;
  /** How many cells each stands for: 1, more for the drawn ones. */
  readonly weight: Float32Array;
}

/** What fitting the last layers needs to know of a set of pictures. By picture, then by scale. */
export interface TeacherCells {
  readonly pictures: readonly (readonly ScaleCells[])[];
  readonly description: string;
}

export interface CellGrid {
  readonly width: number;
  readonly height: number;
}

/** True where the last layers can be fitted: they are matrix products, cell by cell. */
export function canRefit({ layers }: AnchorModel): boolean {
  return layers.every(({ isPointwise }) => isPointwise);
}

export function gridOf({ model }: AnchorModel, stride: number): CellGrid {
  const { width, height } = model.manifest.input;
  return { width: Math.ceil(width / stride), height: Math.ceil(height / stride) };
}

/** Runs the full model over pictures without labels and keeps the cells where something is, and some where nothing is. */
export async function collectTeacherCells(full: AnchorModel, pictures: PictureSet, seed: number, onPicture?: OnPicture): Promise<TeacherCells> {
  assert(canRefit(full), 'only pointwise layers can be refitted');
  const below = seededIntegers(seed);
  const model = { ...full.model, onnx: addOutputs(full.model.onnx, full.layers.map(({ features }) => features)) };
  const formulas = full.scales.map((scale) => boxFormula(full.model.manifest.head.kind, scale));
  const collected: ScaleCells[][] = [];
  await runModel(model, pictures, (_, outputs) => collected.push(cellsOf(full, formulas, outputs, below)), onPicture ? { onPicture } : {});
  return { pictures: collected, description: pictures.description };
}

function cellsOf(full: AnchorModel, formulas: readonly BoxFormula[], outputs: ModelOutputs, below: (limit: number) => number): ScaleCells[] {
  const active = activeCells(full, formulas, outputs);
  return full.layers.map(({ output, features, filters, filterSize }, scaleIndex) => {
    const marked = active[scaleIndex]!;
    const { cells, weight } = withBackground(marked, below);
    return { cells, weight, features: columnsAt(outputs[features]!.data, marked.length, filterSize, cells), raw: columnsAt(outputs[output]!.data, marked.length, filters, cells) };
  });
}

/** Marks cells where an anchor sees something, and on every scale the cell in which its box is centred: another anchor may learn it there. */
function activeCells(full: AnchorModel, formulas: readonly BoxFormula[], outputs: ModelOutputs): Uint8Array[] {
  const grids = full.scales.map(({ stride }) => gridOf(full, stride));
  const marked = grids.map(({ width, height }) => new Uint8Array(width * height));
  for (const { scaleIndex, inScale, stride, cells } of full.anchors) {
    const { data } = outputs[full.layers[scaleIndex]!.output]!;
    const first = inScale * full.columns * cells;
    const { width } = grids[scaleIndex]!;
    for (let cell = 0; cell < cells; cell += 1) {
      if (!(sigmoid(data[first + 4 * cells + cell]!) > ACTIVE_OBJECTNESS)) continue;
      marked[scaleIndex]![cell] = 1;
      const x = ((cell % width) + formulas[scaleIndex]!.offset(data[first + cell]!)) * stride;
      const y = (Math.floor(cell / width) + formulas[scaleIndex]!.offset(data[first + cells + cell]!)) * stride;
      for (const [other, grid] of grids.entries()) {
        const at = cellAt(x, y, full.scales[other]!.stride, grid);
        if (at >= 0) marked[other]![at] = 1;
      }
    }
  }
  return marked;
}

/** The cell that a point lies in, -1 outside. Pixels of the model input. */
export function cellAt(x: number, y: number, stride: number, { width, height }: CellGrid): number {
  const column = Math.floor(x / stride);
  const row = Math.floor(y / stride);
  return column >= 0 && row >= 0 && column < width && row < height ? row * width + column : -1;
}

function withBackground(marked: Uint8Array, below: (limit: number) => number): { cells: Int32Array; weight: Float32Array } {
  const empty = Array.from(marked.keys()).filter((cell) => marked[cell] === 0);
  const drawn = Math.min(BACKGROUND_CELLS, empty.length);
  for (let i = 0; i < drawn; i += 1) {
    const other = i + below(empty.length - i);
    [empty[i], empty[other]] = [empty[other]!, empty[i]!];
  }
  const background = new Set(empty.slice(0, drawn));
  const cells = Int32Array.from(Array.from(marked.keys()).filter((cell) => marked[cell] === 1 || background.has(cell)));
  return { cells, weight: Float32Array.from(cells, (cell) => (background.has(cell) ? empty.length / drawn : 1)) };
}

/** From planes to a row a cell. */
function columnsAt(data: Float32Array, gridCells: number, channels: number, cells: Int32Array): Float32Array {
  const rows = new Float32Array(cells.length * channels);
  for (let row = 0; row < cells.length; row += 1) {
    for (let channel = 0; channel < channels; channel += 1) rows[row * channels + channel] = data[channel * gridCells + cells[row]!]!;
  }
  return rows;
}
