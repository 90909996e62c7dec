import { Observable } from 'rxjs';
import type { Frame } from '../../core/frame.js';
import type { Delivery, Source, SourceDropReason } from '../../core/source.js';
import type { StereoSource } from '../../core/stereo-source.js';

/**
 * A stereo source as one of left frames that carry their partner (`Frame.right`): whatever works on single frames works on the left camera's.
 * A left frame without partner comes alone, so where the right camera is dead, the left one goes on.
 */
export function leftFramesOf(stereo: StereoSource): Source {
  return new LeftFrames(stereo);
}

class LeftFrames implements Source {
  readonly kind: string;
  readonly name: string;
  readonly location: string;
  readonly delivery: Delivery;
  readonly frameCount: number | undefined;
  readonly frames$: Observable<Frame>;
  readonly events$: Source['events$'];
  onDropped: (reason: SourceDropReason, count: number) => void = () => undefined;

  constructor(stereo: StereoSource) {
    this.kind = stereo.kind;
    this.name = stereo.name;
    this.location = stereo.location;
    this.delivery = stereo.delivery;
    this.frameCount = stereo.frameCount;
    this.events$ = stereo.events$;
    stereo.onDropped = (reason, count) => this.onDropped(reason, count);
    this.frames$ = new Observable((subscriber) => {
      const give = (frame: Frame): void => {
        if (subscriber.closed) frame.release();
        else subscriber.next(frame);
      };
      stereo.onLeftAlone = give;
      return stereo.frames$.subscribe({
        next: ({ left, right }) => give(left.joinRight(right)),
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
    });
  }
}
