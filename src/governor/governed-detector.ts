import { epochMs, monotonicMs } from '../core/clock.js';
import type { AppError } from '../core/errors.js';
import type { Frame } from '../core/frame.js';
import type { Governed, OperatingPointMove, OperatingPointReport } from '../core/operating-point.js';
import type { DecodeThresholds } from '../detector/decoder.js';
import type { DetectResponse } from '../detector/detector-worker.js';
import { Controller, type Decision, type Sample } from './controller.js';
import { type CpuSpeedReader, SpeedChanges } from './cpu-speed.js';
import type { OperatingPoint } from './operating-point.js';
import { PointSwitch } from './point-switch.js';
import type { Target } from './target.js';

/** How often the CPU's speed is read. */
const READ_SPEED_EVERY_MS = 250;
/** After a move, until a point for sudden need is loaded: the next move is often near, and loading takes time from frames. */
const REFUGE_AFTER_MS = 1_000;

export interface GovernedDetectorOptions {
  /** Cheapest first, see `buildLadder`. */
  readonly points: readonly OperatingPoint[];
  readonly target: Target;
  /**
   * Whether a frame's wait for the detector is part of the latency: not where frames wait because nothing may be lost, since then they
   * wait as long as ever there are buffers.
   */
  readonly countsWaiting: boolean;
  /** How many frames are worked on side by side: what a frame may take where a rate is the target. */
  readonly sessions: number;
  readonly readCpuSpeed: CpuSpeedReader;
  /** A point could not be prepared; the stream goes on at the one that it had. */
  readonly onFailed: (point: OperatingPointReport, error: AppError) => void;
}

/** A detector whose network follows the speed of the machine. */
export class GovernedDetector implements Governed {
  onMoved: (move: OperatingPointMove) => void = () => undefined;
  readonly #options: GovernedDetectorOptions;
  readonly #controller: Controller;
  readonly #switch: PointSwitch;
  readonly #speedChanges = new SpeedChanges();
  readonly #timer: NodeJS.Timeout;
  #decision: Decision | undefined;
  #movedMs = -Infinity;

  private constructor(options: GovernedDetectorOptions, controller: Controller, points: PointSwitch) {
    this.#options = options;
    this.#controller = controller;
    this.#switch = points;
    this.#timer = setInterval(() => void this.#readSpeed(), READ_SPEED_EVERY_MS).unref();
  }

  /** Prepares the best point that keeps the target at the speed that the points were measured at. @throws AppError of its model */
  static async start(options: GovernedDetectorOptions): Promise<GovernedDetector> {
    const { points, target, sessions } = options;
    const perFrame: Target = target.kind === 'rate' ? { ...target, ms: target.ms * sessions } : target;
    const controller = new Controller(points, perFrame);
    const pointSwitch = await PointSwitch.start({
      points,
      first: controller.wanted,
      onSwitched: (from, to) => detector.#tellMove(from, to),
      onFailed: (place, error) => detector.#onFailed(place, error),
    });
    const detector = new GovernedDetector(options, controller, pointSwitch);
    return detector;
  }

  get point(): OperatingPointReport {
    return this.#report(this.#switch.place);
  }

  /** Every so many frames are inferred at the point that is active. */
  get every(): number {
    return this.#options.points[this.#switch.place]!.every;
  }

  /** Frames that are worked on side by side. */
  get sessions(): number {
    return this.#options.sessions;
  }

  /** Infers a frame at the active point, and moves along the ladder where that is due. @throws AppError as `PointRunner.detect` */
  async detect(frame: Frame, thresholds: DecodeThresholds): Promise<{ readonly response: DetectResponse; readonly worker: string; readonly point: OperatingPointReport }> {
    const place = this.#switch.place;
    const wasLoading = this.#switch.isLoading;
    const { response, worker } = await this.#switch.detect(frame, thresholds);
    this.#observe({ point: place, isDisturbed: wasLoading || this.#switch.isLoading }, frame, response);
    return { response, worker, point: this.#report(place) };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#switch.close();
  }

  #observe(where: Pick<Sample, 'point' | 'isDisturbed'>, { firstByteMs, arrivedMs }: Frame, { startedMs, endedMs }: DetectResponse): void {
    const atMs = monotonicMs();
    const waitedMs = this.#options.countsWaiting ? 0 : startedMs - arrivedMs;
    const decision = this.#controller.observe({ ...where, atMs, serviceMs: endedMs - startedMs, latencyMs: atMs - firstByteMs - waitedMs });
    if (!decision) {
      if (atMs - this.#movedMs > REFUGE_AFTER_MS) this.#keepRefuge();
      return;
    }
    if (decision.reason === 'floor') {
      this.#tell(this.#switch.place, this.#switch.place, decision);
      return;
    }
    this.#movedMs = atMs;
    this.#decision = decision;
    this.#switch.want(decision.to);
  }

  /** What is ready may be a little dearer than it should be, or as cheap as it likes: another is loaded for good reason only. */
  #keepRefuge(): void {
    const { refuge } = this.#controller;
    const { ready, place } = this.#switch;
    if (refuge < place && (ready === undefined || ready > refuge + 1)) this.#switch.keepReady(refuge);
  }

  #tellMove(from: number, to: number): void {
    if (this.#decision) this.#tell(from, to, this.#decision);
  }

  #tell(from: number, to: number, decision: Decision): void {
    this.onMoved({ epochMs: epochMs(), from: this.#report(from), to: this.#report(to), reason: decision.reason, message: messageOf(decision) });
  }

  #onFailed(place: number, error: AppError): void {
    // One that was to be kept ready, or that isn't wanted any more, is no move.
    if (this.#controller.wanted === place) this.#controller.moveFailed(this.#switch.place, place, monotonicMs());
    this.#options.onFailed(this.#report(place), error);
  }

  #report(index: number): OperatingPointReport {
    return { index, name: this.#options.points[index]!.name };
  }

  /** A reading that fails says nothing: the ledger goes on. */
  async #readSpeed(): Promise<void> {
    const speed = await this.#options.readCpuSpeed().catch(() => undefined);
    const changed = speed !== undefined && speed > 0 ? this.#speedChanges.add(speed) : undefined;
    if (changed !== undefined) this.#controller.setSpeedHint(changed);
  }
}

function messageOf({ reason, nowMs, expectedMs, speed }: Decision): string {
  const at = `at ${Math.round(speed * 100)} % of the speed that was measured`;
  if (reason === 'floor') return `A frame takes ${nowMs.toFixed(1)} ms ${at}, and there is no cheaper point`;
  return `A frame takes ${nowMs.toFixed(1)} ms ${at}; expected now: ${expectedMs.toFixed(1)} ms`;
}
