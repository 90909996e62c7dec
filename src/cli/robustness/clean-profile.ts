import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ModelStore } from '../../model-store/store.js';
import { createPrivateFolder } from '../../sources/private-folder.js';
import { chooseSearch, learnProfile } from '../guard/learn-profile.js';
import { anyPictures } from '../picture-sets.js';

/** What the guard takes for ordinary in a measurement. */
export interface CleanProfile {
  /** Of a profile that counts instead of the model's own. */
  readonly path: string | undefined;
  readonly description: string;
  readonly pictures: number;
  /** Made for this measurement, of the pictures that are measured. */
  readonly automatic: boolean;
}

/** As many as `lynceus guard calibrate` takes unless told otherwise. */
const AUTOMATIC_PICTURES = 300;

/**
 * The profile given, or the model's own; where it has none, one is learnt from the clean pictures of the dataset itself, into a temporary
 * file that goes with the process.
 *
 * @throws AppError as the store and the calibration.
 */
export async function cleanProfile(store: ModelStore, model: string, folder: string, given: string | undefined, onPicture: (done: number, total: number) => void): Promise<CleanProfile> {
  if (given !== undefined) return described((await store.resolveGuarded(model, given)).profile, given);
  const found = await store.findProfile(model);
  if (found) return described(found.profile, undefined);
  const choice = await chooseSearch(store);
  const pictures = await anyPictures(folder, AUTOMATIC_PICTURES);
  const profile = await learnProfile(await store.resolveTapped(model), choice, { pictures, threads: availableParallelism(), onProgress: (_, done, total) => onPicture(done, total) });
  const path = join(createPrivateFolder(), 'guard.json');
  await writeFile(path, JSON.stringify(profile));
  return { ...described(profile, path), automatic: true };
}

function described({ calibratedOn }: { readonly calibratedOn: { readonly description: string; readonly pictures: number } }, path: string | undefined): CleanProfile {
  return { path, description: calibratedOn.description, pictures: calibratedOn.pictures, automatic: false };
}
