import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { loadPatch, type PatchImage, patchPng } from '../../attack/patch-image.js';
import type { PastePlacement } from '../../attack/placement.js';
import { planPatches } from '../../attack/plan-patches.js';
import { AppError } from '../../core/errors.js';
import type { ModelManifest } from '../../core/manifest.js';
import type { ModelStore } from '../../model-store/store.js';
import type { Dataset } from '../../sources/dataset/dataset.js';
import { openDataset } from '../../sources/dataset/video-with-tracks.js';
import { toCocoDataset } from '../ground-truth.js';
import { createLog } from '../log.js';
import { openStore } from '../models.js';
import { type CleanProfile, cleanProfile } from '../robustness/clean-profile.js';
import { type Measurement, measureRobustness } from '../robustness/measure.js';
import { bold, isInteractive, PhaseBars, print, progressBar, say } from '../terminal.js';
import { type AttackFiles, attackFiles, prepareFiles, writeAttack } from './attack-files.js';
import { attackJson } from './attack-json.js';
import { attackedClasses, type AttackOptions, attackPlacement, namedPatch } from './attack-options.js';
import { renderAttackReport } from './attack-report.js';
import type { AttackOutcome } from './attack-outcome.js';
import { attackText, sparkline } from './attack-text.js';
import { type SearchedPatch, searchPatch } from './search-patch.js';

/** An attack, all of it checked. */
interface CheckedAttack {
  readonly options: AttackOptions;
  readonly dataset: Dataset;
  readonly placement: PastePlacement;
  readonly classIds: ReadonlySet<number>;
  readonly manifest: ModelManifest;
  readonly store: ModelStore;
  readonly files: AttackFiles;
  /** Patch that the search begins with. */
  readonly begin: PatchImage | undefined;
  readonly bars: PhaseBars;
}

/** Low, so that the whole precision-recall curve is there. */
const EVALUATION_CONFIDENCE = 0.001;
const INTERRUPTED = 130;

/**
 * `lynceus attack`: makes or takes a patch, puts it into pictures, and measures what it does.
 *
 * @throws AppError of the dataset, the patch, the model, the search or a run.
 */
export async function runAttack(data: string, options: AttackOptions): Promise<void> {
  // Temporary folders are removed when the process exits, which a signal alone doesn't let it do.
  process.once('SIGINT', () => process.exit(INTERRUPTED));
  process.once('SIGTERM', () => process.exit(INTERRUPTED));
  const placement = attackPlacement(options);
  const given = await namedPatch(options);
  const begin = options.start === undefined ? undefined : await loadPatch(resolve(options.start));
  if (begin && given) throw new AppError('ERR_USAGE', '--start is of a search, and --patch names a finished patch.', { fix: 'Leave --patch out.' });
  const store = openStore();
  const { manifest } = await store.resolve(options.model);
  const bars = new PhaseBars();
  const opened = await openDataset(resolve(data), { truth: options.gt === undefined ? undefined : resolve(options.gt), onExtract: (frames) => say(`Taking ${frames} frames out of the video`) });
  try {
    const { dataset } = opened;
    const classIds = attackedClasses(options, dataset, manifest.labels);
    const { label: categories, seed } = options;
    planPatches({ dataset, placement, seed, categories });
    const files = attackFiles(data, options.out);
    await prepareFiles(files, options.force ?? false);
    const checked: CheckedAttack = { options, dataset, placement, classIds, manifest, store, files, begin, bars };
    const profile = options.adaptive ? await findProfile(checked) : undefined;
    const search = given ? undefined : await findPatch(checked, profile);
    const patch = given ?? search!.patch;
    const hasVideo = await writeAttack(files, patch, { dataset, placement, seed, categories }, (done, total) => bars.update('writing pictures', done, total));
    const measured = await measure(checked, begin ? [begin, patch] : [patch], profile);
    bars.stop();
    await tell({ data, options, placement, patch, search, measured, profile, files: { ...files, video: hasVideo ? files.video : undefined } });
  } finally {
    bars.stop();
    opened.close();
  }
}

async function findProfile({ store, options, dataset, bars }: CheckedAttack): Promise<CleanProfile> {
  const profile = await cleanProfile(store, options.model, dataset.folder, options.profile, (done, total) => bars.update('calibrating the guard', done, total));
  bars.stop();
  if (profile.automatic) say(`${bold('No clean profile')}: ${options.model} was calibrated on the clean pictures that are attacked (${profile.description}).`);
  return profile;
}

async function findPatch({ options, dataset, placement, classIds, manifest, store, files, begin, bars }: CheckedAttack, profile: CleanProfile | undefined): Promise<SearchedPatch> {
  bars.stop();
  const { model, label: labels, greyscale = false, goal, method, queries, grid, seed, evidenceWeight } = options;
  const guarded = profile ? await store.resolveGuarded(model, profile.path) : undefined;
  const modelPath = guarded ? guarded.tappedPath : (await store.resolve(model)).preparedPath;
  const bar = progressBar('searching', queries);
  let told = 0;
  try {
    return await searchPatch({
      ...{ dataset, manifest, modelPath, placement, labels, classIds, greyscale, goal, method, queries, grid, seed, evidenceWeight, begin },
      guard: guarded && { tap: guarded.tap, profile: guarded.profile, finderPath: guarded.finder?.path },
      checkpoint: files.search,
      onProgress: (done, curve) => {
        bar.update(done, `loss ${curve.at(-1)?.loss.toFixed(3) ?? '-'} ${sparkline(curve)}`);
        if (isInteractive || done < (told + 0.25) * queries) return;
        told = done / queries;
        say(`searching: ${done} of ${queries} queries, loss ${curve.at(-1)?.loss.toFixed(3) ?? '-'}`);
      },
    });
  } finally {
    bar.stop();
  }
}

function measure({ options, dataset, placement, manifest, store, bars }: CheckedAttack, patches: readonly PatchImage[], profile: CleanProfile | undefined): Promise<Measurement> {
  const isSequence = dataset.frameRateFps !== undefined;
  return measureRobustness({
    ...{ dataset, truth: toCocoDataset(dataset), patches, placement, labels: options.label, seed: options.seed, store },
    threshold: manifest.defaults.confidenceThreshold,
    defence: profile ? (isSequence ? 'guard' : 'guard-without-time') : 'off',
    others: [],
    detector: { model: options.model, confidence: EVALUATION_CONFIDENCE, iou: undefined, bestClass: false },
    profile: profile?.path,
    showsPictures: true,
    log: createLog('warn'),
    onProgress: bars.update,
  });
}

async function tell(outcome: AttackOutcome): Promise<void> {
  const { files, options } = outcome;
  const figures = JSON.stringify(attackJson(outcome), null, 2);
  await writeFile(files.figures, `${figures}\n`);
  await writeFile(files.report, renderAttackReport(outcome, await patchPng(outcome.patch)));
  print(options.json ? figures : attackText(outcome));
  say(`${bold('Written')} ${files.dataset}${files.video === undefined ? '' : `, ${files.video}`}, ${files.patch}, ${files.report}`);
}
