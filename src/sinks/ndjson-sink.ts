import type { OperatingPointMove } from '../core/operating-point.js';
import type { DeliveredFrame } from '../core/result.js';
import type { Sink } from '../core/sink.js';
import type { SourceEvent } from '../core/source.js';
import type { EventMessage, OperatingPointMessage } from '../protocol/messages.js';
import { toEventMessage, toFrameMessage, toOperatingPointMessage } from '../protocol/to-message.js';
import type { TextOutput } from './text-output.js';

/** One line of JSON a frame (and an event): the very messages that a WebSocket subscriber gets. */
export class NdjsonSink implements Sink {
  readonly kind = 'ndjson';
  readonly #output: TextOutput;

  constructor(output: TextOutput) {
    this.#output = output;
  }

  deliver(frame: DeliveredFrame): void | Promise<void> {
    return this.#output.write(`${JSON.stringify(toFrameMessage(frame))}\n`);
  }

  event(stream: string, event: SourceEvent): void {
    void this.#writeNews(toEventMessage(stream, event));
  }

  moved(stream: string, move: OperatingPointMove): void {
    void this.#writeNews(toOperatingPointMessage(stream, move));
  }

  /** Events are few and small: they need not wait for the disk, and a failure shows at the next frame. */
  async #writeNews(message: EventMessage | OperatingPointMessage): Promise<void> {
    try {
      await this.#output.write(`${JSON.stringify(message)}\n`);
    } catch {
      // Kept by the output, thrown by `deliver`.
    }
  }

  close(): Promise<void> {
    return this.#output.close();
  }
}
