import { assert } from '../core/assert.js';
import type { Detections } from '../core/detections.js';
import { AppError } from '../core/errors.js';
import type { GuardReport } from '../core/guard-report.js';
import type { FrameResult } from '../core/result.js';
import type { Stage } from '../core/stage.js';
import { describeBoxes } from './appearance.js';
import { ByteTracker, type TrackedFrame } from './byte-tracker.js';
import { type CoastedBox, coastedBoxes } from './coasted-boxes.js';
import type { TrackingOptions } from './tracker-options.js';

export interface TrackerStageOptions extends TrackingOptions {
  /** The user's own: boxes over it are delivered, whatever becomes of them. */
  readonly confidenceThreshold: number;
}

/** Down to which confidence the stages before a tracker have to deliver. */
export function lowThreshold({ confidenceThreshold, lowShare }: Pick<TrackerStageOptions, 'confidenceThreshold' | 'lowShare'>): number {
  return lowShare * confidenceThreshold;
}

/**
 * Follows the detections of one stream: adds `tracks`. Of the boxes below the user's threshold, which the stages before it deliver for it,
 * it takes out all but those that continue a confirmed track. Where it is asked to (`coastSeconds`), it adds boxes of objects that aren't
 * seen just now, where they are expected.
 *
 * What it knows comes from the frames before, so there is one frame at a time, in order.
 */
export class TrackerStage implements Stage {
  readonly kind = 'tracker.byte';
  readonly concurrency = 1;
  readonly #confidenceThreshold: number;
  readonly #coastSeconds: number;
  readonly #tracker: ByteTracker;
  #lastSequence = -1;

  constructor(options: TrackerStageOptions) {
    this.#confidenceThreshold = options.confidenceThreshold;
    this.#coastSeconds = options.coastSeconds;
    this.#tracker = new ByteTracker(options);
  }

  process(input: FrameResult): FrameResult {
    const { frame, detections, guard } = input;
    if (!detections) throw new AppError('ERR_STAGE_FAILED', `Frame ${frame.sequence} comes to the tracker without detections`);
    assert(frame.sequence > this.#lastSequence, `frame ${frame.sequence} comes to the tracker after frame ${this.#lastSequence}`);
    this.#lastSequence = frame.sequence;
    const tracked = this.#tracker.update({ ...detections, appearance: describeBoxes(frame, detections) }, frame.ptsUs);
    const delivered = this.#delivered(detections, tracked);
    const coasted = this.#coastSeconds > 0 ? coastedBoxes(this.#tracker.coasting(this.#coastSeconds), frame.sourceSize) : [];
    const none = coasted.map(() => 1);
    return {
      ...input,
      detections: pickDetections(detections, delivered, coasted),
      tracks: {
        ids: Int32Array.from([...delivered.map((index) => tracked.ids[index]!), ...coasted.map(({ trackId }) => trackId)]),
        isConfirmed: Uint8Array.from([...delivered.map((index) => tracked.isConfirmed[index]!), ...none]),
        isCoasted: Uint8Array.from([...delivered.map(() => 0), ...none]),
        confirmedSoFar: this.#tracker.confirmedSoFar,
      },
      ...(guard ? { guard: pickOrigins(guard, delivered, coasted.length) } : {}),
    };
  }

  close(): void {
    // Nothing is open.
  }

  #delivered({ count, confidence }: Detections, { isConfirmed }: TrackedFrame): number[] {
    const delivered: number[] = [];
    for (let i = 0; i < count; i += 1) if (confidence[i]! > this.#confidenceThreshold || isConfirmed[i] === 1) delivered.push(i);
    return delivered;
  }
}

/** The chosen ones, then those that coast. */
function pickDetections(all: Detections, chosen: readonly number[], coasted: readonly CoastedBox[]): Detections {
  const count = chosen.length + coasted.length;
  const xyxy = new Float32Array(4 * count);
  chosen.forEach((from, to) => xyxy.set(all.xyxy.subarray(4 * from, 4 * from + 4), 4 * to));
  coasted.forEach((box, i) => xyxy.set(box.xyxy, 4 * (chosen.length + i)));
  return {
    count,
    xyxy,
    confidence: Float32Array.from([...chosen.map((index) => all.confidence[index]!), ...coasted.map(({ confidence }) => confidence)]),
    classId: Int32Array.from([...chosen.map((index) => all.classId[index]!), ...coasted.map(({ classId }) => classId)]),
    boxesBeforeNms: all.boxesBeforeNms,
  };
}

/** A guard's report names the origin of each detection: it loses those of the boxes that go. A box that coasts is none of the guard's. */
function pickOrigins(guard: GuardReport, chosen: readonly number[], coasted: number): GuardReport {
  return { ...guard, origins: [...chosen.map((index) => guard.origins[index]!), ...new Array<'untouched'>(coasted).fill('untouched')] };
}
