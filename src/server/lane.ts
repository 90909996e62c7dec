import type { SubscribeMessage, SubscriptionMessage } from '../protocol/index.js';
import { FRAME_FIELDS } from '../protocol/index.js';
import { Pacer } from './rate.js';
import { toFieldMask, toFields, type FieldMask, type FrameWireMessage } from './wire-message.js';

/** How a client wants a stream. */
export interface Subscription {
  readonly fields: FieldMask;
  /** Frames a second, or undefined for all. */
  readonly maxRate: number | undefined;
  readonly policy: 'latest' | 'all';
  readonly preview: boolean;
  readonly occupancy: boolean;
}

export function toSubscription(message: SubscribeMessage): Subscription {
  return {
    fields: toFieldMask(message.fields ?? FRAME_FIELDS),
    maxRate: message.max_rate,
    policy: message.policy,
    preview: message.preview,
    occupancy: message.occupancy,
  };
}

export function toSubscriptionMessage(stream: string, { fields, maxRate, policy, preview, occupancy }: Subscription): SubscriptionMessage {
  return { stream, fields: toFields(fields), max_rate: maxRate ?? null, policy, preview, occupancy };
}

/** One stream on its way to one client: its subscription, its pace, and what it lost. */
export class Lane {
  readonly stream: string;
  readonly subscription: Subscription;
  readonly frameKey: string;
  readonly eventKey: string;
  readonly moveKey: string;
  readonly statsKey: string;
  readonly previewKey: string;
  readonly occupancyKey: string;
  readonly #pacer: Pacer | undefined;
  readonly #reportIntervalMs: number;
  #losses: Map<string, number> | undefined;
  #reportDueMs = -Infinity;

  constructor(stream: string, subscription: Subscription, reportIntervalMs: number) {
    this.stream = stream;
    this.subscription = subscription;
    this.frameKey = `frame ${stream}`;
    this.eventKey = `event ${stream}`;
    this.moveKey = `move ${stream}`;
    this.statsKey = `stats ${stream}`;
    this.previewKey = `preview ${stream}`;
    this.occupancyKey = `occupancy ${stream}`;
    this.#pacer = subscription.maxRate === undefined ? undefined : new Pacer(subscription.maxRate);
    this.#reportIntervalMs = reportIntervalMs;
  }

  admits(nowMs: number): boolean {
    return this.#pacer?.admits(nowMs) ?? true;
  }

  /** The client will not get this frame. What was lost before it is known from it alone, so that is lost too, and counted with it. */
  lose(reason: string, { message }: FrameWireMessage): void {
    const losses = (this.#losses ??= new Map<string, number>());
    losses.set(reason, (losses.get(reason) ?? 0) + 1);
    for (const [earlier, count] of Object.entries(message.dropped_since_last)) losses.set(earlier, (losses.get(earlier) ?? 0) + count);
  }

  /** Losses to tell the client now, or undefined. */
  takeLosses(nowMs: number): Record<string, number> | undefined {
    if (this.#losses === undefined || nowMs < this.#reportDueMs) return undefined;
    const counts = Object.fromEntries(this.#losses);
    this.#losses = undefined;
    this.#reportDueMs = nowMs + this.#reportIntervalMs;
    return counts;
  }
}
