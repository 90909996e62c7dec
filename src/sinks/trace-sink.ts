import type { DeliveredFrame } from '../core/result.js';
import type { Sink } from '../core/sink.js';
import { spansOf } from '../timing/frame-spans.js';
import { TraceEvents } from '../timing/trace-events.js';
import type { TextOutput } from './text-output.js';

/** Every frame's spans as a Chrome trace, for Perfetto or chrome://tracing. */
export class TraceSink implements Sink {
  readonly kind = 'trace';
  readonly #output: TextOutput;
  readonly #events = new TraceEvents();
  #separator = '{"displayTimeUnit":"ms","traceEvents":[\n';

  constructor(output: TextOutput) {
    this.#output = output;
  }

  deliver(frame: DeliveredFrame): void | Promise<void> {
    const text = this.#events.ofFrame(spansOf(frame)).map((event) => JSON.stringify(event));
    const before = this.#separator;
    this.#separator = ',\n';
    return this.#output.write(before + text.join(',\n'));
  }

  close(): Promise<void> {
    return this.#output.close(this.#separator.startsWith('{') ? `${this.#separator}]}\n` : '\n]}\n');
  }
}
