import { PresentationClock } from './presentation-clock.js';
import { regionBoxIou, type RegionBox } from './region-box.js';
import type { RegionTemplate } from './region-template.js';
import { templateSimilarity } from './template-similarity.js';

const DEFAULT_LIFE_US = 10_000_000;
const DEFAULT_CAPACITY = 64;
/** Found benign again and again, a region of the scene is asked about ever more rarely, up to so many times the first life. */
const MAX_LIFE_FACTOR = 8;
/** At the same place and still like that: the same region. */
const SAME_PLACE_IOU = 0.3;
const SAME_LOOK = 0.7;
/** Somewhere else nearby only what looks the very same: it has moved while nobody asked. */
const MOVED_LOOK = 0.85;
/** How far it may have moved a second, in its own sizes; people walk about six patch widths a second. */
const MOVED_SIZES_PER_SECOND = 6;

export interface VerdictMemoryOptions {
  /** How long a verdict is good for, microseconds of presentation time; 10 s by default. */
  readonly lifeUs?: number;
  /** Regions at most; 64 by default. */
  readonly capacity?: number;
}

interface RememberedRegion {
  /** Where it was last asked about. */
  box: RegionBox;
  seenUs: number;
  /** What was verified. Never blended with what is seen later: a patch mustn't creep in under a verdict that was made for something else. */
  readonly template: RegionTemplate;
  readonly verifiedUs: number;
  readonly lifeUs: number;
}

/**
 * Regions that were verified and are benign, so that they aren't verified again in the next frame: known by place and look. A verdict is good for some
 * seconds; found benign again at the end of them, for twice as long.
 */
export class VerdictMemory {
  readonly #lifeUs: number;
  readonly #capacity: number;
  readonly #clock = new PresentationClock();
  #regions: RememberedRegion[] = [];

  constructor({ lifeUs = DEFAULT_LIFE_US, capacity = DEFAULT_CAPACITY }: VerdictMemoryOptions = {}) {
    this.#lifeUs = lifeUs;
    this.#capacity = capacity;
  }

  /** Regions that are remembered, those included whose verdict has run out but that would get a longer one. */
  get size(): number {
    return this.#regions.length;
  }

  /** To be called once a frame, before the others. */
  advance(ptsUs: number): void {
    this.#clock.advance(ptsUs);
    // A verdict that has run out still tells, for as long again, that a next one may live longer.
    this.#regions = this.#regions.filter(({ verifiedUs, lifeUs }) => this.#ageUs(verifiedUs) < 2 * lifeUs);
  }

  /** Whether the region is known to be benign. Where it is, its place is noted: so it's known again after it has moved on. */
  knowsBenign(box: RegionBox, template: RegionTemplate): boolean {
    const known = this.#find(box, template);
    if (!known) return false;
    known.box = box;
    known.seenUs = this.#clock.elapsedUs;
    return this.#ageUs(known.verifiedUs) < known.lifeUs;
  }

  /**
   * Notes that a verification has found the region benign.
   *
   * @param doubt makes the verdict's life so many times shorter, 1 or more: what looks very much like a patch is asked about again soon.
   */
  remember(box: RegionBox, template: RegionTemplate, doubt = 1): void {
    const before = this.#find(box, template);
    const now = this.#clock.elapsedUs;
    const lifeUs = (before ? this.#nextLifeUs(before) : this.#lifeUs) / doubt;
    // In the order of verification: the oldest evidence is first, and goes first.
    const others = this.#regions.filter((region) => region !== before);
    this.#regions = [...others, { box, seenUs: now, template, verifiedUs: now, lifeUs }].slice(-this.#capacity);
  }

  /** Forgets what is known about a place: something adversarial was found there. */
  forget(box: RegionBox): void {
    this.#regions = this.#regions.filter((region) => regionBoxIou(region.box, box) < SAME_PLACE_IOU);
  }

  /** The one at the same place; or else the one nearby that looks the most alike. */
  #find(box: RegionBox, template: RegionTemplate): RememberedRegion | undefined {
    let best: { readonly region: RememberedRegion; readonly rank: number } | undefined;
    for (const region of this.#regions) {
      const iou = regionBoxIou(region.box, box);
      if (iou < SAME_PLACE_IOU && !this.#mayHaveMoved(region, box)) continue;
      const look = templateSimilarity(region.template, template);
      if (look < (iou >= SAME_PLACE_IOU ? SAME_LOOK : MOVED_LOOK)) continue;
      const rank = iou >= SAME_PLACE_IOU ? 1 + iou : look;
      if (!best || rank > best.rank) best = { region, rank };
    }
    return best?.region;
  }

  #mayHaveMoved({ box: from, seenUs }: RememberedRegion, to: RegionBox): boolean {
    const size = Math.max(from.width, from.height);
    const growth = Math.max(to.width, to.height) / size;
    const distance = Math.hypot(to.centreX - from.centreX, to.centreY - from.centreY);
    return growth > 0.5 && growth < 2 && distance <= (MOVED_SIZES_PER_SECOND * size * this.#ageUs(seenUs)) / 1e6;
  }

  /** Only a verdict that has lasted its time earns a longer one. */
  #nextLifeUs({ verifiedUs, lifeUs }: RememberedRegion): number {
    return this.#ageUs(verifiedUs) < lifeUs ? lifeUs : Math.min(MAX_LIFE_FACTOR * this.#lifeUs, 2 * lifeUs);
  }

  #ageUs(sinceUs: number): number {
    return this.#clock.elapsedUs - sinceUs;
  }
}
