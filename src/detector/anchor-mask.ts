import { AppError } from '../core/errors.js';
import type { HeadScale, ModelManifest } from '../core/manifest.js';

/** Anchors to switch off, by the stride of their scale: `{ "8": [0, 2] }` are the first and the third at stride 8. */
export type AnchorsOff = Readonly<Record<string, readonly number[]>>;

/** The scales of a head whose anchors can be told apart; undefined where there are none. */
export function maskableScales({ head }: Pick<ModelManifest, 'head'>): readonly HeadScale[] | undefined {
  return head.scales?.every(({ anchors }) => anchors !== undefined && anchors.length > 0) ? head.scales : undefined;
}

/** How many anchors a head has, all scales together; 0 where they can't be told apart. */
export function anchorCountOf(manifest: Pick<ModelManifest, 'head'>): number {
  return maskableScales(manifest)?.reduce((sum, { anchors }) => sum + anchors!.length, 0) ?? 0;
}

/**
 * Checks a user's choice against a model.
 *
 * @returns the anchors that are off, counted through all scales in the manifest's order: what `DecodeThresholds.anchorsOff` takes.
 * @throws AppError ERR_CONFIG_INVALID where the head has no such scale or anchor, or none would be left.
 */
export function anchorMask(manifest: Pick<ModelManifest, 'id' | 'head'>, anchorsOff: AnchorsOff): number[] {
  const scales = maskableScales(manifest);
  if (!scales) throw invalid(manifest, `its ${manifest.head.kind} head has no anchors that can be told apart`, 'A decoded YOLOv5 export needs head.scales with strides and anchors in its manifest; lynceus models prune-anchors finds them.');
  const strides = scales.map(({ stride }) => String(stride));
  const unknown = Object.keys(anchorsOff).find((stride) => !strides.includes(stride));
  if (unknown !== undefined) throw invalid(manifest, `it has no scale of stride ${unknown}`, `Strides: ${strides.join(', ')}.`);
  const off: number[] = [];
  let first = 0;
  for (const { stride, anchors } of scales) {
    for (const index of new Set(anchorsOff[String(stride)])) {
      if (index >= anchors!.length) throw invalid(manifest, `it has no anchor ${index} at stride ${stride}`, `There are ${anchors!.length} there, counted from 0.`);
      off.push(first + index);
    }
    first += anchors!.length;
  }
  if (off.length === first) throw invalid(manifest, 'no anchor would be left', 'Leave at least one on.');
  return off.sort((a, b) => a - b);
}

function invalid({ id }: Pick<ModelManifest, 'id'>, why: string, fix: string): AppError {
  return new AppError('ERR_CONFIG_INVALID', `anchorsOff doesn't fit ${id}: ${why}`, { fix });
}
