import { AppError } from '../core/errors.js';
import type { HeadKind, HeadScale, ModelHead } from '../core/manifest.js';
import type { Size } from '../core/frame.js';
import { readHeadsMetadata } from './head-metadata.js';
import type { ModelMetadata } from './model-proto.js';
import { parseNames } from './names-metadata.js';

/** Shape of an output as it comes out of a run: no open dimensions. */
export interface OutputShape {
  readonly name: string;
  readonly dims: readonly number[];
}

export interface HeadFacts {
  readonly outputs: readonly OutputShape[];
  /** Of the model's input. */
  readonly size: Size;
  readonly metadata: ModelMetadata;
  /** The user's word where shapes don't tell. */
  readonly head?: HeadKind | undefined;
}

export interface RecognisedHead {
  readonly head: ModelHead;
  /** 1 for heads without class scores. */
  readonly classCount: number;
}

/** Sets of strides that detectors of this family have: usual, with a fourth scale, tiny. */
const STRIDE_SETS = [
  [8, 16, 32],
  [8, 16, 32, 64],
  [16, 32],
] as const;

/** The one Tiny-YOLOv2 that goes round as ONNX has the 20 classes of VOC; anchors in cells of 32 px, as published with it. */
const VOC_ANCHORS = [1.08, 1.19, 3.42, 4.41, 6.63, 11.38, 9.42, 5.11, 16.62, 10.52];
const VOC_CLASSES = 20;

/**
 * Tells from shapes and metadata how a model's outputs become boxes.
 *
 * @throws AppError ERR_MODEL_HEAD_UNKNOWN where nothing fits or more than one kind does; its fix names `--head`.
 */
export function recogniseHead(facts: HeadFacts): RecognisedHead {
  const travelling = readHeadsMetadata(facts.metadata);
  if (travelling && (facts.head === undefined || facts.head === travelling.head.kind)) return travelling;
  const found = RECOGNISERS.flatMap((recognise) => facts.outputs.map((output) => recognise(output, facts)).filter((head) => head !== undefined));
  const wanted = facts.head === undefined ? withNamedClasses(found, facts) : found.filter(({ head }) => head.kind === facts.head);
  // Several outputs may tell the same (a decoded one beside raw ones): the first is meant. Several kinds are no answer.
  const [first] = wanted;
  if (!first || wanted.some(({ head }) => head.kind !== first.head.kind)) throw unknownHead(facts, wanted);
  return first;
}

/** At small sizes numbers of boxes and of columns can change places: the class names in the file tell which is which. */
function withNamedClasses(found: readonly RecognisedHead[], { metadata }: HeadFacts): readonly RecognisedHead[] {
  const named = found.filter(({ classCount }) => classCount === namesCount(metadata));
  return named.length > 0 ? named : found;
}

type Recogniser = (output: OutputShape, facts: HeadFacts) => RecognisedHead | undefined;

const RECOGNISERS: readonly Recogniser[] = [yolov5, yolov8, yolov10, yolox, tinyYolov2];

/** `[1, N, 5 + C]`, three anchors a cell. */
function yolov5({ name, dims }: OutputShape, { size }: HeadFacts): RecognisedHead | undefined {
  const [batch, rows = 0, columns = 0] = dims;
  if (dims.length !== 3 || batch !== 1 || columns < 6) return undefined;
  if (!STRIDE_SETS.some((strides) => rows === 3 * cellCount(size, strides))) return undefined;
  return { head: { kind: 'yolov5', output: name }, classCount: columns - 5 };
}

/** `[1, 4 + C, N]`, a box a cell. */
function yolov8({ name, dims }: OutputShape, { size }: HeadFacts): RecognisedHead | undefined {
  const [batch, planes = 0, boxes = 0] = dims;
  if (dims.length !== 3 || batch !== 1 || planes < 5) return undefined;
  if (!STRIDE_SETS.some((strides) => boxes === cellCount(size, strides))) return undefined;
  return { head: { kind: 'yolov8', output: name }, classCount: planes - 4 };
}

/** `[1, 300, 6]`: rows of x1, y1, x2, y2, score, class. How many classes there are only the names tell. */
function yolov10({ name, dims }: OutputShape, { metadata }: HeadFacts): RecognisedHead | undefined {
  const [batch, rows = 0, columns] = dims;
  if (dims.length !== 3 || batch !== 1 || columns !== 6 || rows % 100 !== 0 || rows > 1000) return undefined;
  return { head: { kind: 'yolov10', output: name }, classCount: namesCount(metadata) ?? 80 };
}

/** `[1, N, 5 + C]`, one box a cell. */
function yolox({ name, dims }: OutputShape, { size }: HeadFacts): RecognisedHead | undefined {
  const [batch, rows = 0, columns = 0] = dims;
  if (dims.length !== 3 || batch !== 1 || columns < 6) return undefined;
  const strides = STRIDE_SETS.find((set) => rows === cellCount(size, set));
  if (!strides) return undefined;
  return { head: { kind: 'yolox', output: name, scales: strides.map((stride): HeadScale => ({ stride })) }, classCount: columns - 5 };
}

/** `[1, 5 * (5 + 20), H, W]`. Other class counts come with other anchors, which no shape tells. */
function tinyYolov2({ name, dims }: OutputShape, { size }: HeadFacts): RecognisedHead | undefined {
  const [batch, channels, height = 0, width = 0] = dims;
  const stride = size.width / width;
  const isVoc = dims.length === 4 && batch === 1 && channels === (VOC_ANCHORS.length / 2) * (5 + VOC_CLASSES);
  if (!isVoc || stride !== 32 || size.height / height !== stride) return undefined;
  const anchors = Array.from({ length: VOC_ANCHORS.length / 2 }, (_, i) => [VOC_ANCHORS[2 * i]! * stride, VOC_ANCHORS[2 * i + 1]! * stride] as const);
  return { head: { kind: 'tiny-yolov2', scales: [{ output: name, stride, anchors }] }, classCount: VOC_CLASSES };
}

function cellCount({ width, height }: Size, strides: readonly number[]): number {
  return strides.reduce((sum, stride) => sum + Math.ceil(width / stride) * Math.ceil(height / stride), 0);
}

function namesCount({ names }: ModelMetadata): number | undefined {
  return names === undefined ? undefined : parseNames(names)?.length;
}

function unknownHead({ outputs, size, head }: HeadFacts, found: readonly RecognisedHead[]): AppError {
  const shapes = outputs.map(({ name, dims }) => `${name} [${dims.join(',')}]`).join(', ') || 'none';
  const kinds = [...new Set(found.map((recognised) => recognised.head.kind))];
  const isRaw = outputs.some(({ dims }) => dims.length === 4 || dims.length === 5);
  const why = kinds.length > 1 ? `could be ${kinds.join(' or ')}` : head ? `don't look like ${head}` : 'are none that is known';
  return new AppError('ERR_MODEL_HEAD_UNKNOWN', `The outputs at an input of ${size.width}x${size.height} ${why}: ${shapes}`, {
    fix: isRaw
      ? 'Raw anchor heads need their anchors: add the Darknet .cfg and .weights, export with the decoding inside, or write a manifest.json beside the model.'
      : 'Say which head it is with --head yolov5, yolov8, yolov10 or yolox, and the input size with --size.',
  });
}
