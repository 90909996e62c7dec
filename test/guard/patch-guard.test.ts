import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/errors.js';
import { fillOf } from '../../src/guard/verify-regions.js';
import { box, boxesOf, found, region } from './found.js';
import { candidate, covers, GuardStory, type Moment } from './scripted-passes.js';

const [PERSON, DOG] = [0, 16];
const BODY = [100, 100, 160, 260] as const;
const PATCH = region([115, 140, 145, 170]);
const AT_PATCH = [113, 138, 147, 172] as const;
/** Somewhere else: a poster, say. */
const POSTER = region([300, 40, 340, 80]);
const OTHER = [300, 100, 360, 260] as const;

/** A person who is hidden by a patch, and another one who isn't. */
const HIDING: Moment = {
  detect: (fills) => (covers(fills, PATCH) ? found(box(OTHER, 0.7), box(BODY, 0.8)) : found(box(OTHER, 0.7), box(BODY, 0.1))),
  candidates: [candidate(PATCH, 3)],
};
/** A thing that is taken for a dog. */
const APPEARING: Moment = {
  detect: (fills) => (covers(fills, PATCH) ? found(box(OTHER, 0.7)) : found(box(OTHER, 0.7), box(AT_PATCH, 0.9, DOG))),
  candidates: [candidate(PATCH, 6)],
};

describe('a frame without anything suspicious', () => {
  it('takes no extra pass, and passes untouched', async () => {
    const { detections, report, passes } = await new GuardStory().see({ detect: () => found(box(OTHER, 0.7), box(BODY, 0.26), box(BODY, 0.24, DOG)) });
    expect(boxesOf(detections)).toEqual([box(OTHER, 0.7), box(BODY, 0.26)]);
    expect(report).toMatchObject({ state: 'guarded', patches: [], origins: ['untouched', 'untouched'], suppressed: { count: 0 }, extraPasses: 0 });
    expect(report.reason).toBeUndefined();
    expect(passes).toHaveLength(1);
    expect(passes[0]).toMatchObject({ search: true, fills: [] });
    expect(passes[0]).not.toHaveProperty('follow');
  });
});

describe('a benign candidate', () => {
  it('costs one pass and changes nothing', async () => {
    const detect = (): ReturnType<typeof found> => found(box(OTHER, 0.7), box(BODY, 0.6));
    const { detections, report, passes } = await new GuardStory().see({ detect, candidates: [candidate(PATCH, 6), candidate(POSTER, 3)] });
    expect(boxesOf(detections)).toEqual([box(OTHER, 0.7), box(BODY, 0.6)]);
    expect(report).toMatchObject({ state: 'guarded', origins: ['untouched', 'untouched'], extraPasses: 1 });
    expect(report.patches.map(({ verdict, action }) => [verdict, action])).toEqual([['benign', 'none'], ['benign', 'none']]);
    expect(passes.slice(1).map(({ fills, search }) => ({ fills, search }))).toEqual([{ fills: [fillOf(PATCH), fillOf(POSTER)], search: false }]);
  });

  it.each<[what: string, moment: Moment]>([
    ['the object is only weakened by it', { detect: (fills) => found(box(BODY, covers(fills, PATCH) ? 0.5 : 0.8)), candidates: [candidate(PATCH, 6)] }],
    ['the object gains no more than ordinary ones do', { detect: (fills) => found(box(BODY, covers(fills, PATCH) ? 0.56 : 0.5)), candidates: [candidate(PATCH, 0.2)] }],
    ['the object becomes another one', { detect: (fills) => found(box(BODY, 0.8, covers(fills, PATCH) ? DOG : PERSON)), candidates: [candidate(PATCH, 4)] }],
    ['what comes up is weak, and the region hardly looks like a patch', { detect: (fills) => (covers(fills, PATCH) ? found(box(BODY, 0.3)) : found()), candidates: [candidate(PATCH, 0.2)] }],
    ['an ordinary object goes away with it', { ...APPEARING, candidates: [candidate(PATCH, 1)] }],
  ])('it is one where %s', async (_, moment) => {
    const { detections, report } = await new GuardStory().see(moment);
    expect(report.patches.map(({ verdict }) => verdict)).toEqual(['benign']);
    expect(report.patches[0]!.score).toBeLessThan(0.5);
    expect(report.suppressed.count).toBe(0);
    expect(boxesOf(detections)).toEqual(boxesOf(moment.detect([])));
  });
});

describe('a patch that hides', () => {
  it('is filled, and who was hidden is recovered', async () => {
    const { detections, report, passes } = await new GuardStory().see(HIDING);
    expect(boxesOf(detections)).toEqual([box(BODY, 0.8), box(OTHER, 0.7)]);
    expect(report).toMatchObject({ state: 'guarded', origins: ['recovered', 'untouched'], suppressed: { count: 0 }, extraPasses: 1 });
    expect(report.patches).toEqual([{ xyxy: [115, 140, 145, 170], score: expect.any(Number) as number, verdict: 'adversarial', action: 'filled', effect: 'hiding' }]);
    expect(report.patches[0]!.score).toBeGreaterThan(0.5);
    expect(report.patches[0]!.score).toBeLessThanOrEqual(1);
    expect(passes.map(({ fills }) => fills)).toEqual([[], [fillOf(PATCH)]]);
  });

  it('is reported in pixels of the source picture, no further than its borders', async () => {
    // The source is twice as large, and lies 20 pixels below the top of the input.
    const fit = { scaleX: 0.5, scaleY: 0.5, padX: 0, padY: 20 };
    const hidden = region([-5, 140, 25, 170]);
    const detect: Moment['detect'] = (fills) => (covers(fills, hidden) ? found(box([0, 160, 80, 480], 0.8)) : found());
    const { detections, report } = await new GuardStory().see({ detect, candidates: [candidate(hidden, 3)] }, { fit, sourceSize: { width: 960, height: 560 } });
    expect(report.patches.map(({ xyxy, verdict }) => ({ xyxy, verdict }))).toEqual([{ xyxy: [0, 240, 50, 300], verdict: 'adversarial' }]);
    expect(boxesOf(detections)).toEqual([box([0, 160, 80, 480], 0.8)]);
  });

  it('among ordinary things is filled alone: what their covering does is not delivered', async () => {
    const detect: Moment['detect'] = (fills) => found(box(BODY, !covers(fills, PATCH) ? 0.1 : covers(fills, POSTER) ? 0.6 : 0.8));
    const { detections, report, passes } = await new GuardStory().see({ detect, candidates: [candidate(POSTER, 4), candidate(PATCH, 3)] });
    expect(passes.slice(1).map(({ fills }) => fills)).toEqual([[fillOf(POSTER), fillOf(PATCH)], [fillOf(PATCH)]]);
    expect(boxesOf(detections)).toEqual([box(BODY, 0.8)]);
    expect(report.extraPasses).toBe(2);
    expect(report.patches.map(({ xyxy, verdict }) => [xyxy[0], verdict]).toSorted()).toEqual([[115, 'adversarial'], [300, 'benign']]);
  });

  it('two of them are filled in one pass', async () => {
    const second = region([315, 140, 345, 170]);
    const detect: Moment['detect'] = (fills) => found(box(BODY, covers(fills, PATCH) ? 0.8 : 0.1), box(OTHER, covers(fills, second) ? 0.9 : 0));
    const { detections, report } = await new GuardStory().see({ detect, candidates: [candidate(PATCH, 3), candidate(second, 3)] });
    expect(boxesOf(detections)).toEqual([box(OTHER, 0.9), box(BODY, 0.8)]);
    expect(report).toMatchObject({ origins: ['recovered', 'recovered'], extraPasses: 1 });
  });
});

describe('companions, which hardly look like patches', () => {
  const second = region([315, 140, 345, 170]);
  const detect: Moment['detect'] = (fills) => found(box(BODY, covers(fills, PATCH) ? 0.8 : 0.1), box(OTHER, covers(fills, second) ? 0.9 : 0.05));

  it('are verified where there is a patch: there may be more', async () => {
    const { detections, report, passes } = await new GuardStory().see({ detect, candidates: [candidate(PATCH, 3), candidate(second, -0.5), candidate(POSTER, -1)] });
    expect(boxesOf(detections)).toEqual([box(OTHER, 0.9), box(BODY, 0.8)]);
    expect(report.origins).toEqual(['recovered', 'recovered']);
    expect(report.patches.map(({ xyxy, verdict }) => [xyxy[0], verdict]).toSorted()).toEqual([[115, 'adversarial'], [300, 'benign'], [315, 'adversarial']]);
    expect(passes[1]!.fills).toEqual([fillOf(PATCH)]);
    for (const { fills } of passes.slice(2)) expect(covers(fills, PATCH)).toBe(true);
    expect(passes.map(({ fills }) => fills)).toContainEqual([fillOf(PATCH), fillOf(second)]);
  });

  it('are nothing where there is none', async () => {
    const { detections, report, passes } = await new GuardStory().see({ detect, candidates: [candidate(POSTER, 3), candidate(second, -0.5)] });
    expect(passes.slice(1).map(({ fills }) => fills)).toEqual([[fillOf(POSTER)]]);
    expect(detections.count).toBe(0);
    expect(report.patches).toMatchObject([{ xyxy: [300, 40, 340, 80], verdict: 'benign' }]);
  });
});

it.each([0.001, 0.25, 0.6])('whatever the user wants delivered, the verdict is the same: threshold %f', async (confidenceThreshold) => {
  const detect: Moment['detect'] = (fills) => found(...boxesOf(HIDING.detect(fills)), box([400, 200, 440, 280], 0.005));
  const { detections, report } = await new GuardStory({ thresholds: { confidenceThreshold, iouThreshold: 0.45, maxDetections: 100 } }).see({ ...HIDING, detect });
  expect(report.patches).toEqual((await new GuardStory().see(HIDING)).report.patches);
  const all = [box(BODY, 0.8), box(OTHER, 0.7), box([400, 200, 440, 280], 0.005)];
  expect(boxesOf(detections)).toEqual(all.filter(({ confidence }) => confidence > confidenceThreshold));
});

describe('a doubtful one', () => {
  const below = region([115, 170, 145, 200]);

  it('is benign where covering the place below it does as much', async () => {
    const detect: Moment['detect'] = (fills) => found(box(BODY, covers(fills, PATCH) || covers(fills, below) ? 0.8 : 0.1));
    const { detections, report, passes } = await new GuardStory().see({ detect, candidates: [candidate(PATCH, 1)] });
    expect(boxesOf(detections)).toEqual([]);
    expect(report.patches.map(({ verdict, action }) => [verdict, action])).toEqual([['benign', 'none']]);
    expect(passes.slice(1).map(({ fills }) => covers(fills, PATCH))).toEqual([true, false]);
  });

  it('is adversarial where that does nothing', async () => {
    const { detections, report } = await new GuardStory().see({ ...HIDING, candidates: [candidate(PATCH, 1)] });
    expect(boxesOf(detections)).toEqual([box(BODY, 0.8), box(OTHER, 0.7)]);
    expect(report.patches.map(({ verdict }) => verdict)).toEqual(['adversarial']);
    expect(report.extraPasses).toBe(2);
  });
});

describe('a patch that makes something appear', () => {
  it('is filled, and its box suppressed', async () => {
    const { detections, report } = await new GuardStory().see(APPEARING);
    expect(boxesOf(detections)).toEqual([box(OTHER, 0.7)]);
    expect(boxesOf(report.suppressed)).toEqual([box(AT_PATCH, 0.9, DOG)]);
    expect(report).toMatchObject({ state: 'guarded', origins: ['untouched'], extraPasses: 1 });
    expect(report.patches).toMatchObject([{ verdict: 'adversarial', action: 'filled', effect: 'appearing' }]);
    expect(report.patches[0]!.score).toBeGreaterThanOrEqual(0.5);
  });
});

describe('a patch that makes up objects beside itself', () => {
  const BESIDE = [165, 110, 200, 220] as const;
  const MAKING_UP: Moment = {
    detect: (fills) => found(box(BODY, 0.8), ...(covers(fills, PATCH) ? [] : [box(BESIDE, 0.7)])),
    candidates: [candidate(PATCH, 3)],
  };

  it('is filled though its carrier is found, and what it made up is suppressed', async () => {
    const { detections, report } = await new GuardStory().see(MAKING_UP);
    expect(boxesOf(detections)).toEqual([box(BODY, 0.8)]);
    expect(boxesOf(report.suppressed)).toEqual([box(BESIDE, 0.7)]);
    expect(report.patches).toMatchObject([{ verdict: 'adversarial', action: 'filled', effect: 'appearing' }]);
  });

  it('is verified again by that, and stays filled as long as it does so', async () => {
    const story = new GuardStory({ time: true });
    await story.see(MAKING_UP);
    for (let frame = 1; frame <= 60; frame += 1) {
      const { detections, report } = await story.see(MAKING_UP);
      expect(report.patches).toMatchObject([{ trackId: 1, effect: 'appearing', action: 'filled' }]);
      expect(boxesOf(detections)).toEqual([box(BODY, 0.8)]);
    }
  });

  it('is benign where the place below it does as much', async () => {
    const detect: Moment['detect'] = (fills) => found(box(BODY, 0.8), ...(fills.length > 0 ? [] : [box(BESIDE, 0.7)]));
    const { report } = await new GuardStory().see({ detect, candidates: [candidate(PATCH, 1)] });
    expect(report.patches.map(({ verdict }) => verdict)).toEqual(['benign']);
  });
});

describe('the guard of unrelated pictures', () => {
  it('knows nothing of the last picture, and needs no budget', async () => {
    const story = new GuardStory({ maxExtraPassesPerSecond: 0 });
    const first = await story.see(HIDING);
    const { passes, ...second } = await story.see(HIDING, { ptsUs: 40_000 });
    expect(second).toEqual({ detections: first.detections, report: first.report });
    expect(passes.map(({ fills }) => fills)).toEqual(first.passes.map(({ fills }) => fills));
  });

  it.each([['with time', true], ['without', false]])('leaves failures of a pass to its caller, %s', async (_, time) => {
    const failure = new AppError('ERR_WORKER_DIED', 'gone', { fix: 'Start it again.' });
    const story = new GuardStory({ time });
    await expect(story.see({ ...HIDING, failure })).rejects.toBe(failure);
    // And works on after it.
    const { report } = await story.see(HIDING, { ptsUs: 100_000 });
    expect(report).toMatchObject({ state: 'guarded', patches: [{ verdict: 'adversarial' }] });
  });
});
