import { assert } from '../core/assert.js';
import type { MoveReason } from '../core/operating-point.js';
import { median } from '../core/median.js';
import { frameMsOf, type Rung } from './ladder.js';
import type { Target } from './target.js';

/** One inferred frame, as the ledger has it. */
export interface Sample {
  /** Monotonic. */
  readonly atMs: number;
  /** Place on the ladder that it was worked on at. */
  readonly point: number;
  readonly serviceMs: number;
  /** From its first byte to its result; only read where latency is the target. */
  readonly latencyMs: number;
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

/** Of the target: what is aimed at. The rest is room for what varies from frame to frame. */
const AIM = 0.88;
/** Of the target: two of three frames beyond it are a breach. */
const BREACH = 0.97;
/** Of the aim: beyond it for a whole window, the point below is taken before a frame is late. */
const TRIM = 1.05;

/** Frames that a breach is seen in (the middle of three), that a small correction wants, and that are kept. */
const FAST = 3;
const SLOW = 8;
const KEPT = 64;
/** Frames that all have to leave room for a large step up, and what is large, as a share of the time. */
const SURE = 4;
const LARGE = 0.12;
/** Between two small steps up. */
const CLIMB_MS = 1_500;

/** A step up that had to be taken back soon: so many times as many frames have to leave room for the next, at most, and for how long. */
const CAUTION = 2;
const MOST_CAUTION = 16;
const CAUTION_MS = 10_000;

/** A step up that had to be taken back within so long was a mistake: it isn't tried again for a while, longer each time. */
const REGRET_MS = 4_000;
const FIRST_PATIENCE_MS = 4_000;
const MAX_PATIENCE_MS = 120_000;
/** With the speed changed by so much, what was learned about mistakes is void. */
const OTHER_SPEED = 0.15;

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
  #wanted: number;
  #hint = 1;
  #hintUnit: number | undefined;
  #lastMoveMs = -Infinity;
  #lastUp: StepUp | undefined;
  #patienceMs = FIRST_PATIENCE_MS;
  #barred: { readonly from: number; readonly untilMs: number; readonly slowness: number } | undefined;
  /** Frames in time since the floor was said to be too high; none is due before it was. */
  #inTimeSinceFloor = KEPT;
  /** On a machine whose speed jumps about, a few quick frames say little: 1 to `MOST_CAUTION`. */
  #caution = 1;
  #cautionSinceMs = -Infinity;
  /** Slowness just before the last move, where it was steady: what the next frames are compared with. */
  #before: { readonly slowness: number; readonly to: number } | undefined;

  /** @param ladder cheapest first, at least one. @param start place to begin at; the best that fits at measured speed where absent. */
  constructor(ladder: readonly Rung[], target: Target, start?: number) {
    assert(ladder.length > 0, 'a ladder has a rung');
    this.#rungs = ladder;
    this.#target = target;
    this.#scales = new Float64Array(ladder.length).fill(1);
    this.#wanted = start ?? this.#best(1, 0, this.#aimMs);
  }

  /** Place on the ladder that frames should be worked on at. */
  get wanted(): number {
    return this.#wanted;
  }

  /** Speed of the machine in what the points were measured at; undefined before the first frame. */
  get speed(): number | undefined {
    return this.#seen.length === 0 ? undefined : 1 / this.#slowness(SLOW);
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
  observe({ atMs, point, serviceMs, latencyMs }: Sample): Decision | undefined {
    const rung = this.#rungs[point]!;
    const slowness = (serviceMs / (rung.detectMs * this.#scales[point]!)) * this.#hint;
    this.#seen.push({ atMs, point, slowness, restMs: Math.max(0, latencyMs - serviceMs) });
    if (this.#seen.length > KEPT) this.#seen.shift();
    this.#learn(SURE);
    return this.#breach(atMs) ?? this.#trim(atMs) ?? this.#climb(atMs);
  }

  #breach(atMs: number): Decision | undefined {
    if (this.#seen.length < FAST) return undefined;
    const slowness = this.#slowness(FAST);
    const restMs = this.#restMs(FAST);
    if (this.#expectedMs(this.#wanted, slowness, restMs) <= this.#target.ms * BREACH) {
      this.#inTimeSinceFloor += 1;
      return undefined;
    }
    const to = Math.min(this.#wanted, this.#best(slowness, restMs, this.#aimMs));
    if (to < this.#wanted) return this.#move(atMs, to, 'breach', slowness, restMs);
    return this.#wanted === 0 ? this.#floor(slowness, restMs) : undefined;
  }

  /** Said once, until many frames have been in time again. */
  #floor(slowness: number, restMs: number): Decision | undefined {
    const isNews = this.#inTimeSinceFloor >= KEPT;
    this.#inTimeSinceFloor = 0;
    if (!isNews) return undefined;
    return this.#decision(0, 0, 'floor', slowness, restMs);
  }

  #trim(atMs: number): Decision | undefined {
    if (this.#framesHere() < SLOW) return undefined;
    const slowness = this.#slowness(SLOW);
    const restMs = this.#restMs(SLOW);
    if (this.#expectedMs(this.#wanted, slowness, restMs) <= this.#aimMs * TRIM) return undefined;
    const to = Math.min(this.#wanted, this.#best(slowness, restMs, this.#aimMs));
    return to < this.#wanted ? this.#move(atMs, to, 'slower', slowness, restMs) : undefined;
  }

  #climb(atMs: number): Decision | undefined {
    const here = this.#framesHere();
    const sure = SURE * this.#cautionAt(atMs);
    if (here < sure) return undefined;
    const isSlow = here >= Math.max(SLOW, sure) && atMs - this.#lastMoveMs >= CLIMB_MS;
    // The slowest of the last few: a large step is only taken where each of them leaves the room.
    const slowness = isSlow && sure === SURE ? this.#slowness(SLOW) : Math.max(...this.#last(sure).map((seen) => seen.slowness)) / this.#hint;
    const restMs = this.#restMs(SURE);
    const to = Math.min(this.#best(slowness, restMs, this.#aimMs), this.#barAt(atMs, slowness));
    if (to <= this.#wanted) return undefined;
    const gain = this.#expectedMs(to, slowness, 0) / this.#expectedMs(this.#wanted, slowness, 0) - 1;
    if (!isSlow && gain < LARGE) return undefined;
    return this.#move(atMs, to, 'faster', slowness, restMs);
  }

  /** The highest place that may be tried now. */
  #barAt(atMs: number, slowness: number): number {
    const top = this.#rungs.length - 1;
    if (!this.#barred) return top;
    if (isOtherSpeed(slowness, this.#barred.slowness)) {
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

  /** Of late; it wears off by half. */
  #cautionAt(atMs: number): number {
    while (this.#caution > 1 && atMs - this.#cautionSinceMs > CAUTION_MS) {
      this.#caution /= CAUTION;
      this.#cautionSinceMs += CAUTION_MS;
    }
    return this.#caution;
  }

  /** A step up that is taken back soon asks for caution; one that is taken back at the same speed was a mistake. */
  #regret(atMs: number, slowness: number): void {
    const up = this.#lastUp;
    if (!up || atMs - up.atMs > REGRET_MS + this.#patienceMs / 2) return;
    this.#caution = Math.min(MOST_CAUTION, this.#cautionAt(atMs) * CAUTION);
    this.#cautionSinceMs = atMs;
    if (isOtherSpeed(slowness, up.slowness)) return;
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

  /** The best point whose time is within a limit; the cheapest where none is. */
  #best(slowness: number, restMs: number, limitMs: number): number {
    for (let place = this.#rungs.length - 1; place > 0; place -= 1) {
      if (this.#expectedMs(place, slowness, restMs) <= limitMs) return place;
    }
    return 0;
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

  get #aimMs(): number {
    return this.#target.ms * AIM;
  }
}

function isOtherSpeed(a: number, b: number): boolean {
  return Math.max(a, b) / Math.min(a, b) > 1 + OTHER_SPEED;
}
