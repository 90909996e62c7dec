import { attackDataset, type PatchRegion } from '../../attack/attack-dataset.js';
import { CONTROL_PATCHES, controlPatch, type PatchImage } from '../../attack/patch-image.js';
import type { PastePlacement } from '../../attack/placement.js';
import type { Logger } from '../../core/logger.js';
import type { CocoDataset } from '../../evaluation/coco-dataset.js';
import { type AttackFigures, attackFigures, meanOf } from '../../evaluation/robustness/attack-figures.js';
import { addedLatency, type AddedLatency, type DefenceWork, defenceWork, type LatencySample, latencySamples } from '../../evaluation/robustness/defence-cost.js';
import type { PlacedPatch, RunOutcome } from '../../evaluation/robustness/run-outcome.js';
import { type RunScore, scoreRun, type ScoredRun, type ScoringOptions } from '../../evaluation/robustness/run-score.js';
import type { ModelStore } from '../../model-store/store.js';
import type { Dataset } from '../../sources/dataset/dataset.js';
import { createPrivateFolder, removePrivateFolder } from '../../sources/private-folder.js';
import { type Defence, type DetectorSettings, runDefence } from './run-defence.js';
import { type ShownPicture, showPictures } from './show-pictures.js';

/** What is to be measured, all of it checked. */
export interface RobustnessPlan {
  readonly dataset: Dataset;
  readonly truth: CocoDataset;
  readonly patches: readonly PatchImage[];
  readonly placement: PastePlacement;
  /** Names of the categories whose objects carry patches and are judged. */
  readonly labels: readonly string[];
  readonly seed: number;
  readonly detector: DetectorSettings;
  /** From which score on a user acts on a box. */
  readonly threshold: number;
  readonly defence: Defence;
  /** Measured beside `defence`, for comparison. */
  readonly others: readonly Defence[];
  /** Path of a clean profile that counts instead of the model's own. */
  readonly profile: string | undefined;
  /** Pictures are kept for a report. */
  readonly showsPictures: boolean;
  readonly store: ModelStore;
  readonly log: Logger;
  readonly onProgress: (phase: string, done: number, total: number) => void;
  /** Ends the measurement early. */
  readonly signal?: AbortSignal;
}

export interface PatchMeasurement {
  readonly name: string;
  readonly figures: AttackFigures;
  readonly pictures: readonly ShownPicture[];
}

/** One defence, for the comparison of robustness with time. */
export interface DefencePoint {
  readonly defence: Defence;
  readonly cleanAp50: number | null;
  /** Mean over the patches. */
  readonly attackedAp50: number | null;
  /** Null where there is no defence. */
  readonly latency: AddedLatency | null;
}

export interface Measurement {
  readonly clean: RunScore;
  /** Null without a defence. */
  readonly cleanDefended: { readonly score: RunScore; readonly work: DefenceWork } | null;
  /** `grey` and `noise`; none where there is no attack. */
  readonly controls: readonly PatchMeasurement[];
  readonly attacks: readonly PatchMeasurement[];
  /** What the defence adds, over the clean and the attacked pictures; null without a defence. */
  readonly latency: AddedLatency | null;
  /** More than one only where others are compared. */
  readonly points: readonly DefencePoint[];
}

/** All runs over one version of the dataset's pictures. */
interface Runs {
  readonly off: RunOutcome;
  readonly defended: ReadonlyMap<Defence, RunOutcome>;
}

/** One attack's runs, put into figures. */
interface MeasuredAttack extends PatchMeasurement {
  /** Per defence. */
  readonly ap50: ReadonlyMap<Defence, number | null>;
  readonly latency: ReadonlyMap<Defence, readonly LatencySample[]>;
}

/**
 * Runs the model over the dataset as it is and with every patch, without and with the defence, and compares. Attacked pictures are made
 * in a temporary folder and removed after their runs.
 *
 * @throws AppError of the datasets, patches, models and streams; the signal's reason.
 */
export async function measureRobustness(plan: RobustnessPlan): Promise<Measurement> {
  const scoring = scoringOf(plan);
  const runs = await runAll(plan, plan.dataset.folder, 'clean', defencesOf(plan));
  const clean = scoreRun(runs.off, scoring);
  const cleanRun = runs.defended.get(plan.defence);
  const controls: MeasuredAttack[] = [];
  const attacks: MeasuredAttack[] = [];
  if (plan.patches.length > 0) for (const kind of CONTROL_PATCHES) controls.push(await measureAttack(plan, controlPatch(kind, plan.seed), { clean, runs, scoring, defences: defencesOf(plan).slice(0, 1) }));
  for (const patch of plan.patches) attacks.push(await measureAttack(plan, patch, { clean, runs, scoring, defences: defencesOf(plan) }));
  const points = pointsOf(plan, runs, attacks, scoring);
  return {
    clean: clean.score,
    cleanDefended: cleanRun ? { score: scoreRun(cleanRun, scoring, clean).score, work: defenceWork(cleanRun) } : null,
    controls,
    attacks,
    latency: points.find(({ defence }) => defence === plan.defence)?.latency ?? null,
    points,
  };
}

/** The defence in question first; running without one isn't one. */
function defencesOf({ defence, others }: RobustnessPlan): Defence[] {
  return [...new Set([defence, ...others])].filter((one) => one !== 'off');
}

function scoringOf({ truth, labels, threshold, seed }: RobustnessPlan): ScoringOptions {
  return { truth, threshold, bootstrap: { seed }, categories: truth.categories.filter(({ name }) => labels.includes(name)).map(({ id }) => id) };
}

interface AttackContext {
  readonly clean: ScoredRun;
  readonly runs: Runs;
  readonly scoring: ScoringOptions;
  readonly defences: readonly Defence[];
}

async function measureAttack(plan: RobustnessPlan, patch: PatchImage, { clean, runs, scoring, defences }: AttackContext): Promise<MeasuredAttack> {
  const { dataset, placement, labels, seed, onProgress, defence, signal } = plan;
  const onDrawn = (done: number, total: number): void => {
    signal?.throwIfAborted();
    onProgress(`${patch.name}: pictures`, done, total);
  };
  const folder = createPrivateFolder();
  try {
    const { regions } = await attackDataset({ dataset, patch, placement, folder, seed, categories: labels, onProgress: onDrawn });
    const { off, defended } = await runAll(plan, folder, patch.name, defences);
    const patches = placedPatches(dataset, regions);
    const main = defended.get(defence);
    const figures = attackFigures({ attacked: off, defended: main, patches, findsRegions: defence !== 'lgs' }, clean, scoring);
    const pictures = plan.showsPictures ? await showPictures({ dataset, attackedFolder: folder, clean: runs.off, attacked: off, defended: main, patches, scoring }) : [];
    return {
      name: patch.name,
      figures,
      pictures,
      ap50: new Map([['off', figures.attacked.ap50], ...[...defended].map(([one, run]) => [one, scoreRun(run, scoring, clean).score.ap50] as const)]),
      latency: new Map([...defended].map(([one, run]) => [one, latencySamples(off, run)])),
    };
  } finally {
    removePrivateFolder(folder);
  }
}

async function runAll(plan: RobustnessPlan, folder: string, name: string, defences: readonly Defence[]): Promise<Runs> {
  const { detector, profile, store, log, truth, onProgress, signal } = plan;
  const run = (defence: Defence): Promise<RunOutcome> =>
    runDefence({ folder, detector, defence, profile, store, log, ...(signal ? { signal } : {}), categories: truth.categories, onPicture: (done) => onProgress(`${name}: ${DEFENCE_NAMES[defence]}`, done, truth.images.length) });
  const off = await run('off');
  const defended = new Map<Defence, RunOutcome>();
  for (const defence of defences) defended.set(defence, await run(defence));
  return { off, defended };
}

/** For progress, tables and plots. */
export const DEFENCE_NAMES: Readonly<Record<Defence, string>> = {
  off: 'no defence',
  lgs: 'local gradient smoothing',
  'guard-without-time': 'guard without time',
  guard: 'guard',
};

/** What each region's carrier is in the ground truth: objects are named by their tracks where they have any, else by their place from 1. */
export function placedPatches({ boxes }: Pick<Dataset, 'boxes'>, regions: ReadonlyMap<number, readonly Pick<PatchRegion, 'imageId' | 'objectId' | 'xyxy'>[]>): PlacedPatch[] {
  const ofTracks = new Map(boxes.flatMap(({ imageId, trackId }, place) => (trackId === undefined ? [] : [[`${imageId}/${trackId}`, place] as const])));
  return [...regions.values()].flat().map(({ imageId, objectId, xyxy }) => ({
    imageId,
    xyxy,
    carrier: objectId === undefined ? undefined : (ofTracks.get(`${imageId}/${objectId}`) ?? objectId - 1),
  }));
}

function pointsOf(plan: RobustnessPlan, clean: Runs, attacks: readonly MeasuredAttack[], scoring: ScoringOptions): DefencePoint[] {
  const point = (defence: Defence, cleanRun: RunOutcome, samples: readonly LatencySample[]): DefencePoint => ({
    defence,
    cleanAp50: scoreRun(cleanRun, scoring).score.ap50,
    attackedAp50: meanOf(attacks.map(({ ap50 }) => ap50.get(defence))),
    latency: addedLatency([...samples, ...attacks.flatMap(({ latency }) => latency.get(defence) ?? [])]),
  });
  return [point('off', clean.off, []), ...defencesOf(plan).map((defence) => point(defence, clean.defended.get(defence)!, latencySamples(clean.off, clean.defended.get(defence)!)))];
}
