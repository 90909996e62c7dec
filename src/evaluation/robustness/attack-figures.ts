import { type DefenceWork, defenceWork } from './defence-cost.js';
import { type RecoveredShare, recoveredShare } from './recovered-share.js';
import { harmfulPatches, type RegionScore, scoreRegions } from './region-score.js';
import type { PlacedPatch, RunOutcome } from './run-outcome.js';
import { type RunScore, type ScoredRun, scoreRun, type ScoringOptions } from './run-score.js';

/** One attack on a dataset, without and with a defence. */
export interface AttackOutcome {
  readonly attacked: RunOutcome;
  /** Absent where no defence is measured. */
  readonly defended?: RunOutcome | undefined;
  readonly patches: readonly PlacedPatch[];
  /** False for a defence that doesn't say where patches are; true where absent. */
  readonly findsRegions?: boolean;
}

export interface AttackFigures {
  readonly attacked: RunScore;
  /** This and the next three: null without a defence. */
  readonly defended: RunScore | null;
  /** Also null where the attack does no harm to speak of. */
  readonly recovered: RecoveredShare | null;
  /** Also null where the defence doesn't say where patches are. */
  readonly regions: RegionScore | null;
  readonly work: DefenceWork | null;
  /** For each patch whether it did harm. */
  readonly harmful: readonly boolean[];
}

/** @param clean the score of the run without attack and without defence. */
export function attackFigures({ attacked, defended, patches, findsRegions = true }: AttackOutcome, clean: ScoredRun, options: ScoringOptions): AttackFigures {
  const without = scoreRun(attacked, options, clean);
  const harmful = harmfulPatches(patches, clean.matches, without.matches);
  if (!defended) return { attacked: without.score, defended: null, recovered: null, regions: null, work: null, harmful };
  const withDefence = scoreRun(defended, options, clean);
  return {
    attacked: without.score,
    defended: withDefence.score,
    recovered: recoveredShare(clean.rankings, without.rankings, withDefence.rankings, options.truth.images.length, options.bootstrap),
    regions: findsRegions ? scoreRegions(defended, patches, harmful) : null,
    work: defenceWork(defended),
    harmful,
  };
}

/** Mean of the numbers that are there; null where none is. */
export function meanOf(values: readonly (number | null | undefined)[]): number | null {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}
