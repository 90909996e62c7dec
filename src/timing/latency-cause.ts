import type { StageTiming } from '../core/result.js';
import { median } from '../core/median.js';
import type { FrameSpans } from './frame-spans.js';

/**
 * Why a frame took longer than usual. `gc` and `event_loop`: the main thread was held up while the stage had the frame. `content`: more
 * boxes went into suppression. `queue`: it waited for others. `source`: decoding and reading. `service`: the stage itself was slower, by
 * a slower machine or a competitor for it; which of them can't be told from one frame.
 */
export type LatencyCauseKind = 'gc' | 'event_loop' | 'content' | 'queue' | 'source' | 'service';

export interface LatencyCause {
  readonly kind: LatencyCauseKind;
  /** The stage that took most of the additional time. */
  readonly stage: string;
  /** Longer than the usual frame, all stages together. */
  readonly excessMs: number;
  /** Of the excess, what this cause explains: 0 to 1. */
  readonly share: number;
}

const SOURCE = 'source';
/** A cause that overlaps a span explains it where it is as long as this share of the additional time. */
const EXPLAINS = 0.5;

interface Usual {
  readonly queueMs: number;
  readonly serviceMs: number;
  readonly nmsMs: number;
}

/**
 * Names what made a frame late, against the medians of other frames of its stream.
 *
 * @param usual frames to compare with, the late one may be among them
 * @returns undefined where the frame was not later than usual, or there is nothing to compare it with.
 */
export function nameCause(late: FrameSpans, usual: readonly FrameSpans[]): LatencyCause | undefined {
  if (usual.length === 0) return undefined;
  const excessMs = late.endToEndMs - median(usual.map(({ endToEndMs }) => endToEndMs));
  if (!(excessMs > 0)) return undefined;
  const parts = late.timings.flatMap((timing) => excessOf(timing, usualOf(timing.stage, usual)));
  const worst = parts.reduce((most, part) => (part.excessMs > most.excessMs ? part : most));
  return { kind: worst.kind, stage: worst.stage, excessMs, share: Math.min(1, Math.max(0, worst.excessMs) / excessMs) };
}

/** What one stage added, in its queue and in its service. */
function excessOf(timing: StageTiming, usual: Usual): { readonly kind: LatencyCauseKind; readonly stage: string; readonly excessMs: number }[] {
  const { stage, queuedMs, startedMs, endedMs } = timing;
  const waited = startedMs - queuedMs - usual.queueMs;
  const worked = endedMs - startedMs - usual.serviceMs;
  return [
    { kind: heldUp(timing, waited) ?? 'queue', stage, excessMs: waited },
    { kind: heldUp(timing, worked) ?? (nmsMs(timing) - usual.nmsMs >= EXPLAINS * worked && worked > 0 ? 'content' : stage === SOURCE ? 'source' : 'service'), stage, excessMs: worked },
  ];
}

/** Collections hold up the event loop, too: they are asked first. */
function heldUp({ gcMs, eventLoopDelayMs }: StageTiming, excessMs: number): LatencyCauseKind | undefined {
  if (excessMs <= 0) return undefined;
  if (gcMs >= EXPLAINS * excessMs) return 'gc';
  return eventLoopDelayMs >= EXPLAINS * excessMs ? 'event_loop' : undefined;
}

function usualOf(stage: string, frames: readonly FrameSpans[]): Usual {
  const timings = frames.flatMap((frame) => frame.timings.filter((timing) => timing.stage === stage));
  if (timings.length === 0) return { queueMs: 0, serviceMs: 0, nmsMs: 0 };
  return {
    queueMs: median(timings.map(({ queuedMs, startedMs }) => startedMs - queuedMs)),
    serviceMs: median(timings.map(({ startedMs, endedMs }) => endedMs - startedMs)),
    nmsMs: median(timings.map(nmsMs)),
  };
}

function nmsMs({ parts }: StageTiming): number {
  return parts.reduce((sum, { name, startMs, endMs }) => sum + (name === 'nms' ? endMs - startMs : 0), 0);
}
