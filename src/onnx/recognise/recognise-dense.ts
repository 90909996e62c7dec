import type { Assumption } from '../../core/assumption.js';
import type { HeadKind, HeadScale, ModelHead } from '../../core/manifest.js';
import { boxConvention, conventionText, toCentreMatrix, type BoxConvention, type ConventionEvidence } from './box-evidence.js';
import { gridsOfRows, gridText, namedClasses, type HeadFacts, type OutputSample, type RecognisedHead, type RowGrid } from './head-facts.js';
import { TailWriter, type HeadTail } from './head-tail.js';
import { areProbabilities, boxColumnsOf, isPlain, rangeOf, tablesOf, tableTensor, type OutputTable } from './output-table.js';

const COCO_CLASSES = 80;

/** A tensor with a box a row: four numbers, an objectness or none, class scores. */
interface DenseHead {
  readonly grid: RowGrid;
  readonly hasObjectness: boolean;
  readonly convention: BoxConvention;
  readonly classCount: number;
}

/** Heads that give a box (or three) for every cell in one tensor, whichever way it lies. */
export function recogniseDense(facts: HeadFacts): RecognisedHead[] {
  return facts.outputs.flatMap((output) => tablesOf(output).flatMap((table) => gridsOfRows(table.rows, facts.size).flatMap((grid) => readTable(table, grid, facts))));
}

function readTable(table: OutputTable, grid: RowGrid, facts: HeadFacts): RecognisedHead[] {
  if (table.columns < 5 || table.output.dims.length < 2) return [];
  const measured = measureConvention(table, grid, facts);
  return objectnessChoices(table, grid, measured?.convention, facts).map(({ hasObjectness, why }) => {
    // Undecoded boxes come with an objectness: without one they only look so.
    const evidence = hasObjectness || measured?.convention.order !== 'grid' ? measured : undefined;
    const convention = conventionOf(evidence, facts) ?? usualConvention(table, grid, hasObjectness, facts);
    const first = hasObjectness ? 5 : 4;
    const scores = rangeOf(table, hasObjectness ? 4 : first);
    const isLogits = scores !== undefined && !areProbabilities(scores);
    const dense: DenseHead = { grid, hasObjectness, convention, classCount: table.columns - first };
    return {
      ...assembleTable(table, dense, isLogits, facts),
      classCount: dense.classCount,
      assumptions: [
        layoutFact(table, dense, facts),
        ...(why ? [why] : []),
        conventionFact(convention, evidence, facts),
        scoreFact(scores, isLogits),
      ],
    };
  });
}

/** The user's word counts; else what was measured. */
function conventionOf(measured: ConventionEvidence | undefined, { boxes, normalised }: HeadFacts): BoxConvention | undefined {
  if (boxes === undefined && normalised === undefined) return measured?.convention;
  const order = boxes ?? measured?.convention.order;
  return { order: order === undefined || order === 'grid' ? 'cxcywh' : order, normalised: normalised ?? measured?.convention.normalised ?? false };
}

function measureConvention(table: OutputTable, { strides, perCell }: RowGrid, { size }: HeadFacts): ConventionEvidence | undefined {
  const columns = boxColumnsOf(table);
  return columns && boxConvention(columns, { strides, perCell, size });
}

/** Where the values don't tell: rows of one box a cell with objectness are YOLOX's own, everything else is decoded. */
function usualConvention(table: OutputTable, { perCell }: RowGrid, hasObjectness: boolean, { head }: HeadFacts): BoxConvention {
  const isGrid = hasObjectness && perCell === 1 && !table.isPlanes && head !== 'yolov5';
  return { order: isGrid ? 'grid' : 'cxcywh', normalised: false };
}

interface ObjectnessChoice {
  readonly hasObjectness: boolean;
  readonly why?: Assumption;
}

/** Whether the fifth column is an objectness or the first class: anchors and raw cells have one, planes have none, rows of decoded boxes either. */
function objectnessChoices(table: OutputTable, { perCell }: RowGrid, measured: BoxConvention | undefined, facts: HeadFacts): ObjectnessChoice[] {
  const { columns } = table;
  if (perCell === 3) return columns >= 6 && isOneOf(facts.head, ['yolov5']) ? [{ hasObjectness: true }] : [];
  const fact = (hasObjectness: boolean, source: Assumption['source'], evidence: string): ObjectnessChoice[] =>
    hasObjectness && columns < 6 ? [] : [{ hasObjectness, why: { what: 'objectness', value: hasObjectness ? 'column 5' : 'none', source, evidence } }];
  if (facts.head !== undefined) {
    if (facts.head === 'yolov8') return fact(false, 'option', '--head yolov8');
    // Planes of one box a cell hardly ever have an objectness: the number of classes has to speak for it.
    const isOdd = table.isPlanes && columns - 5 !== (namedClasses(facts) ?? COCO_CLASSES);
    const isRaw = facts.head === 'yolov5' && measured?.order === 'grid';
    return isOneOf(facts.head, ['yolov5', 'yolox']) && !isOdd && !isRaw ? fact(true, 'option', `--head ${facts.head}`) : [];
  }
  const named = namedClasses(facts);
  if (named === columns - 4) return fact(false, 'metadata', `${named} class names, ${columns} columns`);
  if (named === columns - 5) return table.isPlanes && measured?.order === 'grid' ? [] : fact(true, 'metadata', `${named} class names, ${columns} columns`);
  if (measured?.order === 'grid') return fact(true, 'assumed', 'undecoded boxes are those of YOLOX');
  if (table.isPlanes) return fact(false, 'assumed', 'planes are those of YOLOv8');
  if (columns === 4 + COCO_CLASSES) return fact(false, 'assumed', `${columns} columns are 4 + the ${COCO_CLASSES} classes of COCO`);
  if (columns === 5 + COCO_CLASSES || measured === undefined) return fact(true, 'assumed', columns === 5 + COCO_CLASSES ? `${columns} columns are 5 + the ${COCO_CLASSES} classes of COCO` : 'rows of one box a cell are those of YOLOX');
  const objectness = rangeOf(table, 4, 5);
  if (objectness && objectness[0] > 0.999 && objectness[1] < 1.001) return fact(true, 'measured', 'column 5 is 1 in all rows');
  return [...fact(false, 'assumed', 'the shape fits both'), ...fact(true, 'assumed', 'the shape fits both')];
}

function isOneOf(head: HeadKind | undefined, kinds: readonly HeadKind[]): boolean {
  return head === undefined || kinds.includes(head);
}

/** The head as a decoder knows it, and the nodes that make it so: none where it is one already. */
function assembleTable(table: OutputTable, dense: DenseHead, isLogits: boolean, { size }: HeadFacts): Pick<RecognisedHead, 'head' | 'tail'> {
  const writer = new TailWriter();
  const isGrid = dense.convention.order === 'grid';
  const planes = !dense.hasObjectness;
  const matrix = isGrid ? undefined : toCentreMatrix(dense.convention, size);
  const isChanged = isLogits || (matrix !== undefined && !isIdentity(matrix));
  const tensor = isPlain(table) && table.isPlanes === planes && !isChanged ? table.output.name : tableTensor(writer, table, isChanged ? false : planes);
  const last = isChanged ? convertColumns(writer, tensor, table.columns, matrix, isLogits, planes) : tensor;
  const dims = planes ? [1, table.columns, table.rows] : [1, table.rows, table.columns];
  return { head: headOf(dense, last), ...(writer.steps.length > 0 && { tail: tailOf(writer, last, dims) }) };
}

/** Rows with their boxes and scores converted, put together again. */
function convertColumns(writer: TailWriter, rows: string, columns: number, matrix: number[][] | undefined, isLogits: boolean, planes: boolean): string {
  const boxes = writer.gather(rows, range(0, 4), 2);
  const scores = writer.gather(rows, range(4, columns), 2);
  return joined(writer, [matrix ? writer.columns(boxes, matrix) : boxes, isLogits ? writer.sigmoid(scores) : scores], planes);
}

function joined(writer: TailWriter, parts: readonly string[], planes: boolean): string {
  return planes ? writer.concat(parts.map((part) => writer.transpose(part, [0, 2, 1])), 1) : writer.concat(parts, 2);
}

export function tailOf({ steps }: TailWriter, name: string, dims: readonly (number | string)[]): HeadTail {
  return { steps: [...steps], outputs: [{ name, dims }] };
}

function headOf({ convention, hasObjectness, grid }: DenseHead, output: string): ModelHead {
  if (convention.order === 'grid') return { kind: 'yolox', output, scales: grid.strides.map((stride): HeadScale => ({ stride })) };
  return { kind: hasObjectness ? 'yolov5' : 'yolov8', output };
}

/** Boxes and scores in outputs of their own (YOLOv7 and NAS, PP-YOLOE, DAMO-YOLO, YOLOv4): `[1,N,4]`, `[1,N,C]`, perhaps `[1,N,1]`. */
export function recogniseSplit(facts: HeadFacts): RecognisedHead[] {
  if (!isOneOf(facts.head, ['yolov8', 'yolov5'])) return [];
  const tables = facts.outputs.filter(({ isFloat }) => isFloat !== false).map(tablesOf);
  return tables.flatMap((readings, place) =>
    readings.filter(({ columns, rows }) => columns === 4 && rows > 4 && gridsOfRows(rows, facts.size).length > 0).flatMap((boxes) => splitHead(boxes, tables.filter((_, other) => other !== place), facts) ?? []),
  );
}

function splitHead(boxes: OutputTable, others: readonly (readonly OutputTable[])[], facts: HeadFacts): RecognisedHead | undefined {
  const beside = others.map((readings) => readings.find(({ rows }) => rows === boxes.rows)).filter((table) => table !== undefined);
  const named = namedClasses(facts);
  const scores = beside.toSorted((a, b) => Number(b.columns === named) - Number(a.columns === named) || b.columns - a.columns)[0];
  if (!scores) return undefined;
  // With four classes, both have the same shape.
  if (scores.columns === 4 && boxLikeness(scores, facts) >= boxLikeness(boxes, facts)) return undefined;
  const objectness = beside.find((table) => table !== scores && table.columns === 1);
  const grid = gridsOfRows(boxes.rows, facts.size)[0]!;
  const measured = measureConvention(boxes, grid, facts);
  const convention = decoded(conventionOf(measured, facts)) ?? guessedConvention(boxes);
  const scoreRange = rangeOf(scores, 0);
  const isLogits = scoreRange !== undefined && !areProbabilities(scoreRange);
  const writer = new TailWriter();
  const boxRows = writer.columns(tableTensor(writer, boxes, false), toCentreMatrix(convention, facts.size));
  const scoreTensor = tableTensor(writer, scores, !objectness);
  const scorePart = isLogits ? writer.sigmoid(scoreTensor) : scoreTensor;
  const parts = objectness
    ? [boxRows, objectnessPart(writer, objectness), scorePart]
    : [writer.transpose(boxRows, [0, 2, 1]), scorePart];
  const last = writer.concat(parts, objectness ? 2 : 1);
  const columns = 4 + (objectness ? 1 : 0) + scores.columns;
  return {
    head: { kind: objectness ? 'yolov5' : 'yolov8', output: last },
    classCount: scores.columns,
    tail: tailOf(writer, last, objectness ? [1, boxes.rows, columns] : [1, columns, boxes.rows]),
    assumptions: [
      { what: 'outputs', value: `boxes in ${boxes.output.name}, ${objectness ? `objectness in ${objectness.output.name}, ` : ''}scores of ${scores.columns} classes in ${scores.output.name}`, source: 'graph', evidence: `${boxes.rows} rows each: ${gridText(grid, facts.size)}` },
      conventionFact(convention, measured, facts),
      scoreFact(scoreRange, isLogits),
    ],
  };
}

function objectnessPart(writer: TailWriter, table: OutputTable): string {
  const range = rangeOf(table, 0);
  const tensor = tableTensor(writer, table, false);
  return range && !areProbabilities(range) ? writer.sigmoid(tensor) : tensor;
}

/** Greater where the name speaks of boxes, the values are no probabilities, or they lie around their cells. */
function boxLikeness(table: OutputTable, facts: HeadFacts): number {
  const range = rangeOf(table, 0);
  const isNamed = /box|loc|reg/i.test(table.output.name);
  const isWide = range !== undefined && !areProbabilities(range);
  const isPlaced = measureConvention(table, gridsOfRows(table.rows, facts.size)[0]!, facts) !== undefined;
  return Number(isPlaced) * 4 + Number(isNamed) * 2 + Number(isWide);
}

function decoded(convention: BoxConvention | undefined): BoxConvention | undefined {
  return convention?.order === 'grid' ? undefined : convention;
}

/** Corners are what exports with outputs of their own usually have; fractions where no value is over 2. */
function guessedConvention(boxes: OutputTable): BoxConvention {
  const range = rangeOf(boxes, 0);
  return { order: 'xyxy', normalised: range !== undefined && range[1] <= 2 };
}

function layoutFact({ output, columns, isPlanes }: OutputTable, { grid, hasObjectness, classCount }: DenseHead, { size }: HeadFacts): Assumption {
  const count = `4 ${hasObjectness ? '+ objectness ' : ''}+ ${classCount} classes`;
  return { what: 'output', value: `${output.name} [${output.dims.join(',')}]`, source: 'graph', evidence: `${columns} ${isPlanes ? 'planes' : 'columns'} are ${count}, a ${isPlanes ? 'column' : 'row'} for each of ${gridText(grid, size)}` };
}

export function conventionFact(convention: BoxConvention, measured: ConventionEvidence | undefined, { boxes, normalised }: HeadFacts): Assumption {
  const value = conventionText(convention);
  if (boxes !== undefined || normalised !== undefined) return { what: 'boxes', value, source: 'option', evidence: [boxes && `--boxes ${boxes}`, normalised && '--normalised'].filter(Boolean).join(' ') };
  if (!measured) return { what: 'boxes', value, source: 'assumed', evidence: 'their places on the test picture fit no reading clearly' };
  const { distance, nextDistance } = measured;
  return { what: 'boxes', value, source: 'measured', evidence: `read so, they lie ${distance.toFixed(2)} strides from their cells in the median, otherwise ${Number.isFinite(nextDistance) ? nextDistance.toFixed(2) : 'nowhere'}` };
}

export function scoreFact(range: readonly [number, number] | undefined, isLogits: boolean): Assumption {
  if (!range) return { what: 'scores', value: 'probabilities', source: 'assumed', evidence: 'no values were measured' };
  const between = `between ${range[0].toPrecision(3)} and ${range[1].toPrecision(3)} on the test picture`;
  return { what: 'scores', value: isLogits ? 'logits, made probabilities by a sigmoid' : 'probabilities', source: 'measured', evidence: between };
}

function isIdentity(matrix: readonly (readonly number[])[]): boolean {
  return matrix.every((row, i) => row.every((factor, j) => factor === (i === j ? 1 : 0)));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** Outputs that nothing of a recognised head reads. */
export function ignoredOutputs(outputs: readonly OutputSample[], { head, tail }: RecognisedHead): OutputSample[] {
  const read = new Set(tail ? tail.steps.flatMap(({ inputs }) => inputs.filter((input) => typeof input === 'string')) : []);
  for (const name of [head.output, ...(head.scales ?? []).map(({ output }) => output)]) if (name !== undefined) read.add(name);
  return outputs.filter(({ name }) => !read.has(name));
}
