import { AppError } from '../../core/errors.js';
import type { HeadKind, HeadScale, ModelHead, ModelInput } from '../../core/manifest.js';
import { sigmoid } from '../../detector/logit.js';
import type { ModelOutputs, OutputTensor } from '../../detector/output-tensor.js';
import { seededIntegers } from '../../evaluation/random.js';
import { OfflineSession } from '../../inference/offline-session.js';
import { headsMetadata } from '../../onnx/recognise/head-metadata.js';
import { addOutputs, exposeRawHead, lastConvolutions } from '../../onnx/head-layers.js';
import { FRAME_INPUT, prepareInput } from '../../onnx/prepare/prepare-input.js';
import type { CandidateModel } from '../score-model.js';

/** Pictures of noise that the model is asked about: what it says doesn't matter, only how its outputs hang together. */
const PROBES = 2;
/** Of a decoded number, relative where it is over 1: what float32 leaves of a different order of the same operations. */
const TOLERANCE = 1e-4;
/** Anchors so near a whole number of pixels are meant to be it. */
const WHOLE_PIXEL = 1e-3;

/** What a search for the raw head found. */
export interface RawHead {
  readonly model: CandidateModel;
  /** Greatest difference between the model's own boxes and those decoded from its raw head, relative where over 1. */
  readonly largestError: number;
}

/** The raw output of one scale, with the shape that a run gave it. */
interface RawScale {
  readonly output: string;
  readonly anchors: number;
  readonly width: number;
  readonly height: number;
  readonly stride: number;
}

/** Raw outputs and the decoded one, of one run. */
interface Probe {
  readonly raw: ModelOutputs;
  readonly decoded: OutputTensor;
}

/** How a tail turns raw numbers into a box. */
interface TailFormula {
  readonly kind: HeadKind;
  readonly offset: (raw: number) => number;
  readonly sizeFactor: (raw: number) => number;
  readonly scaleXy?: number;
}

const FORMULAS: readonly TailFormula[] = [
  { kind: 'yolov5-raw', offset: (raw) => 2 * sigmoid(raw) - 0.5, sizeFactor: (raw) => (2 * sigmoid(raw)) ** 2 },
  { kind: 'darknet', offset: sigmoid, sizeFactor: Math.exp },
  { kind: 'darknet', offset: (raw) => 2 * sigmoid(raw) - 0.5, sizeFactor: Math.exp, scaleXy: 2 },
];

/**
 * Cuts the decoding off a YOLOv5-style export, `[1, N, 5 + classes]`: what is left are the raw outputs of its last convolutions, which
 * can be pruned. Strides, order of rows and anchors are not read from the graph's constants, which every exporter names and folds in
 * another way: they are what explains the decoded boxes by the raw numbers, and they are believed only where they explain all of them.
 *
 * @throws AppError ERR_MODEL_HEAD_UNKNOWN where they explain nothing: another tail, scores multiplied within, suppression in the graph.
 */
export async function cutDecodedHead(model: CandidateModel): Promise<RawHead> {
  const { manifest } = model;
  const columns = 5 + manifest.labels.length;
  const output = manifest.head.output ?? '';
  const convolutions = lastConvolutions(model.onnx, output);
  if (convolutions.length === 0 || convolutions.some(({ filters }) => filters === 0 || filters % columns !== 0)) {
    const found = convolutions.map(({ name, filters }) => `${name} with ${filters} filters`).join(', ') || 'none';
    throw unexplained(manifest.id, `expected convolutions of a multiple of ${columns} filters (5 + ${manifest.labels.length} classes) behind '${output}', found ${found}`);
  }
  const probes = await probe(model, output, convolutions.map(({ name }) => name));
  const scales = rawScales(probes[0]!, convolutions, columns, manifest.input);
  const blocks = orderOfRows(manifest.id, probes, scales, columns);
  const { kind, found, largestError } = explain(manifest.id, probes, blocks, columns);
  // The order of the rows becomes that of the scales: equally confident boxes keep their order.
  const head: ModelHead = { kind, scales: found };
  const outputs = blocks.map(({ scale }) => ({ name: scale.output, dims: [1, scale.anchors * columns, scale.height, scale.width] }));
  return { model: { manifest: { ...manifest, head }, onnx: exposeRawHead(model.onnx, outputs, headsMetadata(head, manifest.labels.length)) }, largestError };
}

async function probe({ manifest, onnx }: CandidateModel, decoded: string, raw: readonly string[]): Promise<Probe[]> {
  const { input } = manifest;
  const session = await OfflineSession.create(prepareInput(addOutputs(onnx, raw), input));
  const below = seededIntegers(1);
  const probes: Probe[] = [];
  try {
    for (let i = 0; i < PROBES; i += 1) {
      const data = Uint8Array.from({ length: 3 * input.width * input.height }, () => below(256));
      const outputs = (await session.run({ [FRAME_INPUT]: { type: 'uint8', dims: [1, 3, input.height, input.width], data } })) as ModelOutputs;
      probes.push({ raw: Object.fromEntries(raw.map((name) => [name, outputs[name]!])), decoded: outputs[decoded]! });
    }
  } finally {
    await session.release();
  }
  return probes;
}

function rawScales({ raw }: Probe, convolutions: readonly { readonly name: string; readonly filters: number }[], columns: number, input: ModelInput): RawScale[] {
  return convolutions.map(({ name, filters }) => {
    const [, , height = 1, width = 1] = raw[name]!.dims;
    return { output: name, anchors: filters / columns, width, height, stride: Math.round(input.width / width) };
  });
}

/** Where a scale's rows stand among all, and in which order. */
interface RowBlock {
  readonly scale: RawScale;
  /** Row of the first anchor's first cell. */
  readonly first: number;
  /** True: all cells of an anchor, then of the next. False: all anchors of a cell, then of the next. */
  readonly byAnchor: boolean;
}

/** Objectness is told by its own number alone: it says which row belongs to which cell of which anchor. */
function orderOfRows(id: string, probes: readonly Probe[], scales: readonly RawScale[], columns: number): RowBlock[] {
  const rows = probes[0]!.decoded.dims[1] ?? 0;
  const expected = scales.reduce((sum, { anchors, width, height }) => sum + anchors * width * height, 0);
  if (rows !== expected) throw unexplained(id, `${expected} boxes are in its raw outputs, ${rows} in its decoded one`);
  const blocks: RowBlock[] = [];
  let first = 0;
  const left = [...scales];
  while (left.length > 0) {
    const block = left.flatMap((scale) => [true, false].map((byAnchor): RowBlock => ({ scale, first, byAnchor }))).find((one) => objectnessFits(one, probes, columns));
    if (!block) throw unexplained(id, `no raw output has the objectness of its rows from ${first} on`);
    blocks.push(block);
    left.splice(left.indexOf(block.scale), 1);
    first += block.scale.anchors * block.scale.width * block.scale.height;
  }
  return blocks;
}

function objectnessFits(block: RowBlock, probes: readonly Probe[], columns: number): boolean {
  return probes.every((one) => boxesOf(block, columns).every(({ rawAt, cells, rowAt }) => isClose(one.decoded.data[rowAt + 4]!, sigmoid(one.raw[block.scale.output]!.data[rawAt + 4 * cells]!))));
}

/** One box in both outputs. */
interface BoxPlace {
  readonly anchor: number;
  readonly column: number;
  readonly row: number;
  /** Its first raw number; the others lie `cells` apart. */
  readonly rawAt: number;
  readonly cells: number;
  /** Its first decoded number. */
  readonly rowAt: number;
}

function boxesOf({ scale, first, byAnchor }: RowBlock, columns: number): BoxPlace[] {
  const { anchors, width, height } = scale;
  const cells = width * height;
  return Array.from({ length: anchors * cells }, (_, i) => {
    const anchor = byAnchor ? Math.floor(i / cells) : i % anchors;
    const cell = byAnchor ? i % cells : Math.floor(i / anchors);
    return { anchor, column: cell % width, row: Math.floor(cell / width), rawAt: anchor * columns * cells + cell, cells, rowAt: (first + i) * columns };
  });
}

interface Explanation {
  readonly kind: HeadKind;
  readonly found: readonly HeadScale[];
  readonly largestError: number;
}

function explain(id: string, probes: readonly Probe[], blocks: readonly RowBlock[], columns: number): Explanation {
  let nearest = Infinity;
  for (const formula of FORMULAS) {
    const found = blocks.map((block): HeadScale => ({ output: block.scale.output, stride: block.scale.stride, anchors: solveAnchors(block, probes[0]!, formula, columns), ...(formula.scaleXy !== undefined && { scaleXy: formula.scaleXy }) }));
    const largestError = Math.max(...blocks.flatMap((block, i) => probes.map((one) => errorOf(block, found[i]!, one, formula, columns))));
    if (largestError <= TOLERANCE) return { kind: formula.kind, found, largestError };
    // Math.min of NaN is NaN.
    if (largestError < nearest) nearest = largestError;
  }
  throw unexplained(id, `neither YOLOv5's nor Darknet's formula makes its boxes of its raw numbers (nearest: wrong by ${nearest.toPrecision(2)}, at most ${TOLERANCE} is rounding)`);
}

/** The median over all cells: where the formula is right they all agree, and rounding is least in the middle. */
function solveAnchors(block: RowBlock, { raw, decoded }: Probe, { sizeFactor }: TailFormula, columns: number): [number, number][] {
  const { data } = raw[block.scale.output]!;
  const places = boxesOf(block, columns);
  return Array.from({ length: block.scale.anchors }, (_, anchor) => {
    const own = places.filter((place) => place.anchor === anchor);
    const side = (offset: number): number => {
      const solved = Float64Array.from(own, ({ rawAt, rowAt, cells }) => decoded.data[rowAt + offset]! / sizeFactor(data[rawAt + offset * cells]!)).sort();
      const median = solved[solved.length >> 1]!;
      return Math.abs(median - Math.round(median)) < WHOLE_PIXEL ? Math.round(median) : Number(median.toPrecision(7));
    };
    return [side(2), side(3)];
  });
}

/** Over every number of every box, classes too. */
function errorOf(block: RowBlock, { anchors, stride }: HeadScale, { raw, decoded }: Probe, { offset, sizeFactor }: TailFormula, columns: number): number {
  const { data } = raw[block.scale.output]!;
  let largest = 0;
  for (const { anchor, column, row, rawAt, cells, rowAt } of boxesOf(block, columns)) {
    for (let i = 0; i < columns; i += 1) {
      const value = data[rawAt + i * cells]!;
      const expected = i < 2 ? (offset(value) + (i === 0 ? column : row)) * stride : i < 4 ? sizeFactor(value) * anchors![anchor]![i - 2]! : sigmoid(value);
      const found = decoded.data[rowAt + i]!;
      const error = Math.abs(found - expected) / Math.max(1, Math.abs(expected));
      // False for NaN, too.
      if (!(error <= largest)) largest = error;
    }
  }
  return largest;
}

function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(b));
}

function unexplained(id: string, why: string): AppError {
  return new AppError('ERR_MODEL_HEAD_UNKNOWN', `The decoding of ${id} can't be cut off: ${why}`, {
    fix: 'Export YOLOv5 with its usual detection layer: one output [1, N, 5 + classes], no suppression in the graph.',
  });
}
