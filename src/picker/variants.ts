import { AppError, toAppError } from '../core/errors.js';
import type { ModelInput, ModelManifest } from '../core/manifest.js';
import type { Size } from '../core/size.js';
import { sha256Of } from '../model-store/files.js';
import { graphCost, type GraphCost } from '../onnx/graph-cost.js';
import { DATA_TYPES, decodeModel, graphOf } from '../onnx/model-proto.js';
import { FRAME_INPUT, prepareInput } from '../onnx/prepare/prepare-input.js';
import { resizeInput } from '../onnx/resize/resize-input.js';
import type { VariantResult } from './bench-results.js';

/** An installed model with its network. */
export interface BenchModel {
  readonly manifest: ModelManifest;
  readonly onnx: Uint8Array;
}

/** A model at one input size, ready to be measured. */
export interface Variant {
  readonly manifest: ModelManifest;
  readonly onnx: Uint8Array;
  /** The network as a session takes it: frames in. */
  readonly prepared: Uint8Array;
  /** All that is known without running it. */
  readonly facts: Omit<VariantResult, 'latencies' | 'accuracies' | 'sessionRssBytes'>;
}

/** A size that a model can't be run at. */
export interface Refusal {
  readonly model: string;
  readonly size: Size;
  readonly why: string;
}

/** Scales of a model's own side that are tried unless sizes are named, each rounded to the coarsest stride. */
export const DEFAULT_SCALES: readonly number[] = [0.5, 0.75, 1, 1.25];
/** Sides are multiples of the coarsest stride that detectors usually have. */
const SIDE_STEP_PX = 32;

/** Sizes of about `scales` times a model's own, that one among them exactly, smallest first. */
export function sizesAround({ width, height }: Size, scales: readonly number[]): Size[] {
  const scaled = scales.map((scale) => (scale === 1 ? { width, height } : { width: roundSide(width * scale), height: roundSide(height * scale) }));
  const own = { width, height };
  const different = scaled.filter((size, i) => scaled.findIndex((other) => isSameSize(size, other)) === i && !isSameSize(size, own));
  return [...different, own].sort((a, b) => a.width * a.height - b.width * b.height);
}

function roundSide(side: number): number {
  return Math.max(SIDE_STEP_PX, Math.round(side / SIDE_STEP_PX) * SIDE_STEP_PX);
}

export function isSameSize(a: Size, b: Size): boolean {
  return a.width === b.width && a.height === b.height;
}

/** The first model of a lineage, as far back as it is installed. */
export function familyOf(manifest: ModelManifest, installed: ReadonlyMap<string, ModelManifest>): string {
  const { parent } = manifest.lineage;
  const ancestor = parent === null ? undefined : installed.get(parent);
  return ancestor ? familyOf(ancestor, installed) : (parent ?? manifest.id);
}

/**
 * A model at a size.
 *
 * @throws AppError where the network can't work at it; the message says why.
 */
export function makeVariant({ manifest, onnx }: BenchModel, size: Size, family: string): Variant {
  const isOwnSize = isSameSize(size, manifest.input);
  const resized = isOwnSize ? { onnx, input: manifest.input } : resizeInput(onnx, manifest.input, size);
  const variantManifest: ModelManifest = { ...manifest, input: resized.input };
  const prepared = prepareInput(resized.onnx, resized.input);
  const cost = preparedCost(prepared, resized.input);
  return {
    manifest: variantManifest,
    onnx: resized.onnx,
    prepared,
    facts: {
      model: manifest.id,
      sha256: isOwnSize ? manifest.sha256 : sha256Of(resized.onnx),
      family,
      precision: precisionOf(onnx),
      width: size.width,
      height: size.height,
      isOwnSize,
      macs: cost.macs ?? null,
      parameters: cost.parameters,
      fileBytes: onnx.length,
      peakActivationBytes: cost.peakActivationBytes ?? null,
    },
  };
}

/** Of what is run: the picture comes as bytes, and its size is fixed. */
function preparedCost(prepared: Uint8Array, { width, height }: ModelInput): GraphCost {
  return graphCost(graphOf(decodeModel(prepared)), { inputs: new Map([[FRAME_INPUT, [1, 3, height, width]]]) });
}

/** How the bulk of the network computes. */
export function precisionOf(onnx: Uint8Array): VariantResult['precision'] {
  const { node, initializer } = graphOf(decodeModel(onnx));
  if (node?.some(({ opType }) => /^(QuantizeLinear|DynamicQuantizeLinear|QLinear.+|.+Integer)$/.test(opType ?? ''))) return 'int8';
  return initializer?.some(({ dataType }) => dataType === DATA_TYPES.float16) ? 'fp16' : 'fp32';
}

/** All models at all sizes; two that are the same network count once, the installed one rather than the resized one. */
export function planVariants(models: readonly BenchModel[], sizesOf: (manifest: ModelManifest) => readonly Size[]): { variants: Variant[]; refusals: Refusal[] } {
  const installed = new Map(models.map(({ manifest }) => [manifest.id, manifest]));
  const variants: Variant[] = [];
  const refusals: Refusal[] = [];
  for (const model of models) {
    for (const size of sizesOf(model.manifest)) {
      try {
        variants.push(makeVariant(model, size, familyOf(model.manifest, installed)));
      } catch (error) {
        refusals.push({ model: model.manifest.id, size, why: reasonOf(error) });
      }
    }
  }
  const isRepeat = ({ facts }: Variant): boolean => !facts.isOwnSize && variants.some((other) => other.facts.sha256 === facts.sha256 && other.facts.isOwnSize);
  return { variants: variants.filter((variant) => !isRepeat(variant)), refusals };
}

/** What stands in the way of a variant. @throws anything that is no AppError: a fault of ours */
export function reasonOf(error: unknown): string {
  if (!(error instanceof AppError)) throw toAppError(error);
  return error.message;
}
