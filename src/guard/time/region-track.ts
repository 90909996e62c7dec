import type { Size } from '../../core/size.js';
import type { RegionBox } from './region-box.js';

/** `doubtful`: not seen well, or one verification has spoken against it; it ends or is confirmed again. */
export type TrackPhase = 'confirmed' | 'doubtful' | 'ended';
export type TrackEnding = 'lost' | 'refuted' | 'out-of-picture' | 'time-jump';

/** A patch region that was confirmed and is followed. A value: each step makes a new one. */
export interface RegionTrack {
  readonly id: number;
  readonly phase: TrackPhase;
  readonly ending?: TrackEnding;
  /** Pixels of the model input, at `ptsUs`: where it was found, or where it should be while it can't be found. */
  readonly box: RegionBox;
  /** Pixels of the model input a second. */
  readonly velocityX: number;
  readonly velocityY: number;
  /** Of the last frame, and of the first. */
  readonly ptsUs: number;
  readonly startedPtsUs: number;
  /** Frames since the first. */
  readonly ageFrames: number;
  readonly framesSinceVerification: number;
  /** Verifications in a row that spoke against it. */
  readonly refutations: number;
  /** Of the last frames, the newest last, 16 at most. */
  readonly similarities: readonly number[];
  /** Frames in which it was found. */
  readonly sightings: number;
  /** Frames in a row in which it wasn't. */
  readonly missedFrames: number;
  /** When and where it was last found or verified. */
  readonly seenPtsUs: number;
  readonly seenBox: RegionBox;
  /** Frames in a row in which it was found well. */
  readonly clearFrames: number;
}

/** What `followRegion` has found in a frame. */
export interface Sighting {
  readonly ptsUs: number;
  readonly box: RegionBox;
  /** With the template, 0 to 1. */
  readonly similarity: number;
}

/** Under this it wasn't found: patches that are in sight have more in 19 of 20 frames, passers-by less in two of three. */
const FOUND_ABOVE = 0.5;
/** A doubtful one is only trusted again if it's found better than that, for some frames. */
const CLEAR_ABOVE = 0.6;
const CLEAR_FRAMES = 2;
/** So many misses make it doubtful: one alone is a blurred frame. */
const DOUBTFUL_MISSES = 2;
/** After so long out of sight it's lost: it would be somewhere else by now. At low frame rates it gets some frames in any case. */
const LOST_AFTER_US = 1_000_000;
const LOST_MISSES = 5;
/** Refutations in a row that end it. */
const ENDING_REFUTATIONS = 2;
/** A gap that long, or a step back in time (a file that starts again): nothing is where it was. */
const MAX_GAP_US = 2_000_000;
/** Velocity is the mean over about that time. */
const VELOCITY_MEMORY_S = 0.3;
/** Out of sight it halves in that time: who stops behind something isn't lost at once. */
const VELOCITY_HALF_LIFE_S = 0.5;
const MAX_SIMILARITIES = 16;
/** Frames between verifications of a doubtful region. */
const DOUBTFUL_EVERY_FRAMES = 5;

/** A region that a verification has just confirmed. */
export function startTrack(id: number, box: RegionBox, ptsUs: number): RegionTrack {
  return {
    ...{ id, phase: 'confirmed', box, velocityX: 0, velocityY: 0, ptsUs, startedPtsUs: ptsUs, ageFrames: 0 },
    ...{ framesSinceVerification: 0, refutations: 0, similarities: [], sightings: 1, missedFrames: 0, seenPtsUs: ptsUs, seenBox: box, clearFrames: 0 },
  };
}

/** Where it should be at `ptsUs`: it goes on as it went. After a jump in time, where it was. */
export function predictBox({ box, velocityX, velocityY, ptsUs: lastPtsUs }: RegionTrack, ptsUs: number): RegionBox {
  const seconds = isTimeJump(lastPtsUs, ptsUs) ? 0 : (ptsUs - lastPtsUs) / 1e6;
  return { ...box, centreX: box.centreX + velocityX * seconds, centreY: box.centreY + velocityY * seconds };
}

/** The track after the next frame. One that has ended stays as it is. */
export function advanceTrack(track: RegionTrack, sighting: Sighting, size: Size): RegionTrack {
  if (track.phase === 'ended') return track;
  if (isTimeJump(track.ptsUs, sighting.ptsUs)) return end(track, 'time-jump');
  const next = sighting.similarity >= FOUND_ABOVE ? found(track, sighting) : missed(track, sighting);
  if (!isInside(next.box, size)) return end(next, 'out-of-picture');
  if (next.missedFrames >= LOST_MISSES && next.ptsUs - next.seenPtsUs >= LOST_AFTER_US) return end(next, 'lost');
  return { ...next, phase: nextPhase(next) };
}

/**
 * The track after a verification.
 *
 * @param verdict `undecided`: it couldn't be told, so it's only not asked again at once.
 * @param box what the verification has found out about its place.
 */
export function verifyTrack(track: RegionTrack, verdict: 'adversarial' | 'benign' | 'undecided', box: RegionBox = track.box): RegionTrack {
  if (track.phase === 'ended') return track;
  const verified = { ...track, framesSinceVerification: 0 };
  if (verdict === 'undecided') return verified;
  if (verdict === 'adversarial') return { ...verified, box, phase: 'confirmed', refutations: 0, missedFrames: 0, seenPtsUs: track.ptsUs, seenBox: box };
  const refuted: RegionTrack = { ...verified, phase: 'doubtful', refutations: track.refutations + 1 };
  return refuted.refutations >= ENDING_REFUTATIONS ? end(refuted, 'refuted') : refuted;
}

/** Whether it should be verified again: now and then while all is well, soon while it's doubtful. @param everyFrames while it's confirmed. */
export function isVerificationDue({ phase, framesSinceVerification }: RegionTrack, everyFrames: number): boolean {
  if (phase === 'ended') return false;
  return framesSinceVerification >= (phase === 'doubtful' ? Math.min(DOUBTFUL_EVERY_FRAMES, everyFrames) : everyFrames);
}

function isTimeJump(lastPtsUs: number, ptsUs: number): boolean {
  return ptsUs < lastPtsUs || ptsUs - lastPtsUs > MAX_GAP_US;
}

function end(track: RegionTrack, ending: TrackEnding): RegionTrack {
  return { ...track, phase: 'ended', ending };
}

function found(track: RegionTrack, { ptsUs, box, similarity }: Sighting): RegionTrack {
  // Since it was last found: in between it may have gone another way than was thought.
  const seconds = (ptsUs - track.seenPtsUs) / 1e6;
  // The first steps count in full: there is nothing yet to smooth them with.
  const share = Math.max(1 - Math.exp(-seconds / VELOCITY_MEMORY_S), 1 / track.sightings);
  const smooth = (velocity: number, pixels: number): number => (seconds === 0 ? velocity : velocity + share * (pixels / seconds - velocity));
  return {
    ...aged(track, ptsUs, similarity),
    box,
    velocityX: smooth(track.velocityX, box.centreX - track.seenBox.centreX),
    velocityY: smooth(track.velocityY, box.centreY - track.seenBox.centreY),
    sightings: track.sightings + 1,
    missedFrames: 0,
    seenPtsUs: ptsUs,
    seenBox: box,
    clearFrames: similarity >= CLEAR_ABOVE ? track.clearFrames + 1 : 0,
  };
}

function missed(track: RegionTrack, { ptsUs, similarity }: Sighting): RegionTrack {
  const slower = 0.5 ** ((ptsUs - track.ptsUs) / 1e6 / VELOCITY_HALF_LIFE_S);
  return {
    ...aged(track, ptsUs, similarity),
    box: predictBox(track, ptsUs),
    velocityX: track.velocityX * slower,
    velocityY: track.velocityY * slower,
    missedFrames: track.missedFrames + 1,
    clearFrames: 0,
  };
}

function aged(track: RegionTrack, ptsUs: number, similarity: number): RegionTrack {
  return {
    ...track,
    ptsUs,
    ageFrames: track.ageFrames + 1,
    framesSinceVerification: track.framesSinceVerification + 1,
    similarities: [...track.similarities, similarity].slice(-MAX_SIMILARITIES),
  };
}

function nextPhase({ phase, missedFrames, clearFrames, refutations }: RegionTrack): TrackPhase {
  if (missedFrames >= DOUBTFUL_MISSES) return 'doubtful';
  // What a verification has doubted only another one makes good.
  if (phase === 'doubtful' && refutations === 0 && clearFrames >= CLEAR_FRAMES) return 'confirmed';
  return phase;
}

function isInside({ centreX, centreY }: RegionBox, { width, height }: Size): boolean {
  return centreX >= 0 && centreY >= 0 && centreX < width && centreY < height;
}
