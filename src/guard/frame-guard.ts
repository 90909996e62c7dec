import { assert } from '../core/assert.js';
import type { Detections } from '../core/detections.js';
import { AppError, toAppError } from '../core/errors.js';
import type { Frame } from '../core/frame.js';
import type { FrameResult } from '../core/result.js';
import type { StageContext } from '../core/stage.js';
import { concludeUntouched } from './conclusion.js';
import { GuardGate } from './guard-gate.js';
import type { GuardService } from './guard-service.js';
import { type GuardFrame, PatchGuard, type PatchGuardOptions } from './patch-guard.js';
import type { GuardPasses, PassRequest, PassResponse } from './passes.js';
import { selectDetections } from './select-detections.js';

export interface FrameGuardOptions extends Omit<PatchGuardOptions, 'passes'> {
  /** Told of each frame that had to pass unguarded, and why. */
  readonly onUnguarded?: (error: AppError) => void;
}

/** What the first pass of a frame asked for and found. */
interface FirstPass {
  readonly request: PassRequest;
  readonly response: PassResponse;
  /** Why the guard has no say in this frame. */
  readonly failure?: AppError;
}

/** Decides what to deliver: `PatchGuard`. */
export type Guard = Pick<PatchGuard, 'plan' | 'conclude'>;

/** A frame that is being verified. */
interface Verification {
  readonly context: StageContext;
  extraPasses: number;
}

/**
 * One stream's guard: what its two stages share. The detector's stage runs the first pass, the guard's stage verifies and says what to
 * deliver; between the two, the frame keeps its place at the gate. A frame that the guard fails on passes unguarded.
 */
export class FrameGuard {
  readonly gate: GuardGate;
  readonly #service: GuardService;
  readonly #options: FrameGuardOptions;
  readonly #guard: Guard;
  readonly #firstPasses = new WeakMap<Frame, FirstPass>();
  /** By the frame's pixels, which is what a pass knows of its frame. */
  readonly #verifications = new Map<Uint8Array, Verification>();

  /** @param createGuard what decides; the `PatchGuard` unless told otherwise. */
  constructor(service: GuardService, options: FrameGuardOptions, createGuard: (options: PatchGuardOptions) => Guard = (guardOptions) => new PatchGuard(guardOptions)) {
    this.#service = service;
    this.#options = options;
    // With a memory, what one frame teaches counts for the next: there is one at a time.
    this.gate = new GuardGate(options.time ? 1 : service.capacity, service.turns);
    const passes: GuardPasses = { run: (request) => this.#runExtraPass(request) };
    this.#guard = createGuard({ ...options, passes });
  }

  /** For a frame that the gate has let in: what the detector finds in it. A failure takes the frame's place away. */
  async runFirstPass(frame: Frame, context: StageContext): Promise<Detections> {
    try {
      const { request, failure } = this.#plan(guardFrameOf(frame));
      const { response, worker } = await this.#service.run(request);
      tellParts(context, response, worker);
      this.#firstPasses.set(frame, { request, response, ...withFailure(failure ?? failureOf(response)) });
      return selectDetections(response.detections, this.#options.thresholds);
    } catch (error) {
      this.gate.leave();
      throw error;
    } finally {
      this.#service.turns.release();
    }
  }

  /** For a frame after its first pass: what to deliver. Gives its place to the next. */
  async conclude(input: FrameResult, context: StageContext): Promise<FrameResult> {
    const { frame } = input;
    const first = this.#firstPasses.get(frame);
    assert(first, `frame ${frame.sequence} comes to the guard without a first pass`);
    const verification: Verification = { context, extraPasses: 0 };
    const guardFrame = guardFrameOf(frame);
    this.#verifications.set(guardFrame.pixels, verification);
    try {
      if (first.failure) throw first.failure;
      const { detections, report } = await this.#guard.conclude(guardFrame, first.request, first.response);
      return { ...input, detections, guard: report };
    } catch (thrown) {
      const error = toAppError(thrown);
      this.#options.onUnguarded?.(error);
      const { detections, report } = concludeUntouched(first.response, this.#options.thresholds, { state: 'unguarded', reason: error.code, extraPasses: verification.extraPasses });
      return { ...input, detections, guard: report };
    } finally {
      this.#verifications.delete(guardFrame.pixels);
      this.#firstPasses.delete(frame);
      this.gate.leave();
    }
  }

  /** Where the guard can't even plan, the detector still does its work. */
  #plan(frame: GuardFrame): Pick<FirstPass, 'request' | 'failure'> {
    try {
      return { request: this.#guard.plan(frame) };
    } catch (thrown) {
      const { pixels, fit, sourceSize } = frame;
      return { request: { pixels, fit, sourceSize, fills: [], search: false }, failure: toAppError(thrown) };
    }
  }

  /** Waits for its turn like any frame: streams that share the workers have the same right to them. */
  async #runExtraPass(request: PassRequest): ReturnType<GuardPasses['run']> {
    const { turns } = this.#service;
    await new Promise<void>((resolve) => {
      turns.request(() => {
        resolve();
        return true;
      }, this);
    });
    const verification = this.#verifications.get(request.pixels);
    if (verification) verification.extraPasses += 1;
    try {
      const done = await this.#service.run(request);
      verification?.context.part('verify', done.response.startedMs, done.response.endedMs);
      return done;
    } finally {
      turns.release();
    }
  }
}

function guardFrameOf({ pixels, fit, sourceSize, ptsUs }: Frame): GuardFrame {
  return { pixels, fit, sourceSize, ptsUs };
}

function failureOf({ searchFailure }: PassResponse): AppError | undefined {
  return searchFailure && new AppError(searchFailure.code, searchFailure.message);
}

function withFailure(failure: AppError | undefined): Pick<FirstPass, 'failure'> {
  return failure ? { failure } : {};
}

function tellParts(context: StageContext, { startedMs, filledMs, inferredMs, decodedMs, suppressedMs, finderEndedMs, endedMs, detections }: PassResponse, worker: string): void {
  context.serviceStarted(startedMs);
  context.part('fill', startedMs, filledMs);
  context.part('infer', filledMs, inferredMs);
  context.part('decode', inferredMs, decodedMs);
  context.part('nms', decodedMs, suppressedMs);
  if (finderEndedMs !== undefined) context.part('find', suppressedMs, finderEndedMs);
  context.part('search', finderEndedMs ?? suppressedMs, endedMs);
  context.servedBy(worker);
  context.boxesBeforeNms(detections.boxesBeforeNms);
}
