import { AppError } from '../core/errors.js';
import type { Anchors, HeadScale, ModelManifest } from '../core/manifest.js';

/** One scale of a dense head: a grid of cells over the model input. */
export interface GridScale {
  readonly output: string | undefined;
  readonly stride: number;
  readonly gridWidth: number;
  readonly gridHeight: number;
}

export interface AnchoredScale extends GridScale {
  readonly anchors: Anchors;
  readonly scaleXy: number;
}

/** Class scores a box: none where the head has only objectness. */
export function classCountOf({ head, labels }: ModelManifest): number {
  return head.classes === false ? 0 : labels.length;
}

/** The grids of a head without anchors. */
export function gridScales(manifest: ModelManifest, fallbackStrides: readonly number[] = []): GridScale[] {
  const scales: readonly HeadScale[] = manifest.head.scales ?? fallbackStrides.map((stride) => ({ stride }));
  if (scales.length === 0) throw missing(manifest, 'scales');
  return scales.map((scale) => toGrid(scale, manifest));
}

/**
 * The grids of a head with anchors; the number of anchors may differ from scale to scale.
 *
 * @param scaleXy where the manifest doesn't say one.
 * @throws {AppError} ERR_MODEL_MANIFEST where a scale has no anchors.
 */
export function anchoredScales(manifest: ModelManifest, scaleXy = 1): AnchoredScale[] {
  const scales = manifest.head.scales ?? [];
  if (scales.length === 0) throw missing(manifest, 'scales');
  return scales.map((scale, index) => {
    if (!scale.anchors?.length) throw missing(manifest, `scales[${index}].anchors`);
    const output = scale.output ?? (scales.length === 1 ? manifest.head.output : undefined);
    return { ...toGrid(scale, manifest), output, anchors: scale.anchors, scaleXy: scale.scaleXy ?? scaleXy };
  });
}

function toGrid({ output, stride }: HeadScale, { input }: ModelManifest): GridScale {
  // Convolutions of stride 2 with padding round odd sizes up.
  return { output, stride, gridWidth: Math.ceil(input.width / stride), gridHeight: Math.ceil(input.height / stride) };
}

function missing({ id, head }: ModelManifest, key: string): AppError {
  return new AppError('ERR_MODEL_MANIFEST', `Expected head.${key} in the manifest of ${id} (head ${head.kind}), found nothing`, {
    fix: `Add head.${key} to the manifest.`,
  });
}
