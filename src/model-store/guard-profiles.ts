import { join } from 'node:path';
import { AppError } from '../core/errors.js';
import type { ModelManifest } from '../core/manifest.js';
import type { GuardProfile, ShallowTap } from '../guard/profile.js';
import { parseGuardProfile } from '../guard/profile-schema.js';
import { isFile, readInput, writeFileAtomic } from './files.js';

/** Name of a clean profile in its folder. */
export const PROFILE_FILE = 'guard.json';
/** Page that shows what a profile was learnt from, beside it. */
export const PROFILE_REPORT_FILE = 'guard-report.html';

/** Folders that a model's profile may be in. */
export interface ProfileFolders {
  /** Where the user's own calibration is; it wins. */
  readonly own: string;
  /** Where one may have come with the model; never written to. */
  readonly included?: string | undefined;
}

/** `calibrated` by the user, `included` with the model, or `given` by the path of a file. */
export type ProfileOrigin = 'calibrated' | 'included' | 'given';

export interface FoundProfile {
  readonly profile: GuardProfile;
  readonly path: string;
  readonly origin: ProfileOrigin;
}

/** Path of the profile that counts; undefined where there is none. */
export async function locateProfile({ own, included }: ProfileFolders): Promise<Pick<FoundProfile, 'path' | 'origin'> | undefined> {
  const calibrated = join(own, PROFILE_FILE);
  if (await isFile(calibrated)) return { path: calibrated, origin: 'calibrated' };
  const shipped = included === undefined ? undefined : join(included, PROFILE_FILE);
  return shipped !== undefined && (await isFile(shipped)) ? { path: shipped, origin: 'included' } : undefined;
}

/** @throws AppError ERR_GUARD_PROFILE_INVALID where it is damaged or of another model, ERR_FILE_NOT_FOUND */
export async function readProfile(path: string, manifest: ModelManifest): Promise<GuardProfile> {
  const fix = calibrateFix(manifest.id);
  const profile = parseGuardProfile((await readInput(path)).toString(), path, fix);
  if (profile.modelSha256 === manifest.sha256) return profile;
  throw new AppError('ERR_GUARD_PROFILE_INVALID', `${path} was calibrated for another model than ${manifest.id} (${profile.modelId}, SHA-256 ${profile.modelSha256.slice(0, 16)}...)`, { fix });
}

/** @throws AppError ERR_GUARD_PROFILE_INVALID where the profile is about other features than the model's tap shows */
export function checkProfileTap({ tap: known }: GuardProfile, tap: ShallowTap, { id }: ModelManifest): void {
  const text = ({ output, stride, channels, width, height }: ShallowTap): string => `${output}, ${channels} channels of ${width}x${height} at stride ${stride}`;
  if (text(known) === text(tap)) return;
  throw new AppError('ERR_GUARD_PROFILE_INVALID', `The profile of ${id} is about ${text(known)}, its tap shows ${text(tap)}`, { fix: calibrateFix(id) });
}

/** Writes the user's own profile, and what goes with it by file name. @returns path of the profile */
export async function writeProfile({ own }: ProfileFolders, profile: GuardProfile, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  for (const [name, bytes] of Object.entries(files)) await writeFileAtomic(join(own, name), bytes);
  const path = join(own, PROFILE_FILE);
  await writeFileAtomic(path, `${JSON.stringify(profile, null, 2)}\n`);
  return path;
}

export function profileMissing(id: string): AppError {
  return new AppError('ERR_GUARD_PROFILE_MISSING', `The guard doesn't know yet what is ordinary for ${id}: it has no clean profile`, { fix: calibrateFix(id) });
}

export function calibrateFix(id: string): string {
  return `lynceus guard calibrate <clean video or pictures> --model ${id}`;
}
