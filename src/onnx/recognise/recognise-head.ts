import { AppError } from '../../core/errors.js';
import { shapeText, namedClasses, type HeadFacts, type OutputSample, type RecognisedHead } from './head-facts.js';
import { readHeadsMetadata } from './head-metadata.js';
import { recogniseDense, recogniseSplit } from './recognise-dense.js';
import { recogniseParts, recogniseRows } from './recognise-end-to-end.js';
import { hasGrids, recogniseGrids } from './recognise-grids.js';

export type { HeadFacts, OutputSample, OutputShape, RecognisedHead } from './head-facts.js';

/** The one Tiny-YOLOv2 that goes round as ONNX has the 20 classes of VOC; anchors in cells of 32 px, as published with it. */
const VOC_ANCHORS = [1.08, 1.19, 3.42, 4.41, 6.63, 11.38, 9.42, 5.11, 16.62, 10.52];
const VOC_CLASSES = 20;

/**
 * Tells from shapes, values and metadata how a model's outputs become boxes, and what has to be put behind it first.
 *
 * @throws AppError ERR_MODEL_HEAD_UNKNOWN where nothing fits or more than one kind does; its fix names the options that help.
 */
export function recogniseHead(facts: HeadFacts): RecognisedHead {
  const travelling = readHeadsMetadata(facts.metadata);
  if (travelling && (facts.head === undefined || facts.head === travelling.head.kind)) return travelling;
  const named = namedClasses(facts);
  const isNamed = ({ classCount }: RecognisedHead): boolean => classCount === named;
  // At small sizes numbers of boxes and of columns can change places: the class names tell which is which.
  return (named === undefined ? undefined : firstOf(facts, isNamed)) ?? firstOf(facts, () => true) ?? refuse(facts, []);
}

function firstOf(facts: HeadFacts, isMeant: (head: RecognisedHead) => boolean): RecognisedHead | undefined {
  for (const recognise of RECOGNISERS) {
    const found = recognise(facts).filter((recognised) => isMeant(recognised) && isAsked(facts, recognised));
    // Several outputs may tell the same (a decoded one beside raw ones): the first is meant. Several kinds are no answer.
    const [first] = found;
    if (first) return found.every(({ head }) => head.kind === first.head.kind) ? first : refuse(facts, found);
  }
  return undefined;
}

function refuse(facts: HeadFacts, found: readonly RecognisedHead[]): never {
  throw unknownHead(facts, found);
}

/** Rows of YOLOv10 are `rows` once their columns had to be put in order, YOLOX with its decoding inside is read as YOLOv5 is. */
function isAsked({ head: asked }: HeadFacts, { head: { kind } }: RecognisedHead): boolean {
  return asked === undefined || asked === kind || (asked === 'yolov10' && kind === 'rows') || (asked === 'yolox' && kind === 'yolov5');
}

/** One group after the other: outputs that belong together, then what could be mistaken for each other together, then raw grids. */
const RECOGNISERS: readonly ((facts: HeadFacts) => RecognisedHead[])[] = [
  recogniseParts,
  recogniseSplit,
  (facts) => [...recogniseDense(facts), ...recogniseRows(facts)],
  (facts) => facts.outputs.map((output) => tinyYolov2(output, facts)).filter((head) => head !== undefined),
  recogniseGrids,
];

/** `[1, 5 * (5 + 20), H, W]`. Other class counts come with other anchors, which no shape tells. */
function tinyYolov2({ name, dims }: OutputSample, { size, head }: HeadFacts): RecognisedHead | undefined {
  const [batch, channels, height = 0, width = 0] = dims;
  const stride = size.width / width;
  const isVoc = dims.length === 4 && batch === 1 && channels === (VOC_ANCHORS.length / 2) * (5 + VOC_CLASSES);
  if ((head !== undefined && head !== 'tiny-yolov2') || !isVoc || stride !== 32 || size.height / height !== stride) return undefined;
  const anchors = Array.from({ length: VOC_ANCHORS.length / 2 }, (_, i) => [VOC_ANCHORS[2 * i]! * stride, VOC_ANCHORS[2 * i + 1]! * stride] as const);
  return { head: { kind: 'tiny-yolov2', scales: [{ output: name, stride, anchors }] }, classCount: VOC_CLASSES };
}

function unknownHead(facts: HeadFacts, found: readonly RecognisedHead[]): AppError {
  const { outputs, size, head } = facts;
  const shapes = outputs.map(shapeText).join(', ') || 'none';
  const kinds = [...new Set(found.map((recognised) => recognised.head.kind))];
  const why = kinds.length > 1 ? `could be ${kinds.join(' or ')}` : head ? `don't look like ${head}` : 'are none that is known';
  return new AppError('ERR_MODEL_HEAD_UNKNOWN', `The outputs at an input of ${size.width}x${size.height} ${why}: ${shapes}`, { fix: hasGrids(facts) || outputs.some(({ dims }) => dims.length > 3) ? RAW_FIX : DENSE_FIX });
}

const DENSE_FIX = 'Say which head it is with --head yolov5, yolov8, yolov10 or yolox, and the input size with --size; class names (--labels) may decide, too.';

/** The anchors of this are YOLOv5's for COCO: most often right, and where not, easily replaced. */
const RAW_FIX =
  'Raw anchor heads need their anchors, which no graph holds: add the Darknet .cfg and .weights, export with the decoding inside, or name head and anchors ' +
  'from the finest scale on, e.g. --head yolov5-raw --anchors "10,13 16,30 33,23 / 30,61 62,45 59,119 / 116,90 156,198 373,326" (those of YOLOv5 for COCO).';
