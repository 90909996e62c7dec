import type { DeliveredFrame } from '../core/result.js';
import type { Sink } from '../core/sink.js';
import type { FlightRecorder } from '../timing/flight-recorder.js';
import { spansOf } from '../timing/frame-spans.js';

/** Tells the flight recorder of every frame. */
export class RecorderSink implements Sink {
  readonly kind = 'recorder';
  readonly #recorder: FlightRecorder;

  constructor(recorder: FlightRecorder) {
    this.#recorder = recorder;
  }

  deliver(frame: DeliveredFrame): void {
    this.#recorder.add(spansOf(frame));
  }

  close(): void {
    // The recorder is read until the process ends.
  }
}
