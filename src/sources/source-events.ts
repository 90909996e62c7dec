import { type MonoTypeOperatorFunction, type Observable, ReplaySubject, tap } from 'rxjs';
import { epochMs } from '../core/clock.js';
import { toAppError } from '../core/errors.js';
import type { SourceEvent, SourceState } from '../core/source.js';

/** What a source tells of itself; the newest event is replayed to whoever comes late. */
export class SourceEvents {
  readonly #events = new ReplaySubject<SourceEvent>(1);
  #state: SourceState | undefined;

  get events$(): Observable<SourceEvent> {
    return this.#events.asObservable();
  }

  get state(): SourceState | undefined {
    return this.#state;
  }

  emit(state: SourceState, message: string, details: Pick<SourceEvent, 'code' | 'attempt' | 'retryInMs'> = {}): void {
    this.#state = state;
    this.#events.next({ epochMs: epochMs(), state, message, ...details });
  }

  /**
   * Tells the life of a lossless source by its frames: `connecting` now, `running` before the first of them, `ended` or `failed`.
   *
   * @param read how many were read, for the message at the end: `40 frames`.
   */
  follow<T>(location: string, read: () => string): MonoTypeOperatorFunction<T> {
    this.emit('connecting', `opening ${location}`);
    return tap({
      next: () => {
        if (this.#state !== 'running') this.emit('running', `reading ${location}`);
      },
      complete: () => this.emit('ended', `all ${read()} of ${location} were read`),
      error: (error: unknown) => {
        const { message, code } = toAppError(error);
        this.emit('failed', message, { code });
      },
    });
  }
}
