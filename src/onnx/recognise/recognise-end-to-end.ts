import type { Assumption } from '../../core/assumption.js';
import type { Size } from '../../core/size.js';
import { conventionText, toCornersMatrix, type BoxConvention } from './box-evidence.js';
import { namedClasses, type HeadFacts, type RecognisedHead } from './head-facts.js';
import { TailWriter } from './head-tail.js';
import { isPlain, tablesOf, tableTensor, valueAt, type OutputTable } from './output-table.js';
import { tailOf } from './recognise-dense.js';

/** More rows than that are no finished boxes. */
const MOST_ROWS = 1000;
const COCO_CLASSES = 80;
/** Rows that say so little are padding. */
const LEAST_SCORE = 0.01;
/** Coordinates beyond this are pixels: fractions end at 1, a little more at the border. */
const MOST_FRACTION = 2;

/** Order of the columns of a row; `batch` and `x1 y1 x2 y2` stand for themselves. */
interface RowLayout {
  readonly text: string;
  readonly box: number;
  readonly score: number;
  readonly class: number;
}

/** Most usual first. */
const LAYOUTS: Readonly<Record<number, readonly RowLayout[]>> = {
  6: [
    { text: 'x1 y1 x2 y2 score class', box: 0, score: 4, class: 5 },
    { text: 'x1 y1 x2 y2 class score', box: 0, score: 5, class: 4 },
    { text: 'class score x1 y1 x2 y2', box: 2, score: 1, class: 0 },
  ],
  7: [
    { text: 'batch x1 y1 x2 y2 class score', box: 1, score: 6, class: 5 },
    { text: 'batch x1 y1 x2 y2 score class', box: 1, score: 5, class: 6 },
    { text: 'batch class score x1 y1 x2 y2', box: 3, score: 2, class: 1 },
  ],
};

/** Finished boxes, one a row: suppression is inside the model. */
export function recogniseRows(facts: HeadFacts): RecognisedHead[] {
  if (facts.head !== undefined && facts.head !== 'yolov10' && facts.head !== 'rows') return [];
  return facts.outputs.flatMap((output) =>
    tablesOf(output)
      .filter(({ isPlanes, rows, columns }) => !isPlanes && rows <= MOST_ROWS && LAYOUTS[columns] !== undefined)
      // A fixed number of rows is a round one: others are cells of a small picture.
      .filter(({ rows }) => output.dims.length === 2 || facts.head !== undefined || rows % 50 === 0 || rows < 50)
      .flatMap((table) => readRows(table, facts)),
  );
}

function readRows(table: OutputTable, facts: HeadFacts): RecognisedHead[] {
  const classCount = namedClasses(facts) ?? COCO_CLASSES;
  const layouts = LAYOUTS[table.columns]!;
  const fitting = layouts.filter((layout) => fits(table, layout, classCount));
  const layout = fitting[0] ?? layouts[0]!;
  const filled = table.output.data ? filledRows(table, layout) : [];
  // Rows that fit no order of columns are something else.
  if (fitting.length === 0 && filled.length > 0 && facts.head === undefined) return [];
  const convention = cornerConvention(table, layout.box, filled, facts);
  const isUsual = table.columns === 6 && layout === LAYOUTS[6]![0] && isPlain(table) && convention.order === 'xyxy' && !convention.normalised;
  const assumptions: Assumption[] = [
    { what: 'output', value: `${table.output.name} [${table.output.dims.join(',')}]`, source: 'graph', evidence: `finished boxes, one a row: suppression is inside the model` },
    { what: 'columns', value: layout.text, source: filled.length > 0 ? 'measured' : 'assumed', evidence: filled.length > 0 ? `${filled.length} rows of the test picture fit` : 'the test picture gives no row over .01' },
    cornerFact(convention, filled.length, facts),
    { what: 'class count', value: `${classCount} classes`, source: namedClasses(facts) === undefined ? 'assumed' : 'metadata', evidence: 'rows carry the number of their class only' },
  ];
  if (isUsual && facts.head !== 'rows') return [{ head: { kind: 'yolov10', output: table.output.name }, classCount, assumptions }];
  const writer = new TailWriter();
  const last = writer.columns(tableTensor(writer, table, false), rowMatrix(layout, convention, table.columns, facts.size));
  const tail = writer.steps.length > 0 ? { tail: tailOf(writer, last, [1, 'boxes', 6]) } : {};
  return [{ head: { kind: 'rows', output: last, columns: ['x1', 'y1', 'x2', 'y2', 'score', 'class'] }, classCount, ...tail, assumptions }];
}

/** Rows of any order as `x1 y1 x2 y2 score class` in pixels. */
function rowMatrix(layout: RowLayout, convention: BoxConvention, columns: number, size: Size): number[][] {
  const matrix = Array.from({ length: columns }, () => [0, 0, 0, 0, 0, 0]);
  for (const [i, row] of toCornersMatrix(convention, size).entries()) for (const [j, factor] of row.entries()) matrix[layout.box + i]![j] = factor;
  matrix[layout.score]![4] = 1;
  matrix[layout.class]![5] = 1;
  return matrix;
}

function filledRows(table: OutputTable, { score, class: classAt }: RowLayout): number[] {
  return Array.from({ length: table.rows }, (_, row) => row).filter((row) => valueAt(table, row, score) > LEAST_SCORE && valueAt(table, row, classAt) >= 0);
}

/** Whether every row with a score has a whole number for its class, a probability for its score and a box of some size. */
function fits(table: OutputTable, layout: RowLayout, classCount: number): boolean {
  if (!table.output.data) return layout === LAYOUTS[table.columns]![0];
  const rows = filledRows(table, layout);
  const value = (row: number, column: number): number => valueAt(table, row, column);
  const isRow = (row: number): boolean => {
    const classId = value(row, layout.class);
    return Number.isInteger(classId) && classId < classCount && value(row, layout.score) <= 1.01 && value(row, layout.box + 2) > 0;
  };
  return rows.length > 0 && rows.every(isRow) && (rows.length < 3 || rows.some((row) => !Number.isInteger(value(row, layout.score))));
}

function cornerConvention(table: OutputTable, box: number, filled: readonly number[], { boxes, normalised }: HeadFacts): BoxConvention {
  const value = (row: number, side: number): number => valueAt(table, row, box + side);
  const areCorners = filled.filter((row) => value(row, 2) > value(row, 0) && value(row, 3) > value(row, 1)).length >= 0.9 * filled.length;
  const isFraction = filled.length > 0 && filled.every((row) => [0, 1, 2, 3].every((side) => value(row, side) <= MOST_FRACTION));
  return { order: boxes ?? (areCorners ? 'xyxy' : 'cxcywh'), normalised: normalised ?? isFraction };
}

function cornerFact(convention: BoxConvention, rows: number, { boxes, normalised }: HeadFacts): Assumption {
  const value = conventionText(convention);
  if (boxes !== undefined || normalised !== undefined) return { what: 'boxes', value, source: 'option', evidence: '--boxes, --normalised' };
  return rows > 0 ? { what: 'boxes', value, source: 'measured', evidence: `the ${rows} rows of the test picture` } : { what: 'boxes', value, source: 'assumed', evidence: 'the test picture gives no row' };
}

/** Finished boxes in outputs of their own: boxes, scores and classes, perhaps how many count; or `[1,N,5]` with scores inside and classes. */
export function recogniseParts(facts: HeadFacts): RecognisedHead[] {
  if (facts.head !== undefined && facts.head !== 'rows') return [];
  const tables = facts.outputs.map(tablesOf);
  return tables.flatMap((readings) => readings.filter(({ isPlanes, columns, rows }) => !isPlanes && (columns === 4 || columns === 5) && rows <= MOST_ROWS)).flatMap((boxes) => partsHead(boxes, facts) ?? []);
}

function partsHead(boxes: OutputTable, facts: HeadFacts): RecognisedHead | undefined {
  const lists = facts.outputs.filter(({ name, dims }) => name !== boxes.output.name && elementsOf(dims) === boxes.rows && dims.length <= 3);
  const classes = lists.find((output) => output.isFloat === false || /class|label/i.test(output.name)) ?? (boxes.rows > 0 ? lists.find(({ data }) => data?.every(Number.isInteger) === true && data.some((value) => value > 0)) : undefined);
  const scores = boxes.columns === 5 ? undefined : lists.find((output) => output !== classes && output.isFloat !== false);
  if (!classes || (boxes.columns === 4 && !scores)) return undefined;
  const count = facts.outputs.find(({ name, dims, isFloat }) => isFloat === false && elementsOf(dims) === 1 && name !== classes.name && /num|count/i.test(name));
  const classCount = namedClasses(facts) ?? COCO_CLASSES;
  const filled = boxes.output.data ? Array.from({ length: boxes.rows }, (_, row) => row).filter((row) => (boxes.columns === 5 ? valueAt(boxes, row, 4) : (scores?.data?.[row] ?? 0)) > LEAST_SCORE) : [];
  const convention = cornerConvention(boxes, 0, filled, facts);
  const writer = new TailWriter();
  const boxRows = partRows(writer, boxes, convention, facts.size);
  const scoreColumn = scores && counted(writer, column(writer, scores.name, scores.isFloat !== false), count?.name, boxes.rows);
  const parts = [boxRows, ...(scoreColumn ? [scoreColumn] : []), column(writer, classes.name, classes.isFloat !== false)];
  const last = writer.concat(parts, 2);
  return {
    head: { kind: 'rows', output: last, columns: ['x1', 'y1', 'x2', 'y2', 'score', 'class'] },
    classCount,
    tail: tailOf(writer, last, [1, 'boxes', 6]),
    assumptions: [
      { what: 'outputs', value: `boxes in ${boxes.output.name}, ${scores ? `scores in ${scores.name}` : 'scores in its fifth column'}, classes in ${classes.name}${count ? `, their number in ${count.name}` : ''}`, source: 'graph', evidence: 'finished boxes: suppression is inside the model' },
      cornerFact(convention, filled.length, facts),
      { what: 'class count', value: `${classCount} classes`, source: namedClasses(facts) === undefined ? 'assumed' : 'metadata', evidence: 'the model gives the number of the class only' },
    ],
  };
}

/** A score in the fifth column goes along. */
function partRows(writer: TailWriter, boxes: OutputTable, convention: BoxConvention, size: Size): string {
  const matrix = toCornersMatrix(convention, size);
  const wide = boxes.columns === 5 ? [...matrix.map((row) => [...row, 0]), [0, 0, 0, 0, 1]] : matrix;
  return writer.columns(tableTensor(writer, boxes, false), wide);
}

function column(writer: TailWriter, name: string, isFloat: boolean): string {
  return writer.reshape(isFloat ? name : writer.toFloat(name), [1, -1, 1]);
}

/** Scores of rows beyond the number that counts become 0: what stands there is left from other pictures. */
function counted(writer: TailWriter, scores: string, count: string | undefined, rows: number): string {
  if (count === undefined) return scores;
  const number = writer.reshape(writer.toFloat(count), [1, 1, 1]);
  const isCounted = writer.node('Less', [{ floats: Array.from({ length: rows }, (_, i) => i), dims: [1, rows, 1] }, number]);
  return writer.node('Mul', [scores, writer.toFloat(isCounted)]);
}

function elementsOf(dims: readonly number[]): number {
  return dims.reduce((product, size) => product * size, 1);
}
