import { appearanceDistance } from './appearance.js';
import { type AssociationRule, Associator, coverOf, DIFFERENT_LOOKS, iouOf } from './association.js';
import { ScoreScale } from './score-scale.js';
import { NO_DETECTION, type SeenBoxes, Track } from './track.js';

export interface ByteTrackerOptions {
  /** 0 to 1: the user's own. */
  readonly confidenceThreshold: number;
  /** 0 to 1, of the score scale (`ScoreScale`): boxes over it are associated first, the others with what is left. */
  readonly sureShare: number;
  /** 0 to 1, of the score scale: boxes over it may begin tracks. */
  readonly beginShare: number;
  /** A track that is seen over so long is believed; 0: at once. */
  readonly confirmSeconds: number;
  /** A believed track that isn't seen is kept for so long. */
  readonly keepSeconds: number;
  /** 0 to 1: least overlap (IoU) of a sure box with where a track is expected. */
  readonly minIou: number;
}

/** What a tracker makes of one frame, entry by entry with the detections that it was given. The arrays are its own, and good until the next frame. */
export interface TrackedFrame {
  /** From 1; 0 for a box of no track. */
  readonly ids: Int32Array;
  /** 1 for a box of a confirmed track. */
  readonly isConfirmed: Uint8Array;
}

/** A track that isn't seen, where it is expected. */
export type CoastingTrack = Readonly<Pick<Track, 'id' | 'classId' | 'confidence' | 'box'>>;

/** A box that alone would be no evidence may only continue a track that it fits well (as in the paper). */
const MIN_IOU_LOW = 0.5;
/** A track of few boxes has few friends: it has to fit better than a known one (as in the authors' code). */
const MIN_IOU_TENTATIVE = 0.3;
/** The same place, whatever the detector calls what is there now. */
const MIN_IOU_OTHER_CLASS = 0.7;

/** A box that covers so much of where another track is expected, which gets none, may show both: somebody walks in front of somebody else. */
const SHARED_COVER = 0.4;
/** How much less exactly such a box lies. */
const SHARED_DOUBT = 5;

/** How far from where a lost track is expected it may come back: in sides of its box, and sides a second. A person walks .8 of their height in a second. */
const REACH_SIDES = 0.5;
const REACH_SIDES_PER_SECOND = 0.7;

/** With fewer objects than this before and after, nothing tells a cut from objects that go and come. */
const CUT_OBJECTS = 3;
/** Mean overlap of what was seen before with what is seen now, below which it is another scene. Followed objects have .6 and more, unrelated crowds up to .15. */
const CUT_OVERLAP = 0.25;

/**
 * Follows boxes over the frames of one stream: ByteTrack (Zhang et al., ECCV 2022), in real time instead of frame counts.
 *
 * Sure boxes are associated first, with the tracks that are expected; then the others with what is left of the tracks that were seen a moment
 * ago: an object that gets half hidden keeps its track by a box that alone would be evidence of nothing. What is left of the sure boxes
 * continues or begins tentative tracks. Beyond the paper, looks (`appearance.ts`) weigh besides overlap, where the caller knows them: between
 * neighbours, and when a track that is confirmed turns out to be a lost one that came back.
 *
 *     tentative ── seen over confirmSeconds ──> confirmed <── seen, not seen ──> lost
 *         └── not seen for confirmSeconds ──> removed <── not seen for keepSeconds ──┘
 *
 * A track has a class and takes boxes of this class; one of another class only where it lies exactly right and nobody else wants it. Its
 * class is the majority of what its boxes were called.
 *
 * Deterministic: the same frames make the same tracks. Knows no pixels and no clock but the presentation times.
 */
export class ByteTracker {
  readonly #options: ByteTrackerOptions;
  readonly #associator = new Associator();
  readonly #scale: ScoreScale;
  #tracks: Track[] = [];
  #lastPtsUs: number | undefined;
  #idsGiven = 0;
  #confirmedSoFar = 0;
  #isTaken = new Uint8Array(0);
  #ids = new Int32Array(0);
  #isConfirmed = new Uint8Array(0);

  constructor(options: ByteTrackerOptions) {
    this.#options = options;
    this.#scale = new ScoreScale(options.confidenceThreshold);
  }

  /** Tracks that were ever confirmed. */
  get confirmedSoFar(): number {
    return this.#confirmedSoFar;
  }

  /**
   * Takes in the next frame.
   *
   * @param detections with those below the threshold that may continue a track, and what they look like where that is known
   * @param ptsUs presentation time, microseconds; where it is before that of the last frame, the stream begins anew and all tracks are forgotten.
   */
  update(detections: SeenBoxes, ptsUs: number): TrackedFrame {
    this.#reserve(detections.count);
    this.#advance(ptsUs);
    this.#associate(detections);
    this.#settle(detections, ptsUs);
    this.#beginTracks(detections, ptsUs);
    this.#learnScale(detections);
    return this.#tell(detections.count);
  }

  /** Confirmed tracks that have no box in this frame, and had one so lately: what of their objects isn't seen just now. @param seconds 0: none */
  coasting(seconds: number): readonly CoastingTrack[] {
    return this.#tracks.filter(({ isConfirmed, detection, lastSeenUs }) => isConfirmed && detection === NO_DETECTION && this.#lastPtsUs! - lastSeenUs <= seconds * 1e6);
  }

  #reserve(count: number): void {
    if (this.#ids.length < count) {
      this.#isTaken = new Uint8Array(2 * count);
      this.#ids = new Int32Array(2 * count);
      this.#isConfirmed = new Uint8Array(2 * count);
    }
    this.#isTaken.fill(0, 0, count);
  }

  /** Moves the tracks to the time of this frame. After a long gap there is nothing left of those before. */
  #advance(ptsUs: number): void {
    if (this.#lastPtsUs === undefined || ptsUs < this.#lastPtsUs) this.#tracks = [];
    const seconds = (ptsUs - (this.#lastPtsUs ?? ptsUs)) / 1e6;
    this.#lastPtsUs = ptsUs;
    this.#keep(({ lastSeenUs }) => ptsUs - lastSeenUs <= this.#options.keepSeconds * 1e6);
    for (const track of this.#tracks) track.predict(seconds);
  }

  #associate(detections: SeenBoxes): void {
    const { minIou } = this.#options;
    const known = this.#tracks.filter(({ isConfirmed }) => isConfirmed);
    this.#give(known, 'sure', detections, { minIou, classes: 'same' });
    if (this.#isCut(known, detections)) {
      this.#tracks = [];
      this.#isTaken.fill(0, 0, detections.count);
      return;
    }
    const recent = known.filter((track) => track.detection === NO_DETECTION && this.#isRecent(track));
    this.#give(recent, 'unsure', detections, { minIou: MIN_IOU_LOW, classes: 'same' });
    const tentative = this.#tracks.filter(({ isConfirmed }) => !isConfirmed);
    this.#give(tentative, 'sure', detections, { minIou: MIN_IOU_TENTATIVE, classes: 'same' });
    const unseen = known.filter(({ detection }) => detection === NO_DETECTION);
    this.#give(unseen, 'sure', detections, { minIou: MIN_IOU_OTHER_CLASS, classes: 'different' });
  }

  /** Associates tracks with the boxes, sure or not, that nobody has yet. */
  #give(tracks: readonly Track[], which: 'sure' | 'unsure', detections: SeenBoxes, rule: AssociationRule): void {
    if (tracks.length === 0) return;
    this.#associator.associate(tracks, this.#freeBoxes(detections, which === 'sure'), detections, rule);
    for (const { detection } of tracks) if (detection !== NO_DETECTION) this.#isTaken[detection] = 1;
  }

  #freeBoxes(detections: SeenBoxes, wantsSure: boolean): number[] {
    const free: number[] = [];
    for (let i = 0; i < detections.count; i += 1) if (this.#isTaken[i] === 0 && this.#isSure(detections, i) === wantsSure) free.push(i);
    return free;
  }

  #isSure({ confidence }: SeenBoxes, index: number): boolean {
    return confidence[index]! > this.#options.sureShare * this.#scale.value;
  }

  /** Seen in the frame before, or, where frames come fast, a moment ago. */
  #isRecent({ wasSeen, lastSeenUs }: Track): boolean {
    return wasSeen || this.#lastPtsUs! - lastSeenUs <= this.#options.confirmSeconds * 1e6;
  }

  /** Whether this frame shows another scene than the one before. What is remembered of the old one would only take boxes by chance. */
  #isCut(known: readonly Track[], detections: SeenBoxes): boolean {
    const seenBefore = known.filter(({ wasSeen }) => wasSeen);
    if (seenBefore.length < CUT_OBJECTS) return false;
    let sure = 0;
    for (let i = 0; i < detections.count; i += 1) if (this.#isSure(detections, i)) sure += 1;
    if (sure < CUT_OBJECTS) return false;
    const overlap = seenBefore.reduce((sum, { box, detection }) => sum + (detection === NO_DETECTION ? 0 : iouOf(box, detections.xyxy, 4 * detection)), 0);
    return overlap < CUT_OVERLAP * seenBefore.length;
  }

  /** Tracks with a box take it in; tentative ones that had their chance go. */
  #settle(detections: SeenBoxes, ptsUs: number): void {
    for (const track of this.#tracks) {
      if (track.detection === NO_DETECTION) continue;
      track.see(detections, ptsUs, this.#isShared(track, detections) ? SHARED_DOUBT : 1);
    }
    for (const track of [...this.#tracks]) if (track.detection !== NO_DETECTION) this.#confirmIfDue(track, detections.appearance !== undefined);
    this.#keep(({ isConfirmed, detection, lastSeenUs }) => isConfirmed || detection !== NO_DETECTION || ptsUs - lastSeenUs < this.#options.confirmSeconds * 1e6);
  }

  #beginTracks(detections: SeenBoxes, ptsUs: number): void {
    for (const index of this.#freeBoxes(detections, true)) {
      if (detections.confidence[index]! <= this.#options.beginShare * this.#scale.value) continue;
      this.#idsGiven += 1;
      const track = new Track(this.#idsGiven, detections, index, ptsUs);
      this.#tracks.push(track);
      this.#confirmIfDue(track, detections.appearance !== undefined);
    }
  }

  #confirmIfDue(track: Track, knowsLooks: boolean): void {
    if (track.isConfirmed || track.lastSeenUs - track.firstSeenUs < this.#options.confirmSeconds * 1e6) return;
    track.isConfirmed = true;
    const before = knowsLooks ? this.#lostAlike(track) : undefined;
    if (before) {
      track.continueAs(before);
      this.#tracks.splice(this.#tracks.indexOf(before), 1);
    } else this.#confirmedSoFar += 1;
  }

  /** The lost track within reach that looks most like a new one, if one does. */
  #lostAlike(track: Track): Track | undefined {
    let best: Track | undefined;
    let least = DIFFERENT_LOOKS;
    for (const lost of this.#tracks) {
      if (!lost.isConfirmed || lost.detection !== NO_DETECTION || lost.classId !== track.classId || lost.lastSeenUs >= track.firstSeenUs) continue;
      if (distanceInSides(lost, track) > REACH_SIDES + (REACH_SIDES_PER_SECOND * (track.lastSeenUs - lost.lastSeenUs)) / 1e6) continue;
      const difference = appearanceDistance(lost.appearance, 0, track.appearance, 0);
      if (difference >= least) continue;
      least = difference;
      best = lost;
    }
    return best;
  }

  /** Whether the box of a known track may be that of another one, too, which has none. */
  #isShared(track: Track, { xyxy }: SeenBoxes): boolean {
    if (!track.isConfirmed) return false;
    return this.#tracks.some((other) => other.isConfirmed && other.detection === NO_DETECTION && coverOf(other.box, xyxy, 4 * track.detection) > SHARED_COVER);
  }

  #learnScale({ count, confidence }: SeenBoxes): void {
    for (let i = 0; i < count; i += 1) if (confidence[i]! > this.#options.confidenceThreshold) this.#scale.add(confidence[i]!);
  }

  #keep(isKept: (track: Track) => boolean): void {
    let kept = 0;
    for (const track of this.#tracks) if (isKept(track)) this.#tracks[kept++] = track;
    this.#tracks.length = kept;
  }

  #tell(count: number): TrackedFrame {
    const ids = this.#ids.subarray(0, count).fill(0);
    const isConfirmed = this.#isConfirmed.subarray(0, count).fill(0);
    for (const track of this.#tracks) {
      if (track.detection === NO_DETECTION) continue;
      ids[track.detection] = track.id;
      isConfirmed[track.detection] = Number(track.isConfirmed);
    }
    return { ids, isConfirmed };
  }
}

/** Between the middles, in longer sides of the first. */
function distanceInSides({ box: [left, top, right, bottom] }: Track, { box: [otherLeft, otherTop, otherRight, otherBottom] }: Track): number {
  const across = (left! + right! - otherLeft! - otherRight!) / 2;
  const down = (top! + bottom! - otherTop! - otherBottom!) / 2;
  return Math.hypot(across, down) / Math.max(right! - left!, bottom! - top!);
}
