import { AppError } from '../../core/errors.js';
import type { Assumption } from '../../core/assumption.js';
import type { Anchors, HeadScale } from '../../core/manifest.js';
import type { Size } from '../../core/size.js';
import { namedClasses, shapeText, type HeadFacts, type OutputSample, type RecognisedHead } from './head-facts.js';
import { TailWriter } from './head-tail.js';
import { areProbabilities } from './output-table.js';
import { scoreFact, tailOf } from './recognise-dense.js';

const STRIDES = [4, 8, 16, 32, 64, 128];
const COCO_CLASSES = 80;
/** Bins of each side of a box in heads of YOLOv8's kind (distribution focal loss). */
const BINS = 16;

/** How an output holds a grid. `anchors` stands apart in five dimensions, inside the channels in four. */
type GridLayout = 'nchw' | 'nhwc' | 'nahwc' | 'nachw' | 'nhwac';

/** An output with the values of every cell of one scale. */
interface GridOutput {
  readonly output: OutputSample;
  readonly layout: GridLayout;
  readonly stride: number;
  /** In five dimensions only. */
  readonly anchors: number | undefined;
  /** Of one anchor in five dimensions, of all in four. */
  readonly channels: number;
}

/** The grids of one stride, finest stride first. */
interface GridScale {
  readonly stride: number;
  readonly grids: readonly GridOutput[];
}

/**
 * Heads whose scales are outputs of their own, one each or several: anchor heads (YOLOv3 to v7, in whichever order of dimensions), YOLOX
 * and YOLOv8 before their last layer.
 *
 * @throws AppError ERR_MODEL_HEAD_UNKNOWN where anchors were given that don't fit.
 */
export function recogniseGrids(facts: HeadFacts): RecognisedHead[] {
  const scales = scalesOf(facts);
  if (scales.length === 0) return [];
  const found = [anchorHead(scales, facts), yoloxHead(scales, facts), binnedHead(scales, facts)];
  return found.filter((head) => head !== undefined);
}

/** Raw anchor grids that only lack their anchors: the error can say what is missing. */
export function hasGrids(facts: HeadFacts): boolean {
  return scalesOf(facts).length > 0;
}

function scalesOf({ outputs, size }: HeadFacts): GridScale[] {
  const grids = outputs.map((output) => gridOf(output, size)).filter((grid) => grid !== undefined);
  const strides = [...new Set(grids.map(({ stride }) => stride))].sort((a, b) => a - b);
  return strides.map((stride) => ({ stride, grids: grids.filter((grid) => grid.stride === stride) }));
}

function gridOf(output: OutputSample, { width, height }: Size): GridOutput | undefined {
  const { dims } = output;
  if (dims[0] !== 1 || output.isFloat === false) return undefined;
  const strideOf = (rows: number, columns: number): number | undefined => STRIDES.find((stride) => rows === Math.ceil(height / stride) && columns === Math.ceil(width / stride));
  const at = (axis: number): number => dims[axis] ?? 0;
  const candidates: readonly (readonly [GridLayout, number | undefined, number | undefined, number])[] =
    dims.length === 4
      ? [['nchw', strideOf(at(2), at(3)), undefined, at(1)], ['nhwc', strideOf(at(1), at(2)), undefined, at(3)]]
      : dims.length === 5
        ? [['nahwc', strideOf(at(2), at(3)), at(1), at(4)], ['nachw', strideOf(at(3), at(4)), at(1), at(2)], ['nhwac', strideOf(at(1), at(2)), at(3), at(4)]]
        : [];
  const found = candidates.find(([, stride]) => stride !== undefined);
  return found && { output, layout: found[0], stride: found[1]!, anchors: found[2], channels: found[3] };
}

/** Permutation that brings a layout to batch, (anchors,) channels, rows, columns. */
const TO_CHANNELS_FIRST: Readonly<Record<GridLayout, readonly number[]>> = {
  nchw: [0, 1, 2, 3],
  nhwc: [0, 3, 1, 2],
  nahwc: [0, 1, 4, 2, 3],
  nachw: [0, 1, 2, 3, 4],
  nhwac: [0, 3, 4, 1, 2],
};

function cellsOf(stride: number, { width, height }: Size): { readonly columns: number; readonly rows: number } {
  return { columns: Math.ceil(width / stride), rows: Math.ceil(height / stride) };
}

/** One output a scale, `anchors * (5 + classes)` channels a cell. Anchors are the user's word: no graph holds them. */
function anchorHead(scales: readonly GridScale[], facts: HeadFacts): RecognisedHead | undefined {
  const kind = facts.head ?? (scales[0]!.grids[0]!.anchors === undefined ? undefined : 'yolov5-raw');
  if (!facts.anchors || (kind !== 'yolov5-raw' && kind !== 'darknet' && kind !== 'tiny-yolov2')) return undefined;
  const anchors = anchorsOfScales(facts.anchors, scales);
  const perAnchor = scales.map(({ grids }, i) => {
    const [grid] = grids;
    if (grids.length > 1) throw misfit(`stride ${scales[i]!.stride} has ${grids.length} outputs`, facts);
    if (grid!.anchors !== undefined && grid!.anchors !== anchors[i]!.length) throw misfit(`${shapeText(grid!.output)} has ${grid!.anchors} anchors, --anchors names ${anchors[i]!.length}`, facts);
    return grid!.anchors === undefined ? grid!.channels / anchors[i]!.length : grid!.channels;
  });
  const [columns = 0] = perAnchor;
  if (!Number.isInteger(columns) || columns < 5 || perAnchor.some((count) => count !== columns)) {
    throw misfit(`the channels of each anchor would be ${perAnchor.map((count) => Number(count.toFixed(2))).join(', ')}, expected 5 + classes on every scale`, facts);
  }
  const writer = new TailWriter();
  const tensors = scales.map(({ grids, stride }, i) => channelsFirst(writer, grids[0]!, [1, anchors[i]!.length * columns, cellsOf(stride, facts.size).rows, cellsOf(stride, facts.size).columns]));
  const outputs = scales.map(({ stride }, i) => ({ name: tensors[i]!, dims: [1, anchors[i]!.length * columns, cellsOf(stride, facts.size).rows, cellsOf(stride, facts.size).columns] }));
  return {
    head: { kind, scales: scales.map(({ stride }, i): HeadScale => ({ output: tensors[i]!, stride, anchors: anchors[i]! })), ...(columns === 5 && { classes: false }) },
    classCount: Math.max(1, columns - 5),
    ...(writer.steps.length > 0 && { tail: { steps: [...writer.steps], outputs } }),
    assumptions: [
      ...scales.map(({ stride, grids }, i): Assumption => ({ what: `output of stride ${stride}`, value: shapeText(grids[0]!.output), source: 'graph', evidence: `${anchors[i]!.length} anchors x (5 + ${columns - 5} classes), ${grids[0]!.layout}` })),
      { what: 'anchors', value: anchors.map((scale) => scale.map((pair) => pair.join('x')).join(' ')).join(' | '), source: 'option', evidence: '--anchors' },
    ],
  };
}

/** One list is dealt out evenly. */
function anchorsOfScales(anchors: readonly Anchors[], scales: readonly GridScale[]): readonly Anchors[] {
  if (anchors.length === scales.length) return anchors;
  const all = anchors.flat();
  const share = all.length / scales.length;
  if (anchors.length > 1 || !Number.isInteger(share)) {
    throw new AppError('ERR_MODEL_HEAD_UNKNOWN', `--anchors has ${anchors.length > 1 ? `${anchors.length} scales` : `${all.length} anchors`}, the model has ${scales.length} scales of strides ${scales.map(({ stride }) => stride).join(', ')}`, {
      fix: "Write the anchors from the finest scale on, scales apart by '/': --anchors \"10,13 16,30 / 30,61 62,45\".",
    });
  }
  return scales.map((_, i) => all.slice(i * share, (i + 1) * share));
}

function channelsFirst(writer: TailWriter, { output, layout, anchors }: GridOutput, dims: readonly number[]): string {
  const turned = writer.transpose(output.name, TO_CHANNELS_FIRST[layout]);
  return anchors === undefined ? turned : writer.reshape(turned, dims);
}

/** YOLOX before its scales are joined: `4 + 1 + classes` channels a cell, together or in three outputs. */
function yoloxHead(scales: readonly GridScale[], facts: HeadFacts): RecognisedHead | undefined {
  if (facts.head !== undefined && facts.head !== 'yolox') return undefined;
  const parts = scales.map((scale) => yoloxParts(scale, facts));
  if (parts.some((part) => part === undefined)) return undefined;
  const columns = parts[0]!.reduce((sum, { channels }) => sum + channels, 0);
  if (parts.some((part) => part!.reduce((sum, { channels }) => sum + channels, 0) !== columns)) return undefined;
  const scores = parts.flatMap((part) => part!.map((grid, i) => rangeOfChannels(grid, part!.length === 1 ? 4 : i === 0 ? grid.channels : 0))).filter((range) => range !== undefined);
  const range = joinRanges(scores);
  const isLogits = range !== undefined && !areProbabilities(range);
  const writer = new TailWriter();
  const rows = writer.concat(parts.map((part) => writer.transpose(writer.concat(part!.map((grid) => flattened(writer, grid)), 1), [0, 2, 1])), 1);
  const last = isLogits ? writer.concat([writer.gather(rows, [0, 1, 2, 3], 2), writer.sigmoid(writer.gather(rows, Array.from({ length: columns - 4 }, (_, i) => 4 + i), 2))], 2) : rows;
  return {
    head: { kind: 'yolox', output: last, scales: scales.map(({ stride }): HeadScale => ({ stride })) },
    classCount: columns - 5,
    tail: tailOf(writer, last, [1, cellsTotal(scales, facts.size), columns]),
    assumptions: [
      { what: 'outputs', value: parts.flat().map((grid) => shapeText(grid!.output)).join(', '), source: 'graph', evidence: `4 + objectness + ${columns - 5} classes for each cell of strides ${scales.map(({ stride }) => stride).join(', ')}` },
      { what: 'boxes', value: 'offsets to cells, not decoded', source: 'assumed', evidence: 'a head without anchors in grids is read as YOLOX' },
      scoreFact(range, isLogits),
    ],
  };
}

/** Boxes, objectness, classes in this order; one grid where they are together. */
function yoloxParts({ grids }: GridScale, facts: HeadFacts): GridOutput[] | undefined {
  if (grids.some(({ anchors }) => anchors !== undefined)) return undefined;
  if (grids.length === 1) {
    const classes = grids[0]!.channels - 5;
    const isKnown = classes > 0 && (classes === namedClasses(facts) || classes === COCO_CLASSES || facts.head === 'yolox');
    return isKnown ? [grids[0]!] : undefined;
  }
  const box = boxGrid(grids.filter(({ channels }) => channels === 4));
  const objectness = grids.find(({ channels }) => channels === 1);
  const classes = grids.find((grid) => grid !== box && grid !== objectness);
  return grids.length === 3 && box && objectness && classes ? [box, objectness, classes] : undefined;
}

/** With four classes, boxes and scores have the same shape: names tell, or values, since only scores stay between 0 and 1. */
function boxGrid(candidates: readonly GridOutput[]): GridOutput | undefined {
  if (candidates.length < 2) return candidates[0];
  const named = candidates.filter(({ output }) => /reg|box|loc/i.test(output.name));
  const unlike = candidates.filter(({ output }) => output.data && !output.data.every((value) => value >= 0 && value <= 1));
  return [named, unlike].find((found) => found.length === 1)?.[0];
}

/** `[1, channels, cells]`. */
function flattened(writer: TailWriter, { output, layout, channels }: GridOutput): string {
  return writer.reshape(writer.transpose(output.name, TO_CHANNELS_FIRST[layout]), [1, channels, -1]);
}

/** YOLOv8 before its last layer: for each side of a box the bins of its distance, then class scores; together or in two outputs. */
function binnedHead(scales: readonly GridScale[], facts: HeadFacts): RecognisedHead | undefined {
  if (facts.head !== undefined && facts.head !== 'yolov8') return undefined;
  const parts = scales.map((scale) => binnedParts(scale, facts));
  if (parts.some((part) => part === undefined)) return undefined;
  const classes = parts[0]!.classes;
  if (parts.some((part) => part!.classes !== classes)) return undefined;
  const range = joinRanges(parts.map((part) => (part!.scores ? rangeOfChannels(part!.scores, 0) : rangeOfChannels(part!.boxes, 4 * BINS))).filter((found) => found !== undefined));
  const isLogits = range !== undefined && !areProbabilities(range);
  const writer = new TailWriter();
  const decoded = scales.map(({ stride }, i) => binnedScale(writer, parts[i]!, stride, facts.size, isLogits));
  const last = writer.concat(decoded, 2);
  return {
    head: { kind: 'yolov8', output: last },
    classCount: classes,
    tail: tailOf(writer, last, [1, 4 + classes, cellsTotal(scales, facts.size)]),
    assumptions: [
      { what: 'outputs', value: scales.flatMap(({ grids }) => grids.map(({ output }) => shapeText(output))).join(', '), source: 'graph', evidence: `4 x ${BINS} bins of distance + ${classes} classes for each cell of strides ${scales.map(({ stride }) => stride).join(', ')}` },
      scoreFact(range, isLogits),
    ],
  };
}

interface BinnedParts {
  readonly boxes: GridOutput;
  /** Undefined where they follow the boxes in the same output. */
  readonly scores: GridOutput | undefined;
  readonly classes: number;
}

function binnedParts({ grids }: GridScale, facts: HeadFacts): BinnedParts | undefined {
  const named = namedClasses(facts) ?? COCO_CLASSES;
  const [first] = grids;
  if (grids.some(({ anchors }) => anchors !== undefined)) return undefined;
  if (grids.length === 1) {
    const classes = first!.channels - 4 * BINS;
    return classes > 0 && (classes === named || facts.head === 'yolov8') ? { boxes: first!, scores: undefined, classes } : undefined;
  }
  const boxes = grids.find(({ channels }) => channels === 4 * BINS);
  const scores = grids.filter((grid) => grid !== boxes).sort((a, b) => b.channels - a.channels)[0];
  return boxes && scores ? { boxes, scores, classes: scores.channels } : undefined;
}

/** The mean of each distance over its bins, from the middle of the cell; `[1, 4 + classes, cells]`. */
function binnedScale(writer: TailWriter, { boxes, scores, classes }: BinnedParts, stride: number, size: Size, isLogits: boolean): string {
  const flat = flattened(writer, boxes);
  const bins = scores ? flat : writer.gather(flat, indexes(0, 4 * BINS), 1);
  const classScores = scores ? flattened(writer, scores) : writer.gather(flat, indexes(4 * BINS, 4 * BINS + classes), 1);
  const apart = writer.transpose(writer.reshape(bins, [1, 4, BINS, -1]), [0, 3, 1, 2]);
  const shares = writer.node('Softmax', [apart], { axis: { i: 3 } });
  const distances = writer.reshape(writer.node('MatMul', [shares, { floats: indexes(0, BINS), dims: [BINS, 1] }]), [1, -1, 4]);
  // Rows of left, top, right, bottom as centre (from the cell's) and size.
  const half = stride / 2;
  const offsets = writer.columns(distances, [[-half, 0, stride, 0], [0, -half, 0, stride], [half, 0, stride, 0], [0, half, 0, stride]]);
  const rows = writer.node('Add', [offsets, { cells: { ...cellsOf(stride, size), stride } }]);
  return writer.concat([writer.transpose(rows, [0, 2, 1]), isLogits ? writer.sigmoid(classScores) : classScores], 1);
}

function indexes(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function cellsTotal(scales: readonly GridScale[], size: Size): number {
  return scales.reduce((sum, { stride }) => sum + cellsOf(stride, size).columns * cellsOf(stride, size).rows, 0);
}

/** Least and greatest value of the channels from `from` on. */
function rangeOfChannels({ output, layout, channels }: GridOutput, from: number): readonly [number, number] | undefined {
  if (!output.data || from >= channels) return undefined;
  const isFirst = layout === 'nchw';
  const cells = output.data.length / channels;
  let [min, max] = [Infinity, -Infinity];
  for (let i = 0; i < output.data.length; i += 1) {
    if ((isFirst ? Math.floor(i / cells) : i % channels) < from) continue;
    min = Math.min(min, output.data[i]!);
    max = Math.max(max, output.data[i]!);
  }
  return [min, max];
}

function joinRanges(ranges: readonly (readonly [number, number])[]): readonly [number, number] | undefined {
  return ranges.length === 0 ? undefined : [Math.min(...ranges.map(([min]) => min)), Math.max(...ranges.map(([, max]) => max))];
}

function misfit(why: string, { outputs }: HeadFacts): AppError {
  return new AppError('ERR_MODEL_HEAD_UNKNOWN', `The anchors don't fit the outputs ${outputs.map(shapeText).join(', ')}: ${why}`, {
    fix: "Write all anchors of the model in pixels of its input, from the finest scale on: --anchors \"10,13 16,30 33,23 / 30,61 62,45 59,119\".",
  });
}

