import { monotonicMs } from '../../core/clock.js';
import type { StereoSide } from '../../core/stereo-source.js';
import type { SourceEvents } from '../source-events.js';

const REPORT_EVERY_MS = 1000;

/** Tells of frames without partner: the first at once, then those of a second together. */
export class UnpairedReport {
  readonly #events: SourceEvents;
  readonly #counts = { left: 0, right: 0 };
  #reportedMs = -Infinity;

  constructor(events: SourceEvents) {
    this.#events = events;
  }

  add(side: StereoSide, count: number): void {
    this.#counts[side] += count;
    if (monotonicMs() - this.#reportedMs >= REPORT_EVERY_MS) this.flush();
  }

  /** Tells of what was not told yet. */
  flush(): void {
    const { left, right } = this.#counts;
    if (left + right === 0) return;
    this.#reportedMs = monotonicMs();
    this.#counts.left = 0;
    this.#counts.right = 0;
    this.#events.emit(this.#events.state ?? 'connecting', `${left} left and ${right} right frames have no partner`, { code: 'ERR_STEREO_UNPAIRED' });
  }
}
