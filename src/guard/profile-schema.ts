import { z } from 'zod';
import { AppError } from '../core/errors.js';
import { EVIDENCE_VIEWS, GUARD_PROFILE_VERSION, type GuardProfile, SEARCH_KINDS, usesEvidence, usesFinder, viewsOf } from './profile.js';
import { regionFeatureNames } from './search/region-features.js';

const positiveInt = z.int().positive();
const numbers = z.array(z.number());
const byView = <Schema extends z.ZodType>(schema: Schema) => z.looseObject({ colour: schema, grey: schema });
const deviations = z.array(z.number().min(0));
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');
const regionModel = z.looseObject({ mean: numbers, deviation: z.array(z.number().positive()), weights: numbers, bias: z.number(), trigger: z.number() });
const tail = z.looseObject({ from: z.number().min(0), share: z.number().positive().max(1), scale: z.number().positive() });
const tapSchema = z.looseObject({ output: z.string().min(1), stride: positiveInt, channels: positiveInt, width: positiveInt, height: positiveInt });

/** Further keys are kept: a profile may say more than is needed to read it. */
const profileSchema = z
  .looseObject({
    version: z.literal(GUARD_PROFILE_VERSION),
    modelId: z.string().min(1),
    modelSha256: sha256,
    tap: tapSchema,
    calibratedOn: z.looseObject({ description: z.string(), pictures: z.int().min(0) }),
    search: z.enum(SEARCH_KINDS),
    finder: z.looseObject({ sha256 }).optional(),
    cells: z.looseObject({ mean: numbers, deviation: deviations, pixelMean: numbers, pixelDeviation: deviations, weights: byView(numbers) }).optional(),
    windows: z.looseObject({ sizes: z.array(positiveInt), scale: byView(z.array(z.number().positive())) }).optional(),
    region: z.looseObject({ colour: regionModel.optional(), grey: regionModel.optional(), finder: regionModel.optional() }),
    effect: z.looseObject({ hiding: tail, makingUp: tail }),
    evidence: z.record(z.string(), z.looseObject({ mean: z.number(), deviation: z.number().min(0), quantiles: numbers.min(1) })),
    thresholds: z.looseObject({ flag: z.number().positive(), appearing: z.number().positive(), scoreScale: z.number().positive() }),
  })
  .superRefine((profile, context) => {
    for (const path of missingOf(profile)) context.addIssue({ code: 'custom', path, message: `expected, since the search is ${profile.search}` });
    for (const { path, length, expected, why } of lengthsOf(profile)) {
      if (length !== expected) context.addIssue({ code: 'custom', path, message: `expected ${expected} numbers, ${why}, found ${length}` });
    }
  });

interface Length {
  readonly path: string[];
  readonly length: number;
  readonly expected: number;
  readonly why: string;
}

/** Parts that the search needs and that aren't there. */
function missingOf({ search, finder, cells, windows, region }: SearchParts): string[][] {
  const needed = [
    { path: ['finder'], part: finder, isNeeded: usesFinder(search) },
    { path: ['cells'], part: cells, isNeeded: usesEvidence(search) },
    { path: ['windows'], part: windows, isNeeded: usesEvidence(search) },
    ...viewsOf(search).map((view) => ({ path: ['region', view], part: region[view], isNeeded: true })),
  ];
  return needed.filter(({ part, isNeeded }) => isNeeded && part === undefined).map(({ path }) => path);
}

type SearchParts = Pick<GuardProfile, 'search' | 'finder' | 'tap' | 'cells' | 'windows' | 'region'>;

/** Lists that go with each other. */
function lengthsOf({ search, tap, cells, windows, region }: SearchParts): Length[] {
  const perChannel = 'one for each channel of the tap';
  const perFeature = 'one for each feature of a region';
  const ofCells = cells
    ? [
        { path: ['cells', 'mean'], length: cells.mean.length, expected: tap.channels, why: perChannel },
        { path: ['cells', 'deviation'], length: cells.deviation.length, expected: tap.channels, why: perChannel },
        { path: ['cells', 'pixelDeviation'], length: cells.pixelDeviation.length, expected: cells.pixelMean.length, why: 'as many as means' },
        ...EVIDENCE_VIEWS.map((view) => ({ path: ['cells', 'weights', view], length: cells.weights[view].length, expected: tap.channels + cells.pixelMean.length, why: 'one for each channel and pixel feature' })),
      ]
    : [];
  const ofWindows = windows ? EVIDENCE_VIEWS.map((view) => ({ path: ['windows', 'scale', view], length: windows.scale[view].length, expected: windows.sizes.length, why: 'one for each size' })) : [];
  const ofRegions = viewsOf(search).flatMap((view) => {
    const model = region[view];
    const lists = model ? (['mean', 'deviation', 'weights'] as const) : [];
    return lists.map((list) => ({ path: ['region', view, list], length: model![list].length, expected: regionFeatureNames(view).length, why: perFeature }));
  });
  return [...ofCells, ...ofWindows, ...ofRegions];
}

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
