import type { FrameFormat } from '../../core/frame.js';
import type { ModelManifest } from '../../core/manifest.js';
import type { PictureSet } from '../../core/picture-set.js';
import { calibrateGuard } from '../../guard/calibration/calibrate.js';
import { checkOnClean, type CleanCheck } from '../../guard/calibration/clean-check.js';
import { GuardService } from '../../guard/guard-service.js';
import { type GuardProfile, type SearchKind, usesFinder } from '../../guard/profile.js';
import type { GuardedModel, InstalledFinder, ModelStore, TappedModel } from '../../model-store/store.js';

/** Pictures of the report. */
const SHOWN_PICTURES = 6;
const MAX_DETECTIONS = 100;

/** Where the guard looks unless told otherwise. */
export const DEFAULT_SEARCH: SearchKind = 'finder';

/** How a guard searches, and with which finder. */
export interface SearchChoice {
  readonly search: SearchKind;
  /** Where the search wants it. */
  readonly finder?: InstalledFinder | undefined;
}

/** @throws AppError as `ModelStore.resolveFinder` */
export async function chooseSearch(store: Pick<ModelStore, 'resolveFinder'>, search: SearchKind = DEFAULT_SEARCH): Promise<SearchChoice> {
  return usesFinder(search) ? { search, finder: await store.resolveFinder() } : { search };
}

export interface LearnOptions {
  /** Ordinary pictures, without patches. */
  readonly pictures: PictureSet;
  /** Of inference. */
  readonly threads: number;
  /** Of what is pasted into the pictures; same seed, same profile. Default 1. */
  readonly seed?: number;
  readonly onProgress?: (phase: string, done: number, total: number) => void;
}

/** What is ordinary for a model. Keeps nothing: `ModelStore.saveProfile` does. @throws AppError ERR_DATASET_EMPTY, or what is wrong with the pictures */
export function learnProfile({ manifest, tappedPath, tap }: TappedModel, { search, finder }: SearchChoice, { pictures, threads, seed = 1, onProgress = () => undefined }: LearnOptions): Promise<GuardProfile> {
  const onPicture = (done: number): void => onProgress('learn', Math.floor(done), pictures.count);
  return calibrateGuard({ manifest, modelPath: tappedPath, tap, search, finder, pictures, threads, seed, onPicture });
}

/** What a guarded stream would make of ordinary pictures, with the thresholds that the model comes with. */
export async function checkProfile({ manifest, tappedPath, tap, profile, finder }: GuardedModel, { pictures, threads, onProgress = () => undefined }: LearnOptions): Promise<CleanCheck> {
  const thresholds = { ...manifest.defaults, maxDetections: MAX_DETECTIONS };
  const passes = await GuardService.start({ manifest, modelPath: tappedPath, finderPath: finder?.path, tap, profile, thresholds, mode: 'latency', cores: threads, prefetch: false });
  try {
    const onPicture = (done: number): void => onProgress('check', done, pictures.count);
    return await checkOnClean({ profile, passes, thresholds, pictures, format: frameFormatOf(manifest), shown: SHOWN_PICTURES, onPicture });
  } finally {
    await passes.close();
  }
}

function frameFormatOf({ input: { width, height, fit, padValue } }: ModelManifest): FrameFormat {
  return { size: { width, height }, fit, padValue };
}
