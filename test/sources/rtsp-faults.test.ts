import { describe, expect, it, test } from 'vitest';
import { ffmpegChildren } from '../../src/sources/ffmpeg.js';
import { CameraStage, type CameraStory, type Seen } from './camera-story.js';

const stage = new CameraStage();

describe('a camera that comes back', () => {
  it('is found when it comes up after us', async () => {
    await stage.camera.refuseFor({ ms: 60_000 });
    const story = stage.watch();
    expect(await story.until('reconnecting')).toMatchObject({ code: 'ERR_SOURCE_REFUSED', attempt: 1 });
    await stage.camera.refuseFor({ ms: 1 });
    await story.moreFrames(3);
    expect(story.states.at(-1)).toBe('running');
    expect(story.frames[0]!.sequence).toBe(0);
  });

  test.each([
    ['said goodbye', false],
    ['was reset', true],
  ])('is connected anew when the connection %s', async (_, reset) => {
    const story = stage.watch();
    await story.moreFrames(5);
    const down = story.until('reconnecting');
    stage.camera.disconnect({ reset });
    const event = await down;
    expect(event).toMatchObject({ code: 'ERR_SOURCE_ENDED', attempt: 1 });
    expect(event.retryInMs).toBeGreaterThan(0);
    await story.until('running');
    await story.moreFrames(5);
    expectNumbered(story);
    expect(stage.camera.counters.plays).toBe(2);
  });

  it('is stalled when it stays connected and sends nothing', async () => {
    const story = stage.watch({ stallTimeoutMs: 600 });
    await story.moreFrames(5);
    const stalled = story.until('stalled');
    stage.camera.stall();
    expect(await stalled).toMatchObject({ code: 'ERR_SOURCE_STALLED' });
    const running = story.until('running');
    stage.camera.resume();
    await running;
    await story.moreFrames(5);
    expectNumbered(story);
  });

  it('waits longer from time to time, and starts from the beginning after a good connection', async () => {
    await stage.camera.refuseFor({ connects: 3 });
    const story = stage.watch({ backoff: { initialMs: 20, maxMs: 1000, stableMs: 200, random: () => 0.999 } });
    await story.until('running');
    const retries = story.events.flatMap(({ retryInMs }) => retryInMs ?? []);
    expect(retries).toEqual([20, 40, 80]);
    await story.moreFrames(30); // the first few come at once
    const down = story.until('reconnecting');
    stage.camera.disconnect();
    expect(await down).toMatchObject({ attempt: 1, retryInMs: 20 });
  });

  it('is left alone once nobody wants it, also while it is down', async () => {
    await stage.camera.refuseFor({ ms: 60_000 });
    const story = stage.watch({ backoff: { initialMs: 100, maxMs: 100 } });
    await story.until('reconnecting');
    story.stop();
    const told = story.events.length;
    const { picturesTaken } = stage.camera.counters;
    await stage.camera.when((counters) => counters.picturesTaken > picturesTaken + 25); // a second
    expect(ffmpegChildren()).toEqual([]);
    expect(story.events).toHaveLength(told);
  });
});

describe('a picture that stands still', () => {
  it('is reported once, and again when it moves; the connection stays', async () => {
    const story = stage.watch({ frozenTimeoutMs: 700 });
    await story.moreFrames(5);
    const frozen = story.until('frozen');
    stage.camera.freeze();
    expect(await frozen).toMatchObject({ code: 'ERR_SOURCE_FROZEN' });
    await story.moreFrames(10);
    const running = story.until('running');
    stage.camera.unfreeze();
    await running;
    expect(story.states).toEqual(['connecting', 'running', 'frozen', 'running']);
    expect(stage.camera.counters.plays).toBe(1);
  });
});

describe('time stamps', () => {
  it('go on rising where the camera starts them anew, without a new connection', async () => {
    const story = stage.watch();
    await story.moreFrames(10);
    stage.camera.resetTimestamps(12_345);
    await story.moreFrames(25);
    expectNumbered(story);
    expectRising(story.frames);
    expect(stage.camera.counters.plays).toBe(1);
    // Distances are right again after the jump.
    const steps = story.frames.slice(-10).map(({ ptsUs }, i, all) => (i === 0 ? 40_000 : ptsUs - all[i - 1]!.ptsUs));
    for (const step of steps) expect(Math.abs(step - 40_000)).toBeLessThanOrEqual(1000);
  });

  it('pass the wrap of 32 bits unnoticed', async () => {
    const story = stage.watch();
    await story.moreFrames(5);
    stage.camera.wrapTimestamps();
    await story.moreFrames(45);
    expectNumbered(story);
    expectRising(story.frames);
  });

  it('give capture times on the wall clock, with how far to trust them', async () => {
    const story = stage.watch();
    await story.moreFrames(40);
    for (const { capture } of story.frames) {
      expect(['rtp_arrival', 'rtcp_sr']).toContain(capture.clock);
      expect(capture.uncertaintyMs).toBeGreaterThan(0);
      expect(Math.abs(capture.epochMs! - Date.now())).toBeLessThan(60_000);
    }
  });
});

describe('a bad network', () => {
  it('loses packets, not the stream: UDP', async () => {
    const story = stage.watch({ transport: 'udp' });
    await story.moreFrames(5);
    stage.camera.loss(0.05, 7);
    await stage.camera.when(({ packetsLost }) => packetsLost > 5);
    stage.camera.loss(0);
    await story.moreFrames(20);
    expectRising(story.frames);
    expect(stage.camera.counters.plays).toBe(1);
  });

  it('swaps packets, and all arrive in order: UDP', async () => {
    const story = stage.watch({ transport: 'udp' });
    await story.moreFrames(5);
    stage.camera.reorder(0.05, 7);
    await stage.camera.when(({ packetsReordered }) => packetsReordered > 5);
    stage.camera.reorder(0);
    await story.moreFrames(10);
    expectRising(story.frames);
    expect(story.dropped['corrupt'] ?? 0).toBe(0);
  });
});

/** Numbers rise, and no more of them are missing than frames were counted as dropped. */
function expectNumbered({ frames, dropped }: CameraStory): void {
  for (const [i, { sequence }] of frames.entries()) if (i > 0) expect(sequence).toBeGreaterThan(frames[i - 1]!.sequence);
  const missing = frames.at(-1)!.sequence + 1 - frames.length;
  expect(missing).toBeLessThanOrEqual(Object.values(dropped).reduce((sum, count) => sum + count, 0));
}

function expectRising(frames: readonly Seen[]): void {
  for (const [i, { ptsUs }] of frames.entries()) if (i > 0) expect(ptsUs).toBeGreaterThan(frames[i - 1]!.ptsUs);
}
