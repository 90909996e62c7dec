import type { PatchJudgement } from '../../attack/optimise/detector-objective.js';
import { robustnessJson } from '../robustness/robustness-json.js';
import type { AttackOutcome } from './attack-outcome.js';
import type { SearchedPatch } from './search-patch.js';

/** The figures of an attack as they are printed: snake case, shares from 0 to 1. */
export function attackJson({ data, options, placement, patch, search, measured, profile, files }: AttackOutcome): Record<string, unknown> {
  const { clean, clean_guarded, attacked, guarded, grey, noise, grey_guarded, noise_guarded, patches, recovered, hit_rate } = robustnessJson(measured);
  return {
    dataset: data,
    model: options.model,
    labels: options.label,
    goal: options.goal,
    patch: patch.name,
    placement,
    greyscale: options.greyscale ?? false,
    seed: options.seed,
    ...{ clean, grey, noise, attacked, patches },
    // Of the guard: only where the attacker knows it.
    ...(profile ? { clean_guarded, grey_guarded, noise_guarded, guarded, recovered, hit_rate, profile: { calibrated_on: profile.description, automatic: profile.automatic } } : {}),
    search: search ? searchJson(search, options) : null,
    files: { dataset: files.dataset, patch: files.patch, video: files.video ?? null, report: files.report },
  };
}

function searchJson({ queries, curve, pictures, judged }: SearchedPatch, { method, grid, adaptive = false, evidenceWeight }: AttackOutcome['options']): Record<string, unknown> {
  const judgement = ({ score, evidence }: PatchJudgement): Record<string, number> => (adaptive ? { score, evidence } : { score });
  return {
    ...{ method, grid, queries, adaptive },
    evidence_weight: adaptive ? evidenceWeight : 0,
    scenes: { searched: pictures.searched, held_out: pictures.heldOut },
    judged: judged.map(({ name, searched, heldOut }) => ({ name, searched: judgement(searched), held_out: judgement(heldOut) })),
    curve,
  };
}
