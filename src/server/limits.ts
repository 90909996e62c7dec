import type { LimitsMessage } from '../protocol/messages.js';

/** Everything that bounds what clients can cost. */
export interface ServerLimits {
  /** WebSocket clients at once; one more is closed with 1013. */
  readonly maxClients: number;
  /** Of one message from a client; a bigger one closes with 1009. */
  readonly maxMessageBytes: number;
  readonly maxSubscriptions: number;
  /** From one client, on average; bursts of twice as many pass. */
  readonly maxMessagesPerSecond: number;
  /** Errors of one client before it is closed with 4400. */
  readonly maxBadMessages: number;
  /** Waiting for one client with policy `all` before it is closed with 4408. */
  readonly maxPendingMessages: number;
  readonly maxPendingBytes: number;
  /** Bytes in a client's socket above which it gets nothing more until they are written. */
  readonly highWaterBytes: number;
  /** A client that needs a token has so long to send it. */
  readonly authTimeoutMs: number;
  /** Between two pings; a client that has not answered one when the next is due is cut. */
  readonly pingIntervalMs: number;
  readonly statsIntervalMs: number;
  /** Loss of one client and stream is reported at most so often. */
  readonly droppedIntervalMs: number;
  /** At shutdown and after a close code, a client has so long to take what is left. */
  readonly closeGraceMs: number;
}

export const DEFAULT_LIMITS: ServerLimits = {
  maxClients: 512,
  maxMessageBytes: 16 * 1024,
  maxSubscriptions: 64,
  maxMessagesPerSecond: 20,
  maxBadMessages: 10,
  maxPendingMessages: 1024,
  maxPendingBytes: 8 * 1024 * 1024,
  highWaterBytes: 256 * 1024,
  authTimeoutMs: 5_000,
  pingIntervalMs: 20_000,
  statsIntervalMs: 1_000,
  droppedIntervalMs: 1_000,
  closeGraceMs: 1_000,
};

export function toLimitsMessage(limits: ServerLimits): LimitsMessage {
  return {
    max_message_bytes: limits.maxMessageBytes,
    max_subscriptions: limits.maxSubscriptions,
    max_messages_per_s: limits.maxMessagesPerSecond,
    max_bad_messages: limits.maxBadMessages,
    max_pending_messages: limits.maxPendingMessages,
    max_pending_bytes: limits.maxPendingBytes,
  };
}
