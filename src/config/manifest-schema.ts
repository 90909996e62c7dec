import { z } from 'zod';
import { AppError } from '../core/errors.js';
import type { HeadScale, ModelHead, ModelInput, ModelManifest } from '../core/manifest.js';
import type { OccupancyManifest } from '../core/occupancy-manifest.js';
import { occupancyManifestSchema } from './occupancy-manifest-schema.js';

const positiveInt = z.int().positive();
const plainFile = z.string().regex(/^[^/\\]+$/, 'must be a file name without folders');
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');
const anchor = z.tuple([z.number().positive(), z.number().positive()]).describe('width and height in pixels of the model input');
const anchors = z.array(anchor).min(1);
const outputName = z.string().min(1).describe('name of the output tensor');

const inputSchema = z.strictObject({
  name: z.string().min(1).describe('name of the input tensor'),
  layout: z.enum(['nchw', 'nhwc']),
  dtype: z.enum(['float32', 'uint8']),
  width: positiveInt.max(8192),
  height: positiveInt.max(8192),
  color: z.enum(['rgb', 'bgr']),
  scale: z.number().positive().describe('the network sees (pixel - mean) * scale'),
  mean: z.tuple([z.number(), z.number(), z.number()]).describe('subtracted before scaling, 0 to 255, in the order of `color`'),
  fit: z.enum(['stretch', 'letterbox', 'letterbox-top-left']),
  padValue: z.int().min(0).max(255).describe('grey level of the padding'),
});

const stride = positiveInt.max(1024);
const denseScale = z.strictObject({ output: outputName.optional(), stride, scaleXy: z.number().positive().optional() });
const anchoredScale = z.strictObject({ output: outputName.optional(), stride, anchors, scaleXy: z.number().positive().optional() });
/** A raw head's tensor can't be told from another of its shape: it is named. */
const namedScale = z.strictObject({ output: outputName, stride, anchors, scaleXy: z.number().positive().optional() });
const eitherScale = z.strictObject({ output: outputName.optional(), stride, anchors: anchors.optional(), scaleXy: z.number().positive().optional() });
const column = z.enum(['x1', 'y1', 'x2', 'y2', 'score', 'class']);

const headSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('darknet'), scales: z.array(namedScale).min(1), classes: z.boolean().optional() }),
  z.strictObject({ kind: z.literal('yolov5-raw'), scales: z.array(namedScale).min(1), classes: z.boolean().optional() }),
  z.strictObject({ kind: z.literal('yolov5'), output: outputName.optional(), scales: z.array(eitherScale).min(1).optional(), classes: z.boolean().optional() }),
  z.strictObject({ kind: z.literal('yolov8'), output: outputName.optional(), scales: z.array(denseScale).min(1).optional(), classes: z.boolean().optional() }),
  z.strictObject({ kind: z.literal('yolov10'), output: outputName.optional(), scales: z.array(denseScale).min(1).optional(), classes: z.boolean().optional() }),
  z.strictObject({ kind: z.literal('yolox'), output: outputName.optional(), scales: z.array(denseScale).min(1), classes: z.boolean().optional() }),
  z.strictObject({ kind: z.literal('tiny-yolov2'), output: outputName.optional(), scales: z.array(anchoredScale).length(1), classes: z.boolean().optional() }),
  z.strictObject({ kind: z.literal('rows'), output: outputName, columns: z.array(column).min(5).max(6), classes: z.boolean().optional() }),
]);

const probability = z.number().min(0).max(1);
const mapValue = z.number().min(0).max(1).nullable();

const manifestSchema = z
  .strictObject({
    $schema: z.string().optional(),
    id: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, 'must be lower-case letters, digits, dots, dashes and underscores').max(100),
    task: z.literal('detection'),
    title: z.string().min(1),
    file: plainFile.describe('ONNX file beside the manifest'),
    sha256: sha256Hex.describe('of `file`'),
    elastic: z
      .strictObject({ file: plainFile.describe('safetensors file beside the manifest'), sha256: sha256Hex.describe('of that file') })
      .optional()
      .describe('of a network that holds several widths in one set of weights: masks and statistics of its ratios'),
    licence: z.string().min(1),
    input: inputSchema,
    head: headSchema,
    labels: z.array(z.string().min(1)).min(1).describe('index is the class id'),
    defaults: z.strictObject({ confidenceThreshold: probability, iouThreshold: probability }),
    lineage: z.strictObject({
      parent: z.string().nullable(),
      origin: z.string().min(1),
      operations: z.array(z.looseObject({ kind: z.string().min(1) })),
    }),
    baseline: z
      .strictObject({ dataset: z.string().min(1), map50: mapValue, map5095: mapValue })
      .nullable()
      .describe('written by a measured run; null is not measured yet'),
  })
  .superRefine((manifest, context) => {
    for (const { path, message } of crossFieldFaults(manifest)) context.addIssue({ code: 'custom', path, message });
  });

/** What any model is; `task` tells which. */
export type AnyManifest = ModelManifest | OccupancyManifest;

/**
 * Reads the manifest of a detector.
 *
 * @param text JSON; @param fileName for messages only.
 * @throws AppError ERR_MODEL_MANIFEST that names every bad key by its path; ERR_MODEL_TASK where the model is no detector
 */
export function parseManifest(text: string, fileName: string): ModelManifest {
  return asDetector(parseAnyManifest(text, fileName));
}

/** Reads the manifest of an occupancy network; otherwise as `parseManifest`. */
export function parseOccupancyManifest(text: string, fileName: string): OccupancyManifest {
  const manifest = parseAnyManifest(text, fileName);
  if (manifest.task === 'stereo-occupancy') return manifest;
  throw new AppError('ERR_MODEL_TASK', `${manifest.id} is a detector: it finds boxes in one picture, expected a model that finds occupied space in two`, { fix: 'lynceus models list shows what each model finds.' });
}

/** Reads a manifest of any task. @throws AppError ERR_MODEL_MANIFEST */
export function parseAnyManifest(text: string, fileName: string): AnyManifest {
  const value = parseJson(text, fileName);
  return isObject(value) && value['task'] === 'stereo-occupancy' ? checkOccupancyManifest(value, fileName) : checkManifest(value, fileName);
}

/** @throws AppError ERR_MODEL_TASK */
export function asDetector(manifest: AnyManifest): ModelManifest {
  if (manifest.task === 'detection') return manifest;
  throw new AppError('ERR_MODEL_TASK', `${manifest.id} is no detector: it finds occupied space in stereo pairs`, { fix: 'lynceus models list shows what each model finds.' });
}

/** Checks a manifest of an occupancy network that was made in memory. @throws AppError ERR_MODEL_MANIFEST */
export function checkOccupancyManifest(value: unknown, fileName: string): OccupancyManifest {
  const result = occupancyManifestSchema.safeParse(value);
  if (!result.success) throw manifestError(result.error, fileName);
  const { $schema: _, ...manifest } = result.data;
  return manifest;
}

/** Checks a manifest that was made in memory; throws like `parseManifest`. */
export function checkManifest(value: unknown, fileName: string): ModelManifest {
  const result = manifestSchema.safeParse(value);
  if (!result.success) throw manifestError(result.error, fileName);
  const { $schema: _, ...manifest } = result.data;
  return manifest;
}

/** The JSON Schema that is published as `models/manifest.schema.json`. Facts that hold between fields are only checked by `parseManifest`. */
export function manifestJsonSchema(): Record<string, unknown> {
  return { title: 'lynceus model manifest', ...z.toJSONSchema(manifestSchema, { io: 'input' }) };
}

/** As `manifestJsonSchema`, of `models/occupancy-manifest.schema.json`. */
export function occupancyManifestJsonSchema(): Record<string, unknown> {
  return { title: 'lynceus occupancy model manifest', ...z.toJSONSchema(occupancyManifestSchema, { io: 'input' }) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function parseJson(text: string, fileName: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError('ERR_MODEL_MANIFEST', `${fileName} is not JSON: ${(cause as Error).message}`, { cause, fix: 'Mend the syntax, or add the model anew.' });
  }
}

function manifestError(error: z.ZodError, fileName: string): AppError {
  const faults = error.issues.map((issue) => `${pathText(issue)}: ${issue.message}`);
  return new AppError('ERR_MODEL_MANIFEST', `${fileName}: ${faults.join('; ')}`, {
    cause: error,
    fix: 'models/manifest.schema.json describes every key; docs/models.md has examples.',
  });
}

function pathText(issue: z.core.$ZodIssue): string {
  const keys = issue.code === 'unrecognized_keys' && issue.keys[0] !== undefined ? [...issue.path, issue.keys[0]] : issue.path;
  return keys.length === 0 ? '(manifest)' : keys.map(String).join('.');
}

interface Fault {
  readonly path: (string | number)[];
  readonly message: string;
}

interface CrossChecked {
  readonly input: ModelInput;
  readonly head: ModelHead;
  readonly labels: readonly string[];
}

function crossFieldFaults({ input, head, labels }: CrossChecked): Fault[] {
  return [...inputFaults(input), ...scaleFaults(head.scales ?? [], input), ...labelFaults(head, labels), ...columnFaults(head)];
}

function inputFaults(input: ModelInput): Fault[] {
  if (input.dtype === 'float32' || (input.scale === 1 && input.mean.every((value) => value === 0))) return [];
  return [{ path: ['input', 'dtype'], message: 'a model that takes uint8 normalises inside: scale must be 1 and mean 0' }];
}

function scaleFaults(scales: readonly HeadScale[], input: ModelInput): Fault[] {
  return scales.flatMap((scale, i) => {
    const faults: Fault[] = [];
    if (input.width % scale.stride !== 0 || input.height % scale.stride !== 0) {
      faults.push({ path: ['head', 'scales', i, 'stride'], message: `stride ${scale.stride} does not divide the input of ${input.width}x${input.height}` });
    }
    const isTwin = (other: HeadScale): boolean => other.stride === scale.stride && other.output === scale.output;
    if (scales.findIndex(isTwin) < i) faults.push({ path: ['head', 'scales', i], message: 'the same output and stride are named twice' });
    return faults;
  });
}

function labelFaults(head: ModelHead, labels: readonly string[]): Fault[] {
  const classless = head.classes === false || (head.kind === 'rows' && !head.columns?.includes('class'));
  if (!classless || labels.length === 1) return [];
  return [{ path: ['labels'], message: `a head without classes has one label, found ${labels.length}` }];
}

function columnFaults(head: ModelHead): Fault[] {
  const columns = head.columns;
  if (!columns) return [];
  const missing = (['x1', 'y1', 'x2', 'y2', 'score'] as const).filter((name) => !columns.includes(name));
  const faults: Fault[] = missing.map((name) => ({ path: ['head', 'columns'], message: `column ${name} is missing` }));
  if (new Set(columns).size < columns.length) faults.push({ path: ['head', 'columns'], message: 'a column is named twice' });
  return faults;
}
