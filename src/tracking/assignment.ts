/**
 * Working memory of `assign`, grown to the biggest problem so far: one for each caller that asks again and again.
 */
export class AssignmentScratch {
  columnPotential = new Float64Array(0);
  rowPotential = new Float64Array(0);
  /** Of a column: cost of the shortest path that reaches it. */
  pathCost = new Float64Array(0);
  /** Of a column: the one before it on that path. */
  previousColumn = new Int32Array(0);
  rowOfColumn = new Int32Array(0);
  isScanned = new Uint8Array(0);

  /** One place more than there are rows and columns: index 0 stands for the row that looks for a column. */
  reserve(rows: number, columns: number): void {
    if (this.rowPotential.length <= rows) this.rowPotential = new Float64Array(2 * rows + 1);
    if (this.columnPotential.length <= columns) {
      const length = 2 * columns + 1;
      this.columnPotential = new Float64Array(length);
      this.pathCost = new Float64Array(length);
      this.previousColumn = new Int32Array(length);
      this.rowOfColumn = new Int32Array(length);
      this.isScanned = new Uint8Array(length);
    }
    this.rowPotential.fill(0, 0, rows + 1);
    this.columnPotential.fill(0, 0, columns + 1);
    this.rowOfColumn.fill(0, 0, columns + 1);
  }
}

/**
 * Pairs rows with columns, each at most once, so that the sum of the pairs' gains is as great as it can be. Pairs without a gain (0 or
 * less) are never made.
 *
 * Shortest augmenting paths with potentials, row by row (Jonker and Volgenant 1987; for more columns than rows Crouse 2016): at most
 * `min^2 * max` steps of rows and columns.
 *
 * @param gain `rows * columns` finite numbers, row after row.
 * @param columnOfRow where the answer goes: `rows` entries, -1 for a row without a column.
 */
export function assign(gain: Float64Array, rows: number, columns: number, columnOfRow: Int32Array, scratch: AssignmentScratch): void {
  columnOfRow.fill(-1, 0, rows);
  if (rows === 0 || columns === 0) return;
  // The search wants at least as many columns as rows.
  const isTransposed = rows > columns;
  const shape: Shape = isTransposed
    ? { gain, fewer: columns, more: rows, fewerStep: 1, moreStep: columns }
    : { gain, fewer: rows, more: columns, fewerStep: columns, moreStep: 1 };
  scratch.reserve(shape.fewer, shape.more);
  for (let row = 1; row <= shape.fewer; row += 1) placeRow(row, shape, scratch);
  for (let column = 1; column <= shape.more; column += 1) {
    const row = scratch.rowOfColumn[column]!;
    if (row === 0 || gainAt(shape, row, column) <= 0) continue;
    if (isTransposed) columnOfRow[column - 1] = row - 1;
    else columnOfRow[row - 1] = column - 1;
  }
}

/** The problem, turned so that it has no more rows than columns; both count from 1. */
interface Shape {
  readonly gain: Float64Array;
  readonly fewer: number;
  readonly more: number;
  readonly fewerStep: number;
  readonly moreStep: number;
}

function gainAt({ gain, fewerStep, moreStep }: Shape, row: number, column: number): number {
  return gain[(row - 1) * fewerStep + (column - 1) * moreStep]!;
}

/** Finds the cheapest way to give one more row a column, moving rows that have one, and goes it. */
function placeRow(row: number, shape: Shape, scratch: AssignmentScratch): void {
  const { pathCost, previousColumn, rowOfColumn, isScanned } = scratch;
  pathCost.fill(Infinity, 0, shape.more + 1);
  isScanned.fill(0, 0, shape.more + 1);
  rowOfColumn[0] = row;
  let column = 0;
  do {
    isScanned[column] = 1;
    column = scanRow(column, shape, scratch);
  } while (rowOfColumn[column] !== 0);
  while (column !== 0) {
    const before = previousColumn[column]!;
    rowOfColumn[column] = rowOfColumn[before]!;
    column = before;
  }
}

/** Lengthens the paths over the row of `column`, moves the potentials by the shortest, and returns the column that it ends at. */
function scanRow(column: number, shape: Shape, { columnPotential, rowPotential, pathCost, previousColumn, rowOfColumn, isScanned }: AssignmentScratch): number {
  const row = rowOfColumn[column]!;
  let shortest = Infinity;
  let nearest = 0;
  for (let next = 1; next <= shape.more; next += 1) {
    if (isScanned[next] === 1) continue;
    // A pair that can't be made costs as much as staying alone: nothing.
    const cost = -Math.max(0, gainAt(shape, row, next)) - rowPotential[row]! - columnPotential[next]!;
    if (cost < pathCost[next]!) {
      pathCost[next] = cost;
      previousColumn[next] = column;
    }
    if (pathCost[next]! < shortest) {
      shortest = pathCost[next]!;
      nearest = next;
    }
  }
  for (let one = 0; one <= shape.more; one += 1) {
    if (isScanned[one] === 1) {
      rowPotential[rowOfColumn[one]!]! += shortest;
      columnPotential[one]! -= shortest;
    } else pathCost[one]! -= shortest;
  }
  return nearest;
}
