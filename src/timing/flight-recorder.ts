import type { FrameSpans } from './frame-spans.js';

/** Ten seconds at 200 frames a second, some minutes of a camera; about a kilobyte each. */
const FRAMES_PER_STREAM = 2048;

/**
 * Keeps the spans of the newest frames of each stream, so that what happened can be looked at after the fact. Costs one write a frame:
 * the spans exist anyway.
 */
export class FlightRecorder {
  readonly #framesPerStream: number;
  readonly #streams = new Map<string, { readonly frames: FrameSpans[]; written: number }>();

  constructor(framesPerStream = FRAMES_PER_STREAM) {
    this.#framesPerStream = framesPerStream;
  }

  add(spans: FrameSpans): void {
    const ring = this.#streams.get(spans.stream) ?? { frames: [], written: 0 };
    if (ring.written === 0) this.#streams.set(spans.stream, ring);
    ring.frames[ring.written % this.#framesPerStream] = spans;
    ring.written += 1;
  }

  /**
   * Frames that were delivered at `fromMs` (monotonic) or later, as far as they are still kept: in the order of their delivery, stream by stream.
   *
   * @param stream only this one; all where absent
   */
  since(fromMs: number, stream?: string): FrameSpans[] {
    const rings = stream === undefined ? [...this.#streams.values()] : [this.#streams.get(stream)].filter((ring) => ring !== undefined);
    return rings.flatMap(({ frames, written }) => {
      const oldest = written % frames.length;
      return [...frames.slice(oldest), ...frames.slice(0, oldest)].filter(({ firstByteMs, endToEndMs }) => firstByteMs + endToEndMs >= fromMs);
    });
  }
}
