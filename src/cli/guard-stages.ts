import { z } from 'zod';
import { monotonicMs } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import type { Stage } from '../core/stage.js';
import { LimitedLog } from '../graph/limited-log.js';
import { FrameGuard, type FrameGuardOptions } from '../guard/frame-guard.js';
import type { GuardService } from '../guard/guard-service.js';
import { GuardedDetectStage } from '../guard/guarded-detect-stage.js';
import type { DeliveryThresholds } from '../guard/passes.js';
import { PatchGuardStage } from '../guard/patch-guard-stage.js';
import type { GuardProfile } from '../guard/profile.js';
import { SmoothingGuard } from '../guard/smoothing-guard.js';

/** At 10 frames a second one frame in five may be looked at twice. */
const EXTRA_PASSES_PER_SECOND = 2;

export const guardOptions = z.strictObject({
  time: z
    .union([z.boolean(), z.literal('auto')], 'Expected true, false or auto')
    .default('auto')
    .describe('Follow patches from frame to frame, one frame after the other. auto: for all but datasets of unrelated pictures.'),
  maxExtraPassesPerSecond: z.number().min(0).max(1000).optional().describe('Extra inferences a second at most, by presentation time. With time 2, without as many as are needed.'),
  profile: z.string().min(1).optional().describe("A clean profile (guard.json); the model's own unless told otherwise."),
  method: z.enum(['verify', 'smooth']).default('verify').describe('verify: search patches and verify them by what the detector says without them. smooth: local gradient smoothing of every frame, a baseline to compare with.'),
});

export type PatchGuardOptions = z.output<typeof guardOptions>;

/** What a guard is made with besides its workers. */
export interface GuardMaking {
  readonly options: PatchGuardOptions;
  readonly profile: GuardProfile;
  readonly thresholds: DeliveryThresholds;
  /** `options.time`, decided. */
  readonly time: boolean;
  readonly log: Logger;
  readonly stageId: string;
}

/** The two stages of a guarded detector. */
export function makeFrameGuard(service: GuardService, { options, profile, thresholds, time, log, stageId }: GuardMaking): { readonly detect: Stage; readonly verify: Stage } {
  const limitedLog = new LimitedLog(log);
  const budget = options.maxExtraPassesPerSecond ?? (time ? EXTRA_PASSES_PER_SECOND : undefined);
  const frameGuardOptions: FrameGuardOptions = {
    profile,
    thresholds,
    time,
    ...(budget === undefined ? {} : { maxExtraPassesPerSecond: budget }),
    onUnguarded: ({ code, message }) => limitedLog.warn(code, monotonicMs(), { stage: stageId, code }, `A frame passes unguarded: ${message}`),
  };
  const guard = options.method === 'smooth' ? new FrameGuard(service, frameGuardOptions, () => new SmoothingGuard(thresholds)) : new FrameGuard(service, frameGuardOptions);
  return { detect: new GuardedDetectStage(guard), verify: new PatchGuardStage(guard) };
}
