import { catchError, concat, defer, EMPTY, finalize, merge, type Observable, type Subscription, tap, throwError } from 'rxjs';
import { AppError } from '../../core/errors.js';
import type { Frame, StereoFrame } from '../../core/frame.js';
import type { Delivery, Source, SourceDropReason, SourceEvent, SourceState } from '../../core/source.js';
import type { StereoSide, StereoSource } from '../../core/stereo-source.js';
import { SourceEvents } from '../source-events.js';
import { pairByPts } from './pair-by-pts.js';
import { UnpairedReport } from './unpaired-report.js';

export interface PairedSourceOptions {
  readonly name: string;
  /** Both live or both lossless. Lossless ones need a pool each: with one for both, the side that is ahead would take the other's buffers. */
  readonly left: Source;
  readonly right: Source;
  /** Frames further apart are no pair, milliseconds; 10 where absent. Less than half the time between two frames. */
  readonly toleranceMs?: number;
  /** `capture` (when it was taken) for live sources, whose presentation times begin anywhere; `pts` for files, where absent. */
  readonly pairBy?: 'capture' | 'pts';
  /** Frames of a live side that wait for their partners at most; see `StereoPairerOptions`. */
  readonly maxWaiting?: number;
  /** A left frame of a live pair that goes on alone waits so long for its partner before; 150 where absent. */
  readonly maxWaitMs?: number;
}

const DEFAULT_TOLERANCE_MS = 10;
/** Two frames and more at 15 a second: networks hold one camera up and not the other. */
const DEFAULT_MAX_WAIT_MS = 150;

/** The state of a pair is that of the side that is worse off: the later in this list. */
const FROM_GOOD_TO_BAD: readonly SourceState[] = ['ended', 'running', 'frozen', 'stalled', 'connecting', 'reconnecting', 'failed'];

/**
 * Two sources, their frames paired by time.
 *
 * @throws AppError ERR_CONFIG_INVALID where one is live and the other isn't, or the tolerance isn't a number from 0.
 */
export function createPairedSource(options: PairedSourceOptions): StereoSource {
  const { left, right, toleranceMs = 0 } = options;
  if (left.delivery !== right.delivery) {
    throw new AppError('ERR_CONFIG_INVALID', `Expected two live or two lossless sources but ${left.name} is ${left.delivery} and ${right.name} ${right.delivery}.`, {
      fix: 'A file can play a camera: delivery live, in real time.',
    });
  }
  if (!(toleranceMs >= 0)) throw new AppError('ERR_CONFIG_INVALID', `Expected a tolerance of 0 ms or more but found ${toleranceMs}.`);
  return new PairedSource(options);
}

class PairedSource implements StereoSource {
  readonly kind = 'stereo-pair';
  readonly name: string;
  readonly location: string;
  readonly delivery: Delivery;
  readonly frameCount: number | undefined;
  readonly frames$: Observable<StereoFrame>;
  onDropped: (reason: SourceDropReason, count: number, side: StereoSide) => void = () => undefined;
  onUnpaired: (side: StereoSide, count: number) => void = () => undefined;
  onLeftAlone: StereoSource['onLeftAlone'];
  readonly #events = new SourceEvents();
  readonly #options: PairedSourceOptions;

  constructor(options: PairedSourceOptions) {
    const { name, left, right } = options;
    this.#options = options;
    this.name = name;
    this.location = `${left.location} and ${right.location}`;
    this.delivery = left.delivery;
    const counts = [left.frameCount, right.frameCount].filter((count) => count !== undefined);
    this.frameCount = counts.length === 2 ? Math.min(...counts) : undefined;
    left.onDropped = (reason, count) => this.onDropped(reason, count, 'left');
    right.onDropped = (reason, count) => this.onDropped(reason, count, 'right');
    this.frames$ = defer(() => this.#play());
  }

  get events$(): StereoSource['events$'] {
    return this.#events.events$;
  }

  #play(): Observable<StereoFrame> {
    const { left, right, toleranceMs = DEFAULT_TOLERANCE_MS, maxWaiting } = this.#options;
    const pairBy = this.#options.pairBy ?? (this.delivery === 'live' ? 'capture' : 'pts');
    const report = new UnpairedReport(this.#events);
    const events = this.#followSides();
    let rightError: unknown;
    // Left frames alone go on without the right side; what became of it is told by its events now, and by how the pair ends.
    const right$ = this.onLeftAlone === undefined ? right.frames$ : right.frames$.pipe(catchError((error: unknown) => ((rightError = error), EMPTY)));
    const end$ = defer(() => (rightError === undefined ? EMPTY : throwError(() => rightError)));
    const pairs$ = pairByPts(left.frames$, right$, {
      toleranceUs: toleranceMs * 1e3,
      timeUs: pairBy === 'pts' ? ({ ptsUs }) => ptsUs : capturedUs,
      ...(this.delivery === 'lossless' ? { maxWaiting: Infinity } : maxWaiting === undefined ? {} : { maxWaiting }),
      onUnpaired: (side, count) => {
        this.onUnpaired(side, count);
        report.add(side, count);
      },
      onLeftAlone: this.onLeftAlone,
      ...(this.delivery === 'live' ? { maxWaitMs: this.#options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS } : {}),
    });
    return concat(pairs$, end$).pipe(
      tap({ complete: () => report.flush() }),
      finalize(() => events.unsubscribe()),
    );
  }

  /** Events of both sides, each with the state of the pair. */
  #followSides(): Subscription {
    const { left, right } = this.#options;
    const states = new Map<StereoSide, SourceState>([['left', 'connecting'], ['right', 'connecting']]);
    let isReplay = true; // of the newest event of an earlier run
    const tell = (side: StereoSide) => (event: SourceEvent) => {
      if (isReplay) return;
      states.set(side, event.state);
      const worst = FROM_GOOD_TO_BAD.findLast((state) => [...states.values()].includes(state))!;
      const { code, attempt, retryInMs, message } = event;
      this.#events.emit(worst, `${side}: ${message}`, {
        ...(code === undefined ? {} : { code }),
        ...(attempt === undefined ? {} : { attempt }),
        ...(retryInMs === undefined ? {} : { retryInMs }),
      });
    };
    const subscription = merge(left.events$.pipe(tap(tell('left'))), right.events$.pipe(tap(tell('right')))).subscribe();
    isReplay = false;
    return subscription;
  }
}

function capturedUs({ capture }: Frame): number | undefined {
  return capture.epochMs === undefined ? undefined : capture.epochMs * 1e3;
}
