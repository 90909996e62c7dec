import type { OperatingPointMove } from './operating-point.js';
import type { DeliveredFrame } from './result.js';
import type { SourceEvent } from './source.js';

/** Where results go. A promise from `deliver` holds back lossless streams until it resolves; live ones don't wait. */
export interface Sink {
  readonly kind: string;
  deliver(frame: DeliveredFrame): void | Promise<void>;
  event?(stream: string, event: SourceEvent): void;
  /** Of a governed stream: it works at another operating point from the next frame on. */
  moved?(stream: string, move: OperatingPointMove): void;
  close(): void | Promise<void>;
}
