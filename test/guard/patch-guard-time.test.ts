import { describe, expect, it } from 'vitest';
import type { GuardConclusion } from '../../src/guard/patch-guard.js';
import { box, boxesOf, found, region } from './found.js';
import { candidate, covers, GuardStory, type Moment } from './scripted-passes.js';

const DOG = 16;
const FRAME_US = 100_000;
const BODY = [100, 100, 160, 260] as const;
const PATCH = region([115, 140, 145, 170]);
const AT_PATCH = [113, 138, 147, 172] as const;

/** A person who is hidden by a patch. */
const HIDING: Moment = { detect: (fills) => found(box(BODY, covers(fills, PATCH) ? 0.8 : 0.1)), candidates: [candidate(PATCH, 3)] };
/** A poster that is one and nothing more, and hardly looks like a patch. */
const POSTER: Moment = { detect: () => found(box(BODY, 0.8)), candidates: [candidate(PATCH, 0.02)] };

type Seen = Awaited<ReturnType<GuardStory['see']>>;

/** The same moment in one frame after the other. */
async function watch(story: GuardStory, frames: number, moment: Moment, { fromFrame = 0, frameUs = FRAME_US } = {}): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (let i = fromFrame; i < fromFrame + frames; i += 1) seen.push(await story.see(moment, { ptsUs: i * frameUs }));
  return seen;
}

function extraPasses(frames: readonly GuardConclusion[]): number {
  return frames.reduce((sum, { report }) => sum + report.extraPasses, 0);
}

/** Regions that the first pass of the frame was to find again. */
function followed({ passes }: Seen): number[] {
  return passes[0]!.follow!.map(({ id }) => id);
}

describe('a confirmed patch', () => {
  it('is followed and filled in the first pass of the next frames, which cost nothing more', async () => {
    const [first, ...next] = await watch(new GuardStory({ time: true }), 6, HIDING);
    expect(first!.report).toMatchObject({ extraPasses: 1, origins: ['recovered'], patches: [{ trackId: 1, verdict: 'adversarial', action: 'filled', effect: 'hiding' }] });
    expect(followed(first!)).toEqual([]);
    for (const { detections, report, passes } of next) {
      expect(passes).toHaveLength(1);
      expect(passes[0]).toMatchObject({ search: true, follow: [{ id: 1, isTrusted: true }] });
      expect(boxesOf(detections)).toEqual([box(BODY, 0.8)]);
      expect(report).toMatchObject({ state: 'guarded', extraPasses: 0, origins: ['recovered'], patches: first!.report.patches });
    }
  });

  it('is reported where it is, and expected where it goes', async () => {
    const story = new GuardStory({ time: true });
    const walking: Moment = { ...HIDING, detect: () => found(box(BODY, 0.8)), candidates: [], follow: ({ expected }) => ({ box: { ...expected, centreX: position }, similarity: 0.95 }) };
    let position = 130;
    await story.see(HIDING);
    let last: Seen | undefined;
    for (let frame = 1; frame <= 10; frame += 1) {
      position += 3;
      last = await story.see(walking, { ptsUs: frame * FRAME_US });
      expect(last.report.patches.map(({ xyxy }) => xyxy)).toEqual([[position - 15, 140, position + 15, 170]]);
    }
    const expectedX = last!.passes[0]!.follow![0]!.expected.centreX;
    expect(Math.abs(expectedX - position)).toBeLessThan(1.5);
  });

  it('is not asked about as a candidate again, where it is not filled quite to its edge', async () => {
    const story = new GuardStory({ time: true });
    await story.see(HIDING);
    const { report, passes } = await story.see({ ...HIDING, candidates: [candidate(region([110, 135, 160, 185]), 3)] }, { ptsUs: FRAME_US });
    expect(passes).toHaveLength(1);
    expect(report.patches).toHaveLength(1);
  });

  it('is filled in every frame, also in those in which no others are looked for', async () => {
    const frames = await watch(new GuardStory({ time: true }), 40, HIDING, { frameUs: 25_000 });
    const searched = frames.filter(({ passes }) => passes[0]!.search).length;
    // Forty frames are a second: looking in all of them would cost more than it finds.
    expect(searched).toBeGreaterThanOrEqual(8);
    expect(searched).toBeLessThan(20);
    for (const { detections, report } of frames) {
      expect(report).toMatchObject({ state: 'guarded', patches: [{ trackId: 1, action: 'filled' }] });
      expect(boxesOf(detections)).toEqual([box(BODY, 0.8)]);
    }
  });

  it('is verified again now and then: in a pass in which it is not filled', async () => {
    const [, ...next] = await watch(new GuardStory({ time: true }), 80, HIDING);
    const again = next.filter(({ report }) => report.extraPasses > 0);
    expect(again.length).toBeGreaterThan(1);
    expect(again.length).toBeLessThan(10);
    for (const { passes, detections, report } of again) {
      expect(passes.slice(1)).toMatchObject([{ fills: [], search: false }]);
      expect(boxesOf(detections)).toEqual([box(BODY, 0.8)]);
      expect(report.patches).toMatchObject([{ trackId: 1, verdict: 'adversarial', action: 'filled' }]);
    }
    expect(next.every((frame) => followed(frame).includes(1))).toBe(true);
  });

  it('is given up after it has done nothing for a while', async () => {
    const story = new GuardStory({ time: true });
    await watch(story, 5, HIDING);
    const frames = await watch(story, 80, { ...POSTER, candidates: [] }, { fromFrame: 5 });
    expect(followed(frames.at(-1)!)).toEqual([]);
    expect(frames.at(-1)!.report).toMatchObject({ state: 'guarded', patches: [], origins: ['untouched'], extraPasses: 0 });
    // Not at the first sign: twice at least.
    expect(frames.filter(({ report }) => report.extraPasses > 0).length).toBeGreaterThan(1);
  });

  it('is given up after it was out of sight for a while, not at once', async () => {
    const story = new GuardStory({ time: true });
    await watch(story, 5, HIDING);
    const away: Moment = { detect: () => found(), follow: ({ expected }) => ({ box: expected, similarity: 0.1 }) };
    const frames = await watch(story, 80, away, { fromFrame: 5 });
    expect(followed(frames[1]!)).toEqual([1]);
    expect(followed(frames.at(-1)!)).toEqual([]);
    // While it is not recognised, nothing is filled on a guess for long.
    expect(frames.slice(10).flatMap(({ report }) => report.patches)).toEqual([]);
  });

  it('is forgotten when the film starts again, and found again', async () => {
    const story = new GuardStory({ time: true });
    await watch(story, 5, HIDING, { fromFrame: 100 });
    const [, , ...again] = await watch(story, 5, HIDING);
    for (const { detections, report } of again) {
      expect(boxesOf(detections)).toEqual([box(BODY, 0.8)]);
      expect(report.patches).toMatchObject([{ trackId: 2, verdict: 'adversarial' }]);
    }
  });

  it('that makes something appear: its box does not come up any more', async () => {
    const appearing: Moment = { detect: (fills) => (covers(fills, PATCH) ? found() : found(box(AT_PATCH, 0.9, DOG))), candidates: [candidate(PATCH, 6)] };
    const [first, ...next] = await watch(new GuardStory({ time: true }), 40, appearing);
    expect(boxesOf(first!.report.suppressed)).toEqual([box(AT_PATCH, 0.9, DOG)]);
    for (const { detections, report } of next) {
      expect(detections.count).toBe(0);
      expect(report.patches).toMatchObject([{ trackId: 1, effect: 'appearing', action: 'filled' }]);
    }
    // Verified again, it still does.
    expect(extraPasses(next)).toBeGreaterThan(0);
  });
});

describe('a benign region', () => {
  it('is not verified again in the next frames', async () => {
    const [first, ...next] = await watch(new GuardStory({ time: true }), 20, POSTER);
    expect(first!.report).toMatchObject({ extraPasses: 1, patches: [{ verdict: 'benign', action: 'none' }] });
    expect(extraPasses(next)).toBe(0);
    for (const { report, detections } of next) {
      expect(report).toMatchObject({ state: 'guarded', patches: [], origins: ['untouched'] });
      expect(boxesOf(detections)).toEqual([box(BODY, 0.8)]);
    }
  });

  it('is verified again after some seconds, and then no more often', async () => {
    const frames = await watch(new GuardStory({ time: true }), 240, POSTER, { frameUs: 500_000 });
    const verified = frames.flatMap(({ report }, i) => (report.extraPasses > 0 ? [i] : []));
    expect(verified.length).toBeGreaterThan(2);
    const gaps = verified.slice(1).map((frame, i) => frame - verified[i]!);
    expect(gaps.every((gap, i) => i === 0 || gap >= gaps[i - 1]!)).toBe(true);
    // Frames are half a second apart.
    expect(gaps[0]).toBeGreaterThan(10);
  });

  it('that a patch takes the place of is found out when its verdict has run out', async () => {
    const story = new GuardStory({ time: true });
    await story.see(POSTER);
    const frames = await watch(story, 60, HIDING, { fromFrame: 1, frameUs: 1_000_000 });
    expect(frames.at(-1)!.report.patches).toMatchObject([{ verdict: 'adversarial', action: 'filled' }]);
  });

  it('has nobody with it that is worth a pass, once it is known', async () => {
    const companion = candidate(region([315, 140, 345, 170]), -0.5);
    const [first, ...next] = await watch(new GuardStory({ time: true }), 20, { ...POSTER, candidates: [...POSTER.candidates!, companion] });
    expect(first!.report.extraPasses).toBe(1);
    expect(extraPasses(next)).toBe(0);
  });
});

describe('the budget', () => {
  /** Something else at another place every time: nothing that one could remember. */
  const places = Array.from({ length: 60 }, (_, i) => region([10 + 45 * (i % 10), 10 + 45 * Math.floor(i / 10), 40 + 45 * (i % 10), 40 + 45 * Math.floor(i / 10)]));
  const distraction = (i: number): Moment => ({ ...POSTER, candidates: [candidate(places[i]!, 3)] });

  it('of nothing delivers every frame unverified, and says so', async () => {
    const frames = await watch(new GuardStory({ time: true, maxExtraPassesPerSecond: 0 }), 4, { ...HIDING, detect: (fills) => found(box(BODY, covers(fills, PATCH) ? 0.8 : 0.4)) });
    for (const { detections, report, passes } of frames) {
      expect(passes).toHaveLength(1);
      expect(boxesOf(detections)).toEqual([box(BODY, 0.4)]);
      expect(report).toMatchObject({ state: 'degraded', reason: 'budget', extraPasses: 0, origins: ['untouched'], patches: [{ verdict: 'suspicious', action: 'none' }] });
    }
  });

  it('is kept in the long run, and every frame is delivered', async () => {
    const story = new GuardStory({ time: true, maxExtraPassesPerSecond: 2 });
    const frames: Seen[] = [];
    for (let i = 0; i < places.length; i += 1) frames.push(await story.see(distraction(i), { ptsUs: i * 200_000 }));
    const seconds = (places.length * 200_000) / 1e6;
    const spent = extraPasses(frames);
    expect(spent).toBeLessThanOrEqual(2 * seconds + 6);
    expect(spent).toBeGreaterThanOrEqual(2 * seconds - 3);
    for (const { report, detections } of frames) {
      expect(report.state).toBe(report.extraPasses > 0 ? 'guarded' : 'degraded');
      expect(report.patches.map(({ verdict }) => verdict)).toEqual([report.extraPasses > 0 ? 'benign' : 'suspicious']);
      expect(boxesOf(detections)).toEqual([box(BODY, 0.8)]);
    }
  });

  it('that is not enough for a verification leaves it undecided, and the next frame with budget decides', async () => {
    const story = new GuardStory({ time: true, maxExtraPassesPerSecond: 1 });
    // A doubtful one beside an ordinary thing takes three passes.
    const doubtful: Moment = { ...HIDING, candidates: [candidate(PATCH, 1), candidate(region([300, 40, 340, 80]), 3)] };
    const distracted: Seen[] = [];
    for (let i = 0; i < 5; i += 1) distracted.push(await story.see(distraction(9 + i), { ptsUs: i * FRAME_US }));
    const spent = extraPasses(distracted);
    const undecided = await story.see(doubtful, { ptsUs: 5 * FRAME_US });
    expect(spent).toBeGreaterThan(3);
    expect(undecided.report.extraPasses).toBe(0);
    expect(undecided.report).toMatchObject({ state: 'degraded', reason: 'budget', patches: [{ verdict: 'suspicious' }, { verdict: 'suspicious' }] });
    expect(undecided.detections.count).toBe(0);
    const decided = await story.see(doubtful, { ptsUs: 5_000_000 });
    expect(decided.report.state).toBe('guarded');
    expect(decided.report.patches.map(({ verdict }) => verdict).toSorted()).toEqual(['adversarial', 'benign']);
    expect(boxesOf(decided.detections)).toEqual([box(BODY, 0.8)]);
  });

  it('does not keep a known patch from being filled: only its next verification waits', async () => {
    const story = new GuardStory({ time: true, maxExtraPassesPerSecond: 0.001 });
    await story.see(HIDING);
    for (let i = 1; i < 9; i += 1) await story.see({ ...HIDING, candidates: distraction(20 + i).candidates! }, { ptsUs: i * FRAME_US });
    const frames = await watch(story, 60, HIDING, { fromFrame: 9 });
    // What is left is too little for a verification, and goes into repeating old ones.
    expect(extraPasses(frames)).toBeLessThanOrEqual(2);
    for (const { report, detections } of frames) {
      expect(report).toMatchObject({ state: 'guarded', patches: [{ trackId: 1, action: 'filled' }] });
      expect(boxesOf(detections)).toEqual([box(BODY, 0.8)]);
    }
  });
});

it('says the same of the same frames', async () => {
  const play = async (): Promise<unknown[]> => {
    const story = new GuardStory({ time: true, maxExtraPassesPerSecond: 3 });
    const seen = [...(await watch(story, 30, HIDING)), ...(await watch(story, 30, POSTER, { fromFrame: 30 })), ...(await watch(story, 10, HIDING, { fromFrame: 60 }))];
    return seen.map(({ detections, report, passes }) => ({ detections, report, requests: passes.map(({ fills, follow }) => ({ fills, follow })) }));
  };
  expect(await play()).toEqual(await play());
});
