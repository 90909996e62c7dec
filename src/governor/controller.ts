import { assert } from '../core/assert.js';
import type { MoveReason } from '../core/operating-point.js';
import { median } from '../core/median.js';
import { frameMsOf, type Rung } from './ladder.js';
import type { Target } from './target.js';
import { Variation } from './variation.js';

/** One inferred frame, as the ledger has it. */
export interface Sample {
  /** Monotonic. */
  readonly atMs: number;
  /** Place on the ladder that it was worked on at. */
  readonly point: number;
  readonly serviceMs: number;
  /** From its first byte to its result; only read where latency is the target. */
  readonly latencyMs: number;
  /** Whether a network was being loaded beside it, which takes time from it. */
  readonly isDisturbed?: boolean;
}

/** Where to go and why. */
export interface Decision {
  readonly to: number;
  readonly reason: MoveReason;
  /** Time that a frame takes now and would take there, milliseconds. */
  readonly nowMs: number;
  readonly expectedMs: number;
  /** Speed of the machine in what the points were measured at, 1 is the same. */
  readonly speed: number;
}

/** Of the target: what the usual frame is to take at most. The rest is for what nobody foresees. */
const AIM = 0.82;
/** Of the target: what nearly all frames are to take at most, at a point that is moved to. */
const ROOM_UP = 0.93;
/** Beyond these the usual frame, and the slow ones, want a cheaper point before any is late. */
const TRIM = 0.92;
const ROOM = 0.98;
/** Of the target: two of three frames beyond it are a breach; while a network is loaded beside them that takes more. */
const BREACH = 0.97;
const DISTURBED_BREACH = 1.15;

/** Frames that a breach is seen in (the middle of three), that a small correction wants at least, and that are kept. */
const FAST = 3;
const SLOW = 5;
const KEPT = 64;
/** A small correction wants so many times more frames for each time that the slow ones are slower than the usual: 3 times as many at 1.4. */
const MORE_FRAMES = 5;
/** Frames that all have to leave room for a large step up, and what is large, as a share of the time. */
const SURE = 4;
const LARGE = 0.12;
/** Between two small steps up; longer where it takes more frames to see that there is room. */
const CLIMB_MS = 5_000;

/** A step up that had to be taken back within so long was a mistake: it isn't tried again for a while, longer each time. */
const REGRET_MS = 3_000;
const FIRST_PATIENCE_MS = 3_000;
const MAX_PATIENCE_MS = 120_000;
/** With the speed changed by so much, and more where frames vary, what was learned about mistakes is void. */
const OTHER_SPEED = 0.15;
/** How much slower the machine may suddenly be for the point that is kept ready to be in time: from full speed to two fifths. */
const SUDDEN = 2.5;

/** How much of a surprise about a point's cost is believed, and which surprises are taken for something else. */
const LEARNING = 0.5;
const SURPRISE: readonly [number, number] = [0.7, 1.4];

interface Seen {
  readonly atMs: number;
  readonly point: number;
  /** Service time in units of the point's measured time, at speed hint 1. */
  readonly slowness: number;
  /** Latency that isn't service. */
  readonly restMs: number;
}

/** A step up, to be regretted or not. */
interface StepUp {
  readonly atMs: number;
  readonly to: number;
  readonly slowness: number;
}

/**
 * Keeps a target by moving along a ladder of operating points.
 *
 * Every inferred frame says how slow the machine is: its service time over the one that was measured for its point. All points are slowed
 * alike, so the time at any other is known beforehand, and one move goes to the best point that fits (feed-forward). What the points'
 * figures have wrong is learned from the moves, and what is left shows as late frames (feedback). Down goes fast, with the middle of
 * three frames; up goes with several frames that all leave room, or slowly. What a step needs up is less than what takes it down again,
 * and a step that had to be taken back is not repeated for a while, so that a constant speed comes to rest.
 *
 * Pure: no clock, no timer. Memory is a few frames.
 */
export class Controller {
  readonly #rungs: readonly Rung[];
  readonly #target: Target;
  /** What each point costs in units of its figure, as learned. */
  readonly #scales: Float64Array;
  #seen: Seen[] = [];
  /** The last few that came out while a network was loaded. */
  #besideLoading: Seen[] = [];
  #wanted: number;
  #hint = 1;
  #hintUnit: number | undefined;
  #lastMoveMs = -Infinity;
  #lastUp: StepUp | undefined;
  #patienceMs = FIRST_PATIENCE_MS;
  #barred: { readonly from: number; readonly untilMs: number; readonly slowness: number } | undefined;
  /** Frames in time since the floor was said to be too high; none is due before it was. */
  #inTimeSinceFloor = KEPT;
  readonly #variation = new Variation();
  /** Slowness just before the last move, where it was steady: what the next frames are compared with. */
  #before: { readonly slowness: number; readonly to: number } | undefined;

  /** @param ladder cheapest first, at least one. @param start place to begin at; the best that fits at measured speed where absent. */
  constructor(ladder: readonly Rung[], target: Target, start?: number) {
    assert(ladder.length > 0, 'a ladder has a rung');
    this.#rungs = ladder;
    this.#target = target;
    this.#scales = new Float64Array(ladder.length).fill(1);
    this.#wanted = start ?? this.#best(1, 0);
  }

  /** Place on the ladder that frames should be worked on at. */
  get wanted(): number {
    return this.#wanted;
  }

  /** Speed of the machine in what the points were measured at; undefined before the first frame. */
  get speed(): number | undefined {
    return this.#seen.length === 0 ? undefined : 1 / this.#slowness(SLOW);
  }

  /** Place of a point that would be in time even if the machine were suddenly as slow as it ever gets; `wanted` where that is the cheapest already. */
  get refuge(): number {
    if (this.#seen.length === 0) return Math.min(this.#wanted, this.#best(SUDDEN, 0));
    return Math.min(this.#wanted, this.#best(this.#slowness(SLOW) * SUDDEN, this.#restMs(SLOW)));
  }

  /** Speed of the CPU as something else than the ledger tells it, in any unit that stays the same: known before a frame shows it. */
  setSpeedHint(speed: number): void {
    assert(speed > 0, `a speed is above 0, got ${speed}`);
    // The first reading says what the frames before it were worked on at.
    this.#hintUnit ??= speed;
    this.#hint = speed / this.#hintUnit;
  }

  /** A point that was decided for can't be had: frames stay where they are, and it isn't asked for again for a long time. */
  moveFailed(active: number, failed: number, atMs: number): void {
    this.#wanted = active;
    this.#before = undefined;
    if (failed > active) this.#barred = { from: failed, untilMs: atMs + MAX_PATIENCE_MS, slowness: this.#slowness(FAST) };
  }

  /** An inferred frame came out. @returns a move, where one is due; frames may go on at the old point until the new one is ready. */
  observe({ atMs, point, serviceMs, latencyMs, isDisturbed = false }: Sample): Decision | undefined {
    const rung = this.#rungs[point]!;
    const slowness = (serviceMs / (rung.detectMs * this.#scales[point]!)) * this.#hint;
    const seen = { atMs, point, slowness, restMs: Math.max(0, latencyMs - serviceMs) };
    if (isDisturbed) return this.#disturbed(seen);
    this.#besideLoading = [];
    this.#seen.push(seen);
    if (this.#seen.length > KEPT) this.#seen.shift();
    this.#variation.add(slowness);
    this.#learn(SURE);
    return this.#breach(atMs) ?? this.#trim(atMs) ?? this.#climb(atMs);
  }

  /** What a frame takes beside a network that is loaded tells nothing, unless it is far too late: then the machine has become slower. */
  #disturbed(seen: Seen): Decision | undefined {
    this.#besideLoading = [...this.#besideLoading.slice(1 - FAST), seen];
    if (this.#besideLoading.length < FAST) return undefined;
    const slowness = median(this.#besideLoading.map((one) => one.slowness)) / this.#hint;
    const restMs = this.#target.kind === 'rate' ? 0 : median(this.#besideLoading.map((one) => one.restMs));
    if (this.#expectedMs(seen.point, slowness, restMs) <= this.#target.ms * DISTURBED_BREACH) return undefined;
    const to = this.#best(slowness, restMs);
    return to < Math.min(seen.point, this.#wanted) ? this.#move(seen.atMs, to, 'breach', slowness, restMs) : undefined;
  }

  #breach(atMs: number): Decision | undefined {
    if (this.#seen.length < FAST) return undefined;
    const slowness = this.#slowness(FAST);
    const restMs = this.#restMs(FAST);
    if (this.#expectedMs(this.#wanted, slowness, restMs) <= this.#target.ms * BREACH) {
      this.#inTimeSinceFloor += 1;
      return undefined;
    }
    // Where frames vary so much by themselves, two late ones are no news: what is usual decides, in `#trim`.
    const isUsual = this.#framesHere() >= this.#fewFrames && slowness <= this.#slowness(this.#fewFrames) * this.#variation.often;
    const to = Math.min(this.#wanted, this.#best(slowness, restMs));
    if (to < this.#wanted) return isUsual ? undefined : this.#move(atMs, to, 'breach', slowness, restMs);
    return this.#wanted === 0 ? this.#floor(slowness, restMs) : undefined;
  }

  /** Said once, until many frames have been in time again. */
  #floor(slowness: number, restMs: number): Decision | undefined {
    const isNews = this.#inTimeSinceFloor >= KEPT;
    this.#inTimeSinceFloor = 0;
    if (!isNews) return undefined;
    return this.#decision(0, 0, 'floor', slowness, restMs);
  }

  /** Before frames are late: the usual one is close to the target, or the slow ones are over it. */
  #trim(atMs: number): Decision | undefined {
    const few = this.#fewFrames;
    if (this.#framesHere() < few) return undefined;
    const slowness = this.#slowness(few);
    const restMs = this.#restMs(few);
    const usualMs = this.#expectedMs(this.#wanted, slowness, restMs);
    const slowMs = this.#expectedMs(this.#wanted, slowness * this.#variation.nearlyAll, restMs);
    if (usualMs <= this.#target.ms * TRIM && slowMs <= this.#target.ms * ROOM) return undefined;
    const to = Math.min(this.#wanted, this.#best(slowness, restMs));
    return to < this.#wanted ? this.#move(atMs, to, 'slower', slowness, restMs) : undefined;
  }

  #climb(atMs: number): Decision | undefined {
    const here = this.#framesHere();
    const few = this.#fewFrames;
    const sure = Math.ceil((SURE * few) / SLOW);
    if (here < sure) return undefined;
    const isSlow = here >= few && atMs - this.#lastMoveMs >= (CLIMB_MS * few) / SLOW;
    // The slowest of the last few: a large step is only taken where each of them leaves the room.
    const slowness = isSlow ? this.#slowness(few) : Math.max(...this.#last(sure).map((seen) => seen.slowness)) / this.#hint;
    const restMs = this.#restMs(sure);
    const to = Math.min(this.#best(slowness, restMs), this.#barAt(atMs, slowness));
    if (to <= this.#wanted) return undefined;
    const gain = this.#expectedMs(to, slowness, 0) / this.#expectedMs(this.#wanted, slowness, 0) - 1;
    if (!isSlow && gain < LARGE) return undefined;
    return this.#move(atMs, to, 'faster', slowness, restMs);
  }

  /** The highest place that may be tried now. */
  #barAt(atMs: number, slowness: number): number {
    const top = this.#rungs.length - 1;
    if (!this.#barred) return top;
    if (this.#isOtherSpeed(slowness, this.#barred.slowness)) {
      this.#barred = undefined;
      this.#patienceMs = FIRST_PATIENCE_MS;
      return top;
    }
    return atMs < this.#barred.untilMs ? this.#barred.from - 1 : top;
  }

  #move(atMs: number, to: number, reason: MoveReason, slowness: number, restMs: number): Decision {
    const from = this.#wanted;
    // A point that is left again at once has to be learned from all the more.
    this.#learn(2);
    const steady = this.#steadySlowness();
    this.#before = steady === undefined ? undefined : { slowness: steady, to };
    if (to < from) this.#regret(atMs, slowness);
    this.#lastUp = to > from ? { atMs, to, slowness } : this.#lastUp;
    this.#lastMoveMs = atMs;
    this.#wanted = to;
    // What the frames before said of another speed is past.
    this.#seen = this.#last(FAST);
    return this.#decision(from, to, reason, slowness, restMs);
  }

  /** A step up that is taken back soon, at the same speed, was a mistake. */
  #regret(atMs: number, slowness: number): void {
    const up = this.#lastUp;
    if (!up || atMs - up.atMs > REGRET_MS + this.#patienceMs / 2 || this.#isOtherSpeed(slowness, up.slowness)) return;
    this.#barred = { from: up.to, untilMs: atMs + this.#patienceMs, slowness };
    this.#patienceMs = Math.min(MAX_PATIENCE_MS, this.#patienceMs * 2);
    this.#lastUp = undefined;
  }

  /** Compares the first frames at a new point with what the old one had led to expect. */
  #learn(frames: number): void {
    const before = this.#before;
    if (!before) return;
    const here = this.#seen.filter(({ point }) => point === before.to).slice(-SURE);
    if (here.length < frames) return;
    this.#before = undefined;
    const surprise = median(here.map(({ slowness }) => slowness)) / before.slowness;
    if (surprise < SURPRISE[0] || surprise > SURPRISE[1]) return;
    const factor = surprise ** LEARNING;
    this.#scales[before.to]! *= factor;
    this.#seen = this.#seen.map((seen) => (seen.point === before.to ? { ...seen, slowness: seen.slowness / factor } : seen));
  }

  /** Undefined where the speed is changing: nothing can be learned from a move then. */
  #steadySlowness(): number | undefined {
    const here = this.#seen.filter(({ point }) => point === this.#wanted).slice(-SLOW);
    if (here.length < SURE) return undefined;
    const half = here.length >> 1;
    const early = median(here.slice(0, half).map(({ slowness }) => slowness));
    const late = median(here.slice(half).map(({ slowness }) => slowness));
    return Math.abs(late / early - 1) < 0.04 ? median(here.map(({ slowness }) => slowness)) : undefined;
  }

  /** Frames since the last move that were worked on where they should be, of those that are kept. */
  #framesHere(): number {
    return this.#seen.filter(({ point, atMs }) => point === this.#wanted && atMs > this.#lastMoveMs).length;
  }

  #decision(from: number, to: number, reason: MoveReason, slowness: number, restMs: number): Decision {
    return { to, reason, nowMs: this.#expectedMs(from, slowness, restMs), expectedMs: this.#expectedMs(to, slowness, restMs), speed: 1 / slowness };
  }

  /** The best point whose usual frames keep the aim and whose slow ones the room; the cheapest where none does. */
  #best(slowness: number, restMs: number): number {
    const { ms } = this.#target;
    const slow = slowness * this.#variation.nearlyAll;
    for (let place = this.#rungs.length - 1; place > 0; place -= 1) {
      if (this.#expectedMs(place, slowness, restMs) <= ms * AIM && this.#expectedMs(place, slow, restMs) <= ms * ROOM_UP) return place;
    }
    return 0;
  }

  /** How many frames tell the usual time well enough for a small correction. */
  get #fewFrames(): number {
    return Math.ceil(SLOW * (1 + MORE_FRAMES * (this.#variation.often - 1)));
  }

  #expectedMs(place: number, slowness: number, restMs: number): number {
    return restMs + frameMsOf(this.#rungs[place]!) * this.#scales[place]! * slowness;
  }

  /** At the speed that the hint says now. */
  #slowness(count: number): number {
    return median(this.#last(count).map((seen) => seen.slowness)) / this.#hint;
  }

  #restMs(count: number): number {
    return this.#target.kind === 'rate' ? 0 : median(this.#last(count).map((seen) => seen.restMs));
  }

  #last(count: number): Seen[] {
    return this.#seen.slice(-count);
  }

  #isOtherSpeed(a: number, b: number): boolean {
    return Math.max(a, b) / Math.min(a, b) > (1 + OTHER_SPEED) * this.#variation.often;
  }
}
