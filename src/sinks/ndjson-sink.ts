import type { OperatingPointMove } from '../core/operating-point.js';
import type { DeliveredFrame } from '../core/result.js';
import type { Sink } from '../core/sink.js';
import type { SourceEvent } from '../core/source.js';
import type { EventMessage, OperatingPointMessage } from '../protocol/messages.js';
import { encodeMessage } from '../protocol/codec.js';
import { toEventMessage, toFrameMessage, toOccupancyMessage, toOperatingPointMessage } from '../protocol/to-message.js';
import type { TextOutput } from './text-output.js';

/**
 * One line of JSON a frame (and an event): the very messages that a WebSocket subscriber gets. Where a frame tells occupied space, its update
 * follows on the next line, keyframe or delta.
 */
export class NdjsonSink implements Sink {
  readonly kind = 'ndjson';
  readonly #output: TextOutput;

  constructor(output: TextOutput) {
    this.#output = output;
  }

  deliver(frame: DeliveredFrame): void | Promise<void> {
    const text = `${JSON.stringify(toFrameMessage(frame))}\n`;
    const space = spaceOf(frame);
    return this.#output.write(space ? `${text}${space.toString()}\n` : text);
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

function spaceOf({ stream, result: { frame, occupancy } }: DeliveredFrame): Buffer | undefined {
  if (!occupancy || 'code' in occupancy) return undefined;
  return encodeMessage(toOccupancyMessage(stream, frame, occupancy.update, occupancy.nearest), 'json');
}
