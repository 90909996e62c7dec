import { AppError, toAppError } from '../../../core/errors.js';
import type { ModelManifest } from '../../../core/manifest.js';
import type { ModelStore } from '../../../model-store/store.js';
import { prepareInput } from '../../../onnx/prepare/prepare-input.js';
import { insertShallowTap, type InsertedTap } from '../../../onnx/tap/insert-shallow-tap.js';

/** What the guard could do with a model. */
export interface GuardFacts {
  /** The features that patches are searched in; null where the model has none that are fine enough. */
  readonly tap: InsertedTap | null;
  /** Null where the model was never calibrated, or is not added. */
  readonly profile: { readonly origin: string; readonly path: string; readonly pictures: number } | null;
  /** Why the profile can't be used. */
  readonly problem: string | null;
}

/** @param id of an installed model; undefined for a file that was not added */
export async function guardFacts(store: ModelStore, id: string | undefined, { input }: ModelManifest, onnx: Uint8Array): Promise<GuardFacts> {
  const tap = tapOf(prepareInput(onnx, input));
  try {
    const found = id === undefined ? undefined : await store.findProfile(id);
    return { tap, profile: found ? { origin: found.origin, path: found.path, pictures: found.profile.calibratedOn.pictures } : null, problem: null };
  } catch (error) {
    return { tap, profile: null, problem: toAppError(error).message };
  }
}

function tapOf(prepared: Uint8Array): InsertedTap | null {
  try {
    return insertShallowTap(prepared).tap;
  } catch (error) {
    if (error instanceof AppError && error.code === 'ERR_GUARD_TAP_MISSING') return null;
    throw error;
  }
}

/** One line for people. */
export function guardText({ tap, profile, problem }: GuardFacts): string {
  if (!tap) return 'not possible: no features of stride 2 to 8';
  const where = `looks at ${tap.channels} channels of ${tap.width}x${tap.height} at stride ${tap.stride}`;
  if (problem !== null) return `${where}; ${problem}`;
  if (!profile) return `${where}; no clean profile yet (lynceus guard calibrate)`;
  return `${where}; clean profile of ${profile.pictures} pictures, ${profile.origin === 'included' ? 'came with the model' : 'calibrated here'}`;
}
