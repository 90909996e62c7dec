import { basename, extname } from 'node:path';
import { checkManifest } from '../config/manifest-schema.js';
import { COCO_LABELS } from '../core/coco-labels.js';
import { AppError } from '../core/errors.js';
import type { Size } from '../core/frame.js';
import type { FitMode } from '../core/image-fit.js';
import type { Anchors, HeadKind, LineageStep, ModelHead, ModelInput, ModelManifest } from '../core/manifest.js';
import type { BoxOrder } from '../onnx/recognise/box-evidence.js';
import { sha256Of } from './files.js';

/** What the user may say about a model where its files don't. */
export interface AddOptions {
  /** Instead of one made from the file's name. */
  readonly id?: string | undefined;
  readonly head?: HeadKind | undefined;
  /** Of the model's input, pixels; for models that leave it open. */
  readonly size?: Size | undefined;
  /** Path of a file with a class name a line. */
  readonly labels?: string | undefined;
  readonly fit?: FitMode | undefined;
  readonly color?: ModelInput['color'] | undefined;
  /** Factor from pixels of 0 to 255 to what the network wants. */
  readonly scale?: number | undefined;
  /** Of raw anchor heads: pixels of the model input, a list for each scale from the finest on, or one for all. */
  readonly anchors?: readonly Anchors[] | undefined;
  /** What the four numbers of a box are, where their values don't tell. */
  readonly boxes?: BoxOrder | undefined;
  /** Whether boxes are fractions of the picture, where their values don't tell. */
  readonly normalised?: boolean | undefined;
  /** Path of the picture that the model is tried on, instead of the package's own. */
  readonly testPicture?: string | undefined;
  /** Draws what the model finds on the test picture into its folder. Default false. */
  readonly selfCheck?: boolean | undefined;
}

/** A model that is ready to be given a name and a folder. */
export interface ModelDraft {
  readonly title: string;
  readonly licence: string;
  readonly onnx: Uint8Array;
  readonly input: ModelInput;
  readonly head: ModelHead;
  readonly labels: readonly string[];
  /** Where it came from, for people: a URL, a file name, a package. */
  readonly origin: string;
  readonly operations: readonly LineageStep[];
  /** Thresholds as published, where they are not the usual ones of the head. */
  readonly defaults?: ModelManifest['defaults'] | undefined;
}

/** File name of the network in every folder that this project writes. */
export const MODEL_FILE = 'model.onnx';

/** Rows that left their network sorted and thinned out (CenterNet's) are good from .3 on; boxes that overlap need a second threshold. */
const DEFAULT_CONFIDENCE: Partial<Record<HeadKind, number>> = { rows: 0.3 };

/** @throws AppError ERR_MODEL_MANIFEST where the parts don't fit each other. */
export function manifestOf(id: string, draft: ModelDraft): ModelManifest {
  const manifest: ModelManifest = {
    id,
    task: 'detection',
    title: draft.title,
    file: MODEL_FILE,
    sha256: sha256Of(draft.onnx),
    licence: draft.licence,
    input: draft.input,
    head: draft.head,
    labels: draft.labels,
    defaults: draft.defaults ?? { confidenceThreshold: DEFAULT_CONFIDENCE[draft.head.kind] ?? 0.25, iouThreshold: 0.45 },
    lineage: { parent: null, origin: draft.origin, operations: draft.operations },
    baseline: null,
  };
  return checkManifest(manifest, `the manifest of ${id}`);
}

/** An id from a file's name: `Yolo-Fastest 1.1.cfg` becomes `yolo-fastest-1.1`. */
export function idFromFileName(path: string): string {
  const stem = basename(path, extname(path)).toLowerCase();
  const id = stem.replace(/[^a-z0-9._-]+/g, '-').replace(/^[^a-z0-9]+|-+$/g, '');
  return id === '' ? 'model' : id.slice(0, 100);
}

/**
 * Class names for `classCount` classes: those given, else COCO's where there are 80, else `class_0` and so on.
 *
 * @throws AppError ERR_MODEL_IMPORT where names were given and their number is another.
 */
export function labelsFor(classCount: number, given: readonly string[] | undefined): readonly string[] {
  if (given && given.length !== classCount) {
    throw new AppError('ERR_MODEL_IMPORT', `Expected ${classCount} class names but found ${given.length}`, { fix: 'Name the right file with --labels: one class a line.' });
  }
  if (given) return given;
  return classCount === COCO_LABELS.length ? COCO_LABELS : Array.from({ length: classCount }, (_, i) => `class_${i}`);
}
