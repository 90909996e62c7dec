import type { BoxColumns } from './box-evidence.js';
import type { OutputSample } from './head-facts.js';
import type { TailWriter } from './head-tail.js';

/** An output read as a table of rows, whichever way it lies in memory. */
export interface OutputTable {
  readonly output: OutputSample;
  readonly rows: number;
  readonly columns: number;
  /** True where a column's values lie side by side: `[1, columns, rows]`. */
  readonly isPlanes: boolean;
}

/** Both ways to read an output as a table; none for outputs of several pictures or with more than two real dimensions. */
export function tablesOf(output: OutputSample): OutputTable[] {
  const core = coreDims(output.dims);
  if (!core) return [];
  const [a, b] = core;
  return [
    { output, rows: a, columns: b, isPlanes: false },
    { output, rows: b, columns: a, isPlanes: true },
  ];
}

/** `[1,N,K]`, `[N,K]`, `[1,1,N,K]` and `[1,N,1,K]` are all N by K; `[N]` is N by 1. */
function coreDims(dims: readonly number[]): readonly [number, number] | undefined {
  const [first = 0, second = 0, third = 0, fourth = 0] = dims;
  if (dims.length === 1) return [first, 1];
  if (dims.length === 2) return [first, second];
  if (first !== 1) return undefined;
  if (dims.length === 3) return [second, third];
  if (dims.length !== 4) return undefined;
  if (second === 1) return [third, fourth];
  if (third === 1) return [second, fourth];
  return fourth === 1 ? [second, third] : undefined;
}

/** True where the tensor is `[1, rows, columns]` (or with planes `[1, columns, rows]`) as it stands. */
export function isPlain({ output, rows, columns, isPlanes }: OutputTable): boolean {
  return output.dims.join() === (isPlanes ? [1, columns, rows] : [1, rows, columns]).join() && output.isFloat !== false;
}

/** The table as a tensor `[1, N, columns]`, or with `planes` `[1, columns, N]`. N may vary from picture to picture. */
export function tableTensor(writer: TailWriter, table: OutputTable, planes: boolean): string {
  const cast = table.output.isFloat === false ? writer.toFloat(table.output.name) : table.output.name;
  const shape = table.isPlanes ? [1, table.columns, -1] : [1, -1, table.columns];
  const plain = table.output.dims.length === 3 && table.output.dims[0] === 1 ? cast : writer.reshape(cast, shape);
  return writer.transpose(plain, table.isPlanes === planes ? [0, 1, 2] : [0, 2, 1]);
}

/** Its values from column `from` on, four columns of them. */
export function boxColumnsOf({ output, rows, columns, isPlanes }: OutputTable, from = 0): BoxColumns | undefined {
  if (!output.data) return undefined;
  return { data: from === 0 ? output.data : output.data.subarray(from * (isPlanes ? rows : 1)), rows, rowStep: isPlanes ? 1 : columns, columnStep: isPlanes ? rows : 1 };
}

export function valueAt({ output, rows, columns, isPlanes }: OutputTable, row: number, column: number): number {
  return output.data![isPlanes ? column * rows + row : row * columns + column]!;
}

/** Least and greatest value of some columns; undefined where values are not known or broken. */
export function rangeOf(table: OutputTable, fromColumn: number, toColumn = table.columns): readonly [number, number] | undefined {
  if (!table.output.data || table.rows === 0) return undefined;
  let [min, max] = [Infinity, -Infinity];
  for (let column = fromColumn; column < toColumn; column += 1) {
    for (let row = 0; row < table.rows; row += 1) {
      const value = valueAt(table, row, column);
      if (Number.isNaN(value)) return undefined;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  return [min, max];
}

/** Half-precision and quantized outputs overshoot; logits go much farther, at least below 0. */
const OVERSHOOT = 0.25;

/** Whether values are probabilities already. */
export function areProbabilities([min, max]: readonly [number, number]): boolean {
  return min >= -OVERSHOOT && max <= 1 + OVERSHOOT;
}
