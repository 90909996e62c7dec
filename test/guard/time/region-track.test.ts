import { describe, expect, test } from 'vitest';
import type { RegionBox } from '../../../src/guard/time/region-box.js';
import { advanceTrack, isVerificationDue, predictBox, startTrack, verifyTrack, type RegionTrack, type TrackEnding, type TrackPhase } from '../../../src/guard/time/region-track.js';

const SIZE = { width: 320, height: 320 };
const FRAME_US = 100_000;

/** What happens to a track: a frame with the similarity found in it, or a verification. */
type Event = number | 'adversarial' | 'benign' | 'undecided';

function box(centreX: number, centreY: number): RegionBox {
  return { centreX, centreY, width: 12, height: 12 };
}

/** Ten frames a second of something that walks to the right by 2 pixels a frame. */
function live(events: readonly Event[], track = startTrack(1, box(100, 100), 0)): RegionTrack {
  return events.reduce<RegionTrack>((before, event) => {
    if (typeof event !== 'number') return verifyTrack(before, event);
    const ptsUs = before.ptsUs + FRAME_US;
    return advanceTrack(before, { ptsUs, box: box(100 + (2 * ptsUs) / FRAME_US, 100), similarity: event }, SIZE);
  }, track);
}

function repeat(event: Event, times: number): Event[] {
  return new Array<Event>(times).fill(event);
}

describe('the life of a track', () => {
  test.each<[string, readonly Event[], TrackPhase, TrackEnding | undefined]>([
    ['begins confirmed', [], 'confirmed', undefined],
    ['goes on while it is found', repeat(0.8, 100), 'confirmed', undefined],
    ['one bad frame is nothing', [0.9, 0.1, 0.9], 'confirmed', undefined],
    ['two in a row make it doubtful', [0.9, 0.1, 0.1], 'doubtful', undefined],
    ['bad frames that are not in a row do not', [0.1, 0.9, 0.1, 0.9, 0.1], 'confirmed', undefined],
    ['one good frame does not make it good again', [0.1, 0.1, 0.9], 'doubtful', undefined],
    ['two do', [0.1, 0.1, 0.9, 0.9], 'confirmed', undefined],
    ['a middling one in between starts the count again', [0.1, 0.1, 0.9, 0.55, 0.9], 'doubtful', undefined],
    ['middling ones neither end a good one', repeat(0.55, 50), 'confirmed', undefined],
    ['nor do they mend a doubtful one', [0.1, 0.1, ...repeat(0.55, 50)], 'doubtful', undefined],
    ['nine tenths of a second out of sight', repeat(0.1, 9), 'doubtful', undefined],
    ['lost after a second', repeat(0.1, 10), 'ended', 'lost'],
    ['seen again in time', [...repeat(0.1, 9), 0.9, 0.9], 'confirmed', undefined],
    ['one refutation makes it doubtful', [0.9, 'benign'], 'doubtful', undefined],
    ['which no good frame mends', ['benign', ...repeat(0.95, 50)], 'doubtful', undefined],
    ['but another verification', ['benign', 0.9, 'adversarial'], 'confirmed', undefined],
    ['after which the next refutation is the first again', ['benign', 'adversarial', 'benign'], 'doubtful', undefined],
    ['two refutations in a row end it', ['benign', 0.9, 'benign'], 'ended', 'refuted'],
    ['undecided in between does not help', ['benign', 'undecided', 'benign'], 'ended', 'refuted'],
    ['undecided changes nothing', ['undecided', 'undecided', 'undecided'], 'confirmed', undefined],
    ['a verification confirms what was out of sight', [0.1, 0.1, 0.1, 'adversarial'], 'confirmed', undefined],
    ['and gives it another second', [...repeat(0.1, 9), 'adversarial', ...repeat(0.1, 9)], 'doubtful', undefined],
    ['walks out of the picture', repeat(0.9, 110), 'ended', 'out-of-picture'],
    ['what has ended stays so', [...repeat(0.1, 10), 0.9, 0.9, 'adversarial'], 'ended', 'lost'],
  ])('%s', (_, events, phase, ending) => {
    const track = live(events);
    expect([track.phase, track.ending]).toEqual([phase, ending]);
  });

  test('ends with a jump in time, back or far ahead', () => {
    const track = live(repeat(0.9, 10));
    for (const ptsUs of [0, track.ptsUs - 1, track.ptsUs + 2_000_001]) {
      expect(advanceTrack(track, { ptsUs, box: track.box, similarity: 1 }, SIZE)).toMatchObject({ phase: 'ended', ending: 'time-jump' });
    }
    expect(advanceTrack(track, { ptsUs: track.ptsUs + 2_000_000, box: track.box, similarity: 1 }, SIZE).phase).toBe('confirmed');
  });

  test('at one frame a second it has five frames to be seen again', () => {
    let track = startTrack(1, box(100, 100), 0);
    const phases = [1, 2, 3, 4, 5].map((second) => {
      track = advanceTrack(track, { ptsUs: second * 1e6, box: track.box, similarity: 0 }, SIZE);
      return track.phase;
    });
    expect(phases).toEqual(['confirmed', 'doubtful', 'doubtful', 'doubtful', 'ended']);
  });

  test('counts its frames and those since it was verified, and keeps the last 16 similarities', () => {
    const track = live([...repeat(0.9, 20), 'adversarial', 0.7, 0.6]);
    expect([track.ageFrames, track.framesSinceVerification, track.similarities.length]).toEqual([22, 2, 16]);
    expect(track.similarities.slice(-3)).toEqual([0.9, 0.7, 0.6]);
  });

  test('a step leaves the track before it as it was', () => {
    const before = live(repeat(0.9, 3));
    const copy = structuredClone(before);
    live([0.9, 0.1, 'benign'], before);
    expect(before).toEqual(copy);
  });
});

describe('prediction', () => {
  test('knows the velocity after one step, in pixels a second', () => {
    expect(live([0.9])).toMatchObject({ velocityX: 20, velocityY: 0 });
  });

  test('is by presentation time, not by frames', () => {
    const track = live(repeat(0.9, 10));
    expect(predictBox(track, track.ptsUs + 250_000).centreX).toBeCloseTo(track.box.centreX + 5, 9);
  });

  test('an equal stamp moves nothing and leaves the velocity', () => {
    const track = live(repeat(0.9, 10));
    expect(predictBox(track, track.ptsUs)).toEqual(track.box);
    const again = advanceTrack(track, { ptsUs: track.ptsUs, box: box(125, 100), similarity: 0.9 }, SIZE);
    expect([again.velocityX, again.box.centreX]).toEqual([track.velocityX, 125]);
  });

  test('after a jump in time is where it was', () => {
    const track = live(repeat(0.9, 10));
    expect(predictBox(track, track.ptsUs - 1)).toEqual(track.box);
    expect(predictBox(track, track.ptsUs + 60e6)).toEqual(track.box);
  });

  test('goes on more and more slowly while it is out of sight: it halves in half a second', () => {
    const seen = live(repeat(0.9, 10));
    const hidden = live(repeat(0.1, 5), seen);
    expect(hidden.velocityX).toBeCloseTo(10, 9);
    expect(hidden.box.centreX).toBeGreaterThan(seen.box.centreX + 6);
    expect(hidden.box.centreX).toBeLessThan(seen.box.centreX + 10);
  });

  // It stops behind something. Measured from where it was thought to be, it would run backwards.
  test('seen again, its velocity is from where it was last seen', () => {
    const hidden = live(repeat(0.1, 5), live(repeat(0.9, 10)));
    const where = box(hidden.seenBox.centreX, 100);
    const again = advanceTrack(hidden, { ptsUs: hidden.ptsUs + FRAME_US, box: where, similarity: 0.9 }, SIZE);
    expect(again.velocityX).toBeGreaterThanOrEqual(0);
    expect(again.velocityX).toBeLessThan(hidden.velocityX);
  });

  test('smooths: one odd step of 10 pixels is taken for less than a third of it', () => {
    const track = live(repeat(0.9, 20));
    const odd = advanceTrack(track, { ptsUs: track.ptsUs + FRAME_US, box: box(track.box.centreX + 12, 100), similarity: 0.9 }, SIZE);
    expect(odd.velocityX).toBeGreaterThan(20);
    expect(odd.velocityX).toBeLessThan(20 + 100 / 3);
  });
});

test.each<[string, readonly Event[], number, boolean]>([
  ['just confirmed', [], 30, false],
  ['one frame too early', repeat(0.9, 29), 30, false],
  ['every so many frames', repeat(0.9, 30), 30, true],
  ['then not again at once', [...repeat(0.9, 30), 'undecided'], 30, false],
  ['sooner while it is doubtful', [0.1, 0.1, 0.9, 0.55, 0.55], 30, true],
  ['but not with every frame', [0.1, 0.1, 0.9, 0.55], 30, false],
  ['never after its end', repeat(0.1, 40), 30, false],
])('isVerificationDue: %s', (_, events, everyFrames, due) => {
  expect(isVerificationDue(live(events), everyFrames)).toBe(due);
});
