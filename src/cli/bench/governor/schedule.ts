/** A stretch of a schedule: a speed that is held, or a way from one to the next. */
export interface SpeedSegment {
  readonly kind: 'step' | 'ramp';
  readonly startMs: number;
  readonly endMs: number;
  /** Percent of the machine's own speed, at its start and at its end. */
  readonly fromPercent: number;
  readonly toPercent: number;
}

/**
 * Down in steps through all speeds, up again in one ramp, down in one ramp, and up in steps: each change of speed there is, suddenly and
 * slowly, both ways.
 *
 * @param speeds percent, in the order of the steps. @param segmentMs length of each stretch; ramps take twice as long.
 */
export function speedSchedule(speeds: readonly number[], segmentMs: number): SpeedSegment[] {
  const first = speeds[0]!;
  const last = speeds.at(-1)!;
  const steps = (values: readonly number[]) => values.map((percent) => ({ kind: 'step', fromPercent: percent, toPercent: percent, lengthMs: segmentMs }) as const);
  const ramp = (fromPercent: number, toPercent: number) => ({ kind: 'ramp', fromPercent, toPercent, lengthMs: 2 * segmentMs }) as const;
  const ramps = speeds.length > 1 ? [ramp(last, first), ramp(first, last)] : [];
  const parts = [...steps(speeds), ...ramps, ...steps(speeds.toReversed().slice(1))];
  let startMs = 0;
  return parts.map(({ lengthMs, ...part }) => {
    const segment = { ...part, startMs, endMs: startMs + lengthMs };
    startMs = segment.endMs;
    return segment;
  });
}

export function scheduleLengthMs(segments: readonly SpeedSegment[]): number {
  return segments.at(-1)!.endMs;
}

/** Percent at a time; the last one's after the end. */
export function speedAt(segments: readonly SpeedSegment[], atMs: number): number {
  const segment = segments.find(({ endMs }) => atMs < endMs);
  if (!segment) return segments.at(-1)!.toPercent;
  const { fromPercent, toPercent, startMs, endMs } = segment;
  return fromPercent + ((toPercent - fromPercent) * (Math.max(atMs, startMs) - startMs)) / (endMs - startMs);
}

/** Whether a time is right after a step: what a controller is given to answer it. */
export function isSettling(segments: readonly SpeedSegment[], atMs: number, settlingMs: number): boolean {
  return segments.some(({ kind, startMs }) => kind === 'step' && startMs > 0 && atMs >= startMs && atMs < startMs + settlingMs);
}
