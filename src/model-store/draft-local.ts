import { basename } from 'node:path';
import { canonicalLabels } from '../core/coco-labels.js';
import { AppError } from '../core/errors.js';
import type { HeadKind, ModelInput } from '../core/manifest.js';
import { importDarknet } from '../onnx/import/import-darknet.js';
import { applyTail, type HeadTail } from '../onnx/recognise/head-tail.js';
import { inspectModel, type ModelFacts } from '../onnx/inspect.js';
import { decodeModel, encodeModel, feedsOf, graphOf, type Dim, type ModelMetadata } from '../onnx/model-proto.js';
import { parseNames } from '../onnx/recognise/names-metadata.js';
import { normaliseModel } from '../onnx/normalise/normalise-model.js';
import { recogniseHead } from '../onnx/recognise/recognise-head.js';
import { headAssumptions, ignoredFacts, inputAssumptions, labelAssumption, RECOGNISE_STEP, suppressionFacts } from './assumptions.js';
import { labelsFor, type AddOptions, type ModelDraft } from './draft.js';
import { sha256Of } from './files.js';
import type { LocalDarknet, LocalModel, LocalOnnx } from './local-files.js';
import { probeOutputs, verifySingleBatch } from './probe-outputs.js';
import { fitPicture, readTestPicture, shippedTestPicture } from './test-picture.js';

/**
 * Understands the files of a model.
 *
 * @throws AppError of the importers, ERR_MODEL_HEAD_UNKNOWN, or ERR_MODEL_CORRUPT where onnxruntime can't run it.
 */
export async function draftLocal(local: LocalModel, options: AddOptions): Promise<ModelDraft> {
  return local.kind === 'onnx' ? draftOnnx(local, options) : draftDarknet(local, options);
}

function draftDarknet({ name, cfg, weights, labels }: LocalDarknet, options: AddOptions): ModelDraft {
  const { onnx, input, head, classCount } = importDarknet(cfg, weights, options.size ? { size: options.size } : {});
  if (options.head && options.head !== head.kind) throw new AppError('ERR_USAGE', `The .cfg has a ${head.kind} head, not ${options.head}`, { fix: 'Leave --head out: a .cfg says it all.' });
  return {
    title: name.replace(/\.cfg$/i, ''),
    licence: 'unknown',
    onnx,
    input: { ...input, ...inputOptions(options) },
    head,
    labels: labelsFor(classCount, labels),
    origin: name,
    operations: [{ kind: 'import-darknet', cfgSha256: sha256Of(cfg), weightsSha256: sha256Of(weights) }],
  };
}

async function draftOnnx({ name, onnx, labels }: LocalOnnx, options: AddOptions): Promise<ModelDraft> {
  const facts = inspectModel(onnx);
  const shape = inputShape(facts, options);
  const names = labels ?? namesOf(facts);
  const normalised = normaliseModel(onnx, shape);
  requireOnePicture(normalised.onnx);
  if (normalised.original) await verifySingleBatch(normalised.original.onnx, normalised.onnx, { ...shape, ...ULTRALYTICS }, normalised.original.batch);
  // Shapes and places of boxes don't depend on how the picture is fed: the usual way does.
  const probeInput: ModelInput = { ...shape, ...ULTRALYTICS, ...(shape.dtype === 'uint8' && { scale: 1 }), ...inputOptions(options) };
  const picture = options.testPicture === undefined ? await shippedTestPicture(names) : await readTestPicture(options.testPicture);
  const outputs = await probeOutputs(normalised.onnx, probeInput, (await fitPicture(picture, probeInput)).pixels);
  const { anchors, boxes, normalised: fractions } = options;
  const recognised = recogniseHead({ outputs, size: shape, metadata: facts.metadata, head: options.head, labelCount: names?.length, anchors, boxes, normalised: fractions });
  const { head, classCount } = recognised;
  const defaults = shape.dtype === 'uint8' ? { ...INPUT_DEFAULTS[head.kind], scale: 1 } : INPUT_DEFAULTS[head.kind];
  const input: ModelInput = { ...shape, ...defaults, ...inputOptions(options) };
  const rewritten = recognised.tail ? withTail(normalised.onnx, recognised.tail) : normalised.onnx;
  const assumptions = [
    ...inputAssumptions(facts, input, options, head.kind),
    ...(recognised.assumptions ?? headAssumptions(recognised)),
    ...suppressionFacts(rewritten),
    ...ignoredFacts(outputs, recognised),
    labelAssumption(labels, names, classCount),
  ];
  return {
    title: facts.metadata['description'] ?? basename(name, '.onnx'),
    licence: facts.metadata['license'] ?? 'unknown',
    onnx: rewritten,
    input,
    head,
    labels: labelsFor(classCount, names),
    origin: name,
    defaults: USUAL_THRESHOLDS,
    operations: [
      ...normalised.operations,
      ...(recognised.tail ? [{ kind: 'rewrite-head', sha256Before: sha256Of(onnx), ...recognised.tail }] : []),
      { kind: RECOGNISE_STEP, picture: picture.name, assumptions },
    ],
  };
}

function withTail(onnx: Uint8Array, tail: HeadTail): Uint8Array {
  const model = decodeModel(onnx);
  applyTail(model, tail);
  return encodeModel(model);
}

type InputDefaults = Omit<ModelInput, 'name' | 'layout' | 'dtype' | 'width' | 'height'>;
type InputShape = Pick<ModelInput, 'name' | 'layout' | 'dtype' | 'width' | 'height'>;

const ULTRALYTICS: InputDefaults = { color: 'rgb', scale: 1 / 255, mean: [0, 0, 0], fit: 'letterbox', padValue: 114 };
const DARKNET: InputDefaults = { ...ULTRALYTICS, fit: 'stretch', padValue: 127 };

/** How the training code of each kind of head feeds its networks. */
const INPUT_DEFAULTS: Readonly<Record<HeadKind, InputDefaults>> = {
  yolov5: ULTRALYTICS,
  'yolov5-raw': ULTRALYTICS,
  yolov8: ULTRALYTICS,
  yolov10: ULTRALYTICS,
  yolox: { color: 'bgr', scale: 1, mean: [0, 0, 0], fit: 'letterbox-top-left', padValue: 114 },
  darknet: DARKNET,
  // The ONNX zoo's Tiny-YOLOv2 scales inside.
  'tiny-yolov2': { ...DARKNET, scale: 1 },
  // Whatever suppresses inside was trained by code of this family.
  rows: ULTRALYTICS,
};

function inputOptions({ fit, color, scale }: AddOptions): Partial<ModelInput> {
  return { ...(fit && { fit }), ...(color && { color }), ...(scale !== undefined && { scale }) };
}

/** CenterNet's rows have another; what exports suppress inside, they do with these. */
const USUAL_THRESHOLDS = { confidenceThreshold: 0.25, iouThreshold: 0.45 };

/** Height and width that the usual exports are made for, where the file leaves them open and says nothing. */
const USUAL_SIZE_PX = 640;

function inputShape({ inputs, metadata }: ModelFacts, { size }: AddOptions): InputShape {
  const pictures = inputs.length === 1 ? inputs : inputs.filter(({ dims }) => dims.length === 4);
  const [input] = pictures;
  if (!input || pictures.length > 1) throw unfit(`it has ${inputs.length} inputs (${inputs.map(({ name }) => name).join(', ')})`);
  const { name, dataType, dims } = input;
  if (dataType !== 'float32' && dataType !== 'float16' && dataType !== 'uint8') throw unfit(`its input ${name} is of type ${dataType}`);
  if (dims.length !== 4) throw unfit(`its input ${name} has ${dims.length} dimensions`);
  const layout = dims[1] === 3 || typeof dims[1] === 'string' ? 'nchw' : 'nhwc';
  if (layout === 'nhwc' && dims[3] !== 3) throw unfit(`its input ${name} [${dims.join(',')}] has no 3 channels`);
  const [height, width] = layout === 'nchw' ? [dims[2], dims[3]] : [dims[1], dims[2]];
  const [metaHeight, metaWidth] = imageSize(metadata);
  return {
    name,
    layout,
    dtype: dataType === 'uint8' ? 'uint8' : 'float32',
    width: sideOf('width', width, size?.width, metaWidth),
    height: sideOf('height', height, size?.height, metaHeight),
  };
}

/** Once the inputs beside the picture that are known have become constants. */
function requireOnePicture(onnx: Uint8Array): void {
  const inputs = feedsOf(graphOf(decodeModel(onnx)));
  if (inputs.length !== 1) throw unfit(`it has ${inputs.length} inputs (${inputs.map(({ name }) => name ?? '').join(', ')})`);
}

/** What the graph says counts; the user, the metadata and custom come where it leaves the size open. */
function sideOf(name: string, fixed: Dim | undefined, asked: number | undefined, inMetadata: number | undefined): number {
  if (typeof fixed !== 'number') return asked ?? inMetadata ?? USUAL_SIZE_PX;
  if (asked === undefined || asked === fixed) return fixed;
  throw new AppError('ERR_USAGE', `The model was exported for a ${name} of ${fixed}, --size asks for ${asked}`, { fix: 'Leave --size out, or export the model anew with a dynamic size.' });
}

/** Ultralytics writes `[height, width]`. */
function imageSize({ imgsz = '' }: ModelMetadata): [number?, number?] {
  const match = /^\[(\d+), ?(\d+)\]$/.exec(imgsz);
  return match ? [Number(match[1]), Number(match[2])] : [];
}

function namesOf({ metadata }: ModelFacts): readonly string[] | undefined {
  const names = parseNames(metadata['names'] ?? '');
  return names && canonicalLabels(names);
}

function unfit(detail: string): AppError {
  return new AppError('ERR_MODEL_UNSUPPORTED_OP', `The model takes no single picture: ${detail}`, { fix: 'Export a detector with one float32 or uint8 input of [1,3,H,W] or [1,H,W,3].' });
}
