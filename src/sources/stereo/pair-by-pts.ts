import { asyncScheduler, filter, map, Observable, share, Subscription } from 'rxjs';
import type { Frame, StereoFrame } from '../../core/frame.js';
import type { StereoSide } from '../../core/stereo-source.js';
import { StereoPairer, type StereoPairerOptions } from './stereo-pairer.js';

export interface PairByPtsOptions extends StereoPairerOptions {
  /** With `onLeftAlone`: a left frame waits for its partner for so long at most; for ever where absent. */
  readonly maxWaitMs?: number | undefined;
}

/**
 * Pairs the frames of two streams by their times.
 *
 * ```
 * left   --0-----1-----2-----|      times of the frames
 * right  ----0---------2--3--|
 * pairs  ----0---------2-----|      and onUnpaired('left') for 1, ('right') for 3
 * ```
 *
 * Completes when both have completed, errors with the first. Pairs belong to the subscriber; frames without a partner are released and
 * counted, those that wait when it is unsubscribed are released. Where a stream's times go back (it starts again), its frames wait for
 * the other's to go back too.
 */
export function pairByPts(left$: Observable<Frame>, right$: Observable<Frame>, options: PairByPtsOptions): Observable<StereoFrame> {
  return new Observable((subscriber) => {
    const pairer = new StereoPairer(options, (pair) => {
      if (subscriber.closed) pair.release();
      else subscriber.next(pair);
    });
    const subscription = new Subscription(() => pairer.clear());
    const giveUpLater = (frame: Frame): void => {
      if (options.maxWaitMs === undefined || subscription.closed) return;
      const wait = asyncScheduler.schedule(() => {
        subscription.remove(wait);
        pairer.giveUp(frame);
      }, options.maxWaitMs);
      subscription.add(wait);
    };
    const listen = (side: StereoSide, frames$: Observable<Frame>): void => {
      if (subscription.closed || subscriber.closed) return;
      const listener = frames$.subscribe({
        next: (frame) => {
          if (subscription.closed) frame.release();
          else {
            pairer.push(side, frame);
            if (side === 'left') giveUpLater(frame);
          }
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          if (pairer.end(side)) subscriber.complete();
        },
      });
      subscription.add(listener);
    };
    subscriber.add(subscription);
    listen('left', left$);
    listen('right', right$);
  });
}

/** A frame of one side, where both come in one stream. */
export interface SidedFrame {
  readonly side: StereoSide;
  readonly frame: Frame;
}

/**
 * As `pairByPts`, of one stream that holds the frames of both sides in the order of their times, those of a pair with the same one: so a
 * frame that meets a later one of its own side has no partner, and two buffers are enough.
 */
export function pairSides(frames$: Observable<SidedFrame>, unpaired: Pick<StereoPairerOptions, 'onUnpaired' | 'onLeftAlone'>): Observable<StereoFrame> {
  const shared$ = frames$.pipe(share());
  const only = (wanted: StereoSide): Observable<Frame> =>
    shared$.pipe(
      filter(({ side }) => side === wanted),
      map(({ frame }) => frame),
    );
  return pairByPts(only('left'), only('right'), { ...unpaired, toleranceUs: 0, maxWaiting: 1 });
}
