import { z } from 'zod';
import { AppError } from '../core/errors.js';
import { GUARD_PROFILE_VERSION, type GuardProfile } from './profile.js';

const positiveInt = z.int().positive();
const deviation = z.number().min(0);
/** For each of `QUANTILES` one. */
const quantiles = z.array(z.number()).min(1);

const tapSchema = z.looseObject({ output: z.string().min(1), stride: positiveInt, channels: positiveInt, width: positiveInt, height: positiveInt });

/** Further keys are kept: a profile may say more than is needed to read it. */
const profileSchema = z
  .looseObject({
    version: z.literal(GUARD_PROFILE_VERSION),
    modelId: z.string().min(1),
    modelSha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits'),
    tap: tapSchema,
    calibratedOn: z.looseObject({ description: z.string(), pictures: z.int().min(0) }),
    channels: z.looseObject({ mean: z.array(z.number()), deviation: z.array(deviation) }),
    evidence: z.record(z.string(), z.looseObject({ mean: z.number(), deviation, quantiles })),
    thresholds: z.record(z.string(), z.number()),
  })
  .superRefine(({ tap, channels }, context) => {
    for (const key of ['mean', 'deviation'] as const) {
      if (channels[key].length !== tap.channels) context.addIssue({ code: 'custom', path: ['channels', key], message: `expected ${tap.channels} numbers, one for each channel of the tap, found ${channels[key].length}` });
    }
  });

/**
 * Reads a clean profile.
 *
 * @param text JSON; @param fileName for messages, with @param fix what to do.
 * @throws AppError ERR_GUARD_PROFILE_INVALID that names every bad key by its path.
 */
export function parseGuardProfile(text: string, fileName: string, fix: string): GuardProfile {
  const json = parseJson(text, fileName, fix);
  const version = (json as { readonly version?: unknown } | null)?.version;
  if (typeof version === 'number' && version !== GUARD_PROFILE_VERSION) {
    throw invalid(`${fileName} has version ${version}, this lynceus reads version ${GUARD_PROFILE_VERSION}`, fix);
  }
  const result = profileSchema.safeParse(json);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.map(String).join('.') || '(profile)'}: ${message}`);
  throw invalid(`${fileName}: ${faults.join('; ')}`, fix, result.error);
}

function parseJson(text: string, fileName: string, fix: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(`${fileName} is not JSON: ${(cause as Error).message}`, fix, cause);
  }
}

function invalid(message: string, fix: string, cause?: unknown): AppError {
  return new AppError('ERR_GUARD_PROFILE_INVALID', message, { fix, cause });
}
