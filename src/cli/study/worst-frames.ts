import { decomposeAll } from '../../study/analyse.js';
import type { DecomposedFrame } from '../../study/decompose.js';
import { levelsText } from '../../study/level-labels.js';
import type { FrameRecord, StudyRecording, StudyRun } from '../../study/records.js';
import type { FrameSpans } from '../../timing/frame-spans.js';
import { traceDocument } from '../../timing/trace-document.js';

/** Frames of the same run that are shown around a slow one. */
const AROUND_MS = 500;

/** A frame that stands out, and where its trace is. */
export interface WorstFrame {
  readonly rank: number;
  readonly run: StudyRun;
  readonly frame: DecomposedFrame;
  /** How much longer than its run's median. */
  readonly overMedianMs: number;
  /** Beside the report. */
  readonly traceFile: string;
}

/**
 * The frames that took longest compared with the median of their own run: a slow configuration isn't news, a slow frame in it is.
 * Neighbours within half a second are one event and are told once.
 */
export function worstFrames(recording: StudyRecording, count = 10): WorstFrame[] {
  const all = decomposeAll(recording).flatMap(({ run, frames }) => {
    const median = [...frames].map(({ totalMs }) => totalMs).sort((a, b) => a - b)[frames.length >> 1] ?? 0;
    return frames.map((frame) => ({ run, frame, overMedianMs: frame.totalMs - median }));
  });
  const worst: (typeof all)[number][] = [];
  for (const one of all.sort((a, b) => b.overMedianMs - a.overMedianMs)) {
    if (worst.length === count) break;
    if (worst.some(({ run, frame }) => run === one.run && Math.abs(frame.startMs - one.frame.startMs) < AROUND_MS)) continue;
    worst.push(one);
  }
  return worst.map((one, i) => ({ ...one, rank: i + 1, traceFile: `worst-${String(i + 1).padStart(2, '0')}.trace.json` }));
}

/** A Chrome trace of a frame and those around it, for Perfetto. */
export async function traceOf({ run, frame: { startMs, totalMs, seq }, rank }: WorstFrame): Promise<string> {
  const [from, to] = [startMs - AROUND_MS, startMs + totalMs + AROUND_MS];
  const frames = run.frames.filter(({ spans }) => spans.at(-1)!.at[2] >= from && spans[0]!.at[0] <= to).sort((a, b) => a.spans[0]!.at[0] - b.spans[0]!.at[0]);
  const of = (kind: 'gc' | 'loop') => run.marks.filter(({ kind: own, at }) => own === kind && at[1] >= from && at[0] <= to).map(({ at: [start, end] }) => ({ startMs: start, endMs: end }));
  const facts = { rank, seq, perspective: run.perspective, configuration: levelsText(run.levels), run: run.run };
  let text = '';
  for await (const piece of traceDocument(frames.map(spansOf), { collections: of('gc'), late: of('loop') }, facts)) text += piece;
  return text;
}

function spansOf({ stream, seq, spans, boxesBeforeNms, detections }: FrameRecord): FrameSpans {
  const firstByteMs = spans[0]!.at[0];
  return {
    stream,
    sequence: seq,
    firstByteMs,
    endToEndMs: spans.at(-1)!.at[2] - firstByteMs,
    timings: spans.map(({ stage, at: [queuedMs, startedMs, endedMs], worker, parts = [] }) => ({
      stage,
      queuedMs,
      startedMs,
      endedMs,
      ...(worker === undefined ? {} : { worker }),
      eventLoopDelayMs: 0,
      gcMs: 0,
      parts: parts.map(([name, start, end]) => ({ name, startMs: start, endMs: end })),
    })),
    detections: detections ?? 0,
    boxesBeforeNms: boxesBeforeNms ?? 0,
    droppedSinceLast: {},
  };
}
