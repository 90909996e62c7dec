import { beforeAll, describe, expect, test } from 'vitest';
import { attackDataset, type PatchRegion } from '../../src/attack/attack-dataset.js';
import { loadPatch } from '../../src/attack/patch-image.js';
import { CHEST_PLACEMENT } from '../../src/attack/placement.js';
import { chooseSearch, learnProfile } from '../../src/cli/guard/learn-profile.js';
import { anyPictures } from '../../src/cli/picture-sets.js';
import type { Detections } from '../../src/core/detections.js';
import type { GuardReport } from '../../src/core/guard-report.js';
import { loadDetector } from '../../src/detector/detector-session.js';
import { PassRunner } from '../../src/guard/pass-runner.js';
import type { GuardPasses } from '../../src/guard/passes.js';
import { PatchGuard } from '../../src/guard/patch-guard.js';
import type { GuardProfile } from '../../src/guard/profile.js';
import { PatchFinder } from '../../src/guard/search/patch-finder.js';
import { regionIou } from '../../src/guard/search/region-geometry.js';
import { selectDetections } from '../../src/guard/select-detections.js';
import { ModelStore, type TappedModel } from '../../src/model-store/store.js';
import { storePaths } from '../../src/model-store/store-paths.js';
import { type Dataset, readDataset } from '../../src/sources/dataset/read-dataset.js';
import { missingShared, sharedFile } from '../fixtures/index.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { boxesOf, region } from './found.js';

const NEEDED = ['data/coco128', 'data/fudanped', 'data/patches/object_score.png', 'models/yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.cfg'] as const;
const missing = NEEDED.find((path) => !sharedFile(path));
const home = tempFolder();
const attackedFolder = tempFolder();
const store = new ModelStore(storePaths({ LYNCEUS_HOME: home }), {});

const PICTURES = 12;
const CALIBRATION_PICTURES = 24;
const PERSON = 0;
/** A confidence that one would ring a bell at. */
const ACTED_ON = 0.6;

interface Outcome {
  readonly imageId: number;
  readonly unguarded: Detections;
  readonly guarded: Detections;
  readonly report: GuardReport;
}

describe.skipIf(missing)(`people who wear a published patch${missing ? ` (skipped: ${missingShared(missing)})` : ''}`, () => {
  let model: TappedModel;
  let profile: GuardProfile;
  let dataset: Dataset;
  let patches: ReadonlyMap<number, readonly PatchRegion[]>;
  let clean: Outcome[];
  let attacked: Outcome[];

  beforeAll(async () => {
    const { id } = (await store.add(sharedFile(NEEDED[3])!)).manifest;
    model = await store.resolveTapped(id);
    profile = await learnProfile(model, await chooseSearch(store), { pictures: await anyPictures(sharedFile(NEEDED[0])!, CALIBRATION_PICTURES), threads: 1 });
    dataset = firstPictures(await readDataset(sharedFile(NEEDED[1])!));
    const patch = await loadPatch(sharedFile(NEEDED[2])!);
    const made = await attackDataset({ dataset, patch, placement: CHEST_PLACEMENT, folder: attackedFolder, seed: 1 });
    patches = made.regions;
    clean = await runGuarded(dataset.folder);
    attacked = await runGuarded(made.folder);
  }, 120_000);

  /** Every picture for itself, without and with the guard. */
  async function runGuarded(folder: string): Promise<Outcome[]> {
    const { manifest, tappedPath, tap } = model;
    const thresholds = { ...manifest.defaults, maxDetections: 100 };
    const finder = await PatchFinder.load({ modelPath: (await store.resolveFinder()).path, threads: 1 }, manifest.input);
    const runner = new PassRunner(await loadDetector({ manifest, modelPath: tappedPath, threads: 1 }), { manifest, tap, profile, thresholds }, finder);
    const passes: GuardPasses = { run: async (request) => ({ response: await runner.run(request), worker: 'this' }) };
    const guard = new PatchGuard({ profile, passes, thresholds, time: false });
    const { width, height, fit, padValue } = manifest.input;
    const outcomes: Outcome[] = [];
    for await (const picture of (await anyPictures(folder)).read({ size: { width, height }, fit, padValue })) {
      const frame = { ...picture, ptsUs: 0 };
      const request = guard.plan(frame);
      const { response } = await passes.run(request);
      const { detections, report } = await guard.conclude(frame, request, response);
      outcomes.push({ imageId: picture.imageId, unguarded: selectDetections(response.detections, thresholds), guarded: detections, report });
      if (outcomes.length === PICTURES) break;
    }
    return outcomes;
  }

  /** How many annotated people have a box of at least that confidence. */
  function peopleFound(outcomes: readonly Outcome[], which: 'guarded' | 'unguarded', above = 0): number {
    return outcomes.reduce((sum, outcome) => {
      const people = dataset.boxes.filter(({ imageId }) => imageId === outcome.imageId).map(({ xywh: [x, y, width, height] }) => region([x, y, x + width, y + height]));
      const boxes = boxesOf(outcome[which]).filter(({ classId, confidence }) => classId === PERSON && confidence > above);
      return sum + people.filter((person) => boxes.some(({ xyxy }) => regionIou(region(xyxy), person) >= 0.5)).length;
    }, 0);
  }

  test('more of them are found than without the guard', () => {
    expect(attacked).toHaveLength(PICTURES);
    expect(peopleFound(attacked, 'guarded')).toBeGreaterThan(peopleFound(attacked, 'unguarded'));
    // At a threshold that people act on, the patch hides many more: half of them at least are back.
    const [before, hidden, back] = [peopleFound(clean, 'unguarded', ACTED_ON), peopleFound(attacked, 'unguarded', ACTED_ON), peopleFound(attacked, 'guarded', ACTED_ON)];
    expect(hidden).toBeLessThan(before - 3);
    expect(back - hidden).toBeGreaterThanOrEqual((before - hidden) / 2);
  });

  test('what is recovered is said to be, and the regions are those of patches', () => {
    const adversarial = attacked.flatMap(({ imageId, report }) => report.patches.filter(({ verdict }) => verdict === 'adversarial').map((finding) => ({ finding, placed: patches.get(imageId)! })));
    expect(adversarial.length).toBeGreaterThan(PICTURES / 2);
    for (const { finding } of adversarial) expect(finding).toMatchObject({ action: 'filled', effect: expect.stringMatching(/^(hiding|appearing)$/) as string });
    const onPatches = adversarial.filter(({ finding, placed }) => placed.some(({ xyxy }) => regionIou(region(xyxy), region(finding.xyxy)) >= 0.3));
    expect(onPatches.length).toBeGreaterThanOrEqual(0.7 * adversarial.length);
    for (const { unguarded, guarded, report } of attacked) {
      expect(report).toMatchObject({ state: 'guarded' });
      expect(report.origins).toHaveLength(guarded.count);
      expect(report.origins.filter((origin) => origin === 'untouched').length).toBeLessThanOrEqual(unguarded.count);
    }
    expect(attacked.flatMap(({ report }) => report.origins)).toContain('recovered');
  });

  test('without patches the boxes are the same', () => {
    const same = clean.filter(({ unguarded, guarded, report }) => JSON.stringify(boxesOf(guarded)) === JSON.stringify(boxesOf(unguarded)) && report.suppressed.count === 0);
    // A false alarm in a hundred pictures is what it is calibrated for.
    expect(same.length).toBeGreaterThanOrEqual(PICTURES - 1);
    expect(peopleFound(clean, 'guarded', ACTED_ON)).toBeGreaterThanOrEqual(peopleFound(clean, 'unguarded', ACTED_ON));
  });
});

/** The first few pictures of a dataset. */
function firstPictures(dataset: Dataset): Dataset {
  const images = dataset.images.slice(0, PICTURES);
  const ids = new Set(images.map(({ id }) => id));
  return { ...dataset, images, boxes: dataset.boxes.filter(({ imageId }) => ids.has(imageId)) };
}
