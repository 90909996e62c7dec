import type { Frame } from '../core/frame.js';
import type { OccupancyReport } from '../core/occupancy-report.js';
import type { OccupancyUpdate } from '../core/occupancy-update.js';
import { changesBetween } from '../occupancy/octree-deltas.js';
import { toOccupancyMessage } from '../protocol/index.js';
import { PlainWireMessage, type WireMessage } from './wire-message.js';

/**
 * Occupied space of one stream after one frame, on its way to any number of clients. What each of them gets depends on what it got before, which is only
 * known when it is sent: the changes since then, or all there is. Each of these messages is made once, when the first client needs it.
 */
export class OccupancyNews {
  readonly stream: string;
  /** For the bounds of what waits: about what a keyframe takes. */
  readonly bytes: number;
  readonly #frame: Pick<Frame, 'sequence' | 'ptsUs'>;
  readonly #report: OccupancyReport;
  /** The same object for all news that deltas lead through, from one of the stage's keyframes to the next. */
  readonly #run: object;
  readonly #changes = new Map<number, WireMessage>();
  #keyframe: WireMessage | undefined;

  /** @param before the news of the stream that came right before these, where there were any. */
  constructor(stream: string, { sequence, ptsUs }: Pick<Frame, 'sequence' | 'ptsUs'>, report: OccupancyReport, before: OccupancyNews | undefined) {
    this.stream = stream;
    this.#frame = { sequence, ptsUs };
    this.#report = report;
    const { kind, epoch } = report.update;
    const isContinued = before !== undefined && kind === 'delta' && epoch === before.#report.update.epoch && before.#update < this.#update;
    this.#run = isContinued ? before.#run : {};
    this.bytes = sizeOf(report);
  }

  get #update(): number {
    return this.#report.update.update;
  }

  /** What brings a client from `known`, the news that it got last, to these; undefined where it has these or newer ones. */
  messageSince(known: OccupancyNews | undefined): WireMessage | undefined {
    if (known === undefined || known.#run !== this.#run) return this.#keyframeMessage();
    if (known.#update >= this.#update) return undefined;
    return this.#changesSince(known);
  }

  #changesSince(known: OccupancyNews): WireMessage {
    const since = known.#update;
    let message = this.#changes.get(since);
    if (message === undefined) {
      const { update, tree } = this.#report;
      const changes = since === this.#update - 1 ? update : changesBetween(known.#report.tree, tree);
      message = sizeOf(changes) < sizeOf({ tree }) ? this.#wire({ ...update, kind: 'delta', ...changes }, since) : this.#keyframeMessage();
      this.#changes.set(since, message);
    }
    return message;
  }

  #keyframeMessage(): WireMessage {
    const { epoch, update, grid } = this.#report.update;
    return (this.#keyframe ??= this.#wire({ kind: 'keyframe', epoch, update, grid, tree: this.#report.tree }));
  }

  #wire(update: OccupancyUpdate, since?: number): WireMessage {
    return new PlainWireMessage(toOccupancyMessage(this.stream, this.#frame, update, this.#report.nearest, since));
  }
}

function sizeOf({ tree: { blocks, subtrees, confidence }, cleared }: Pick<OccupancyUpdate, 'tree' | 'cleared'>): number {
  return blocks.length + (cleared?.length ?? 0) + subtrees.length + (confidence?.length ?? 0);
}
